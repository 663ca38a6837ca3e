"""The browsers that a person let us notify: a few for each person, sealed at rest, ended with their session."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts.webhooks import PushEnded, PushStarted
from spine.ids import PersonId, PushId, named_after, new_id, partition_of
from spine.problems import Kind, Problem
from spine.queues import Queues
from spine.rates import Rates
from spine.store import Change, Saved, Store, Write
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.messages import device_queue
from webhooks.sealing import Seal
from webhooks.standing import queues_of
from webhooks.web_push import Subscription
from webhooks.web_push_choice import Choice, ChoiceChanged, Topic

_SPACE: Final = "push_started"
_PER: Final = timedelta(days=1)
_ORDER: Final = "delivery"
"""News of one delivery reaches a screen in order; one that fails holds up no other delivery's."""

Alive = Callable[[PersonId, str], Awaitable[bool]]
"""Whether this session of this person still lives."""


class DeviceUnknown(Problem):
    """There is no such device (any more), or it is another person's: both are told alike."""

    code: ClassVar[str] = "push.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class TooManyDevices(Problem):
    """As many devices as may be are notified already."""

    code: ClassVar[str] = "push.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class StartedTooOften(Problem):
    """New devices were added too often today."""

    code: ClassVar[str] = "push.too_often"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sealed: str
    fingerprint: str
    name: str
    session: str
    made_at: AwareDatetime


class _Book(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    devices: Mapping[PushId, _Kept] = {}
    choice: Choice = Choice()


@dataclass(frozen=True, slots=True)
class Device:
    """A browser as its person sees it. ``session``: in which it was turned on, and with which it ends."""

    id: PushId
    name: str = field(repr=False)
    made_at: datetime
    fingerprint: str
    session: str


class Devices:
    """One subject ``ntf_`` of all of a person's devices, in the person's partition."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: WebhooksLimits,
        guard: Guard,
        seal: Seal,
        alive: Alive,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._guard = guard
        self._seal = seal
        self._alive = alive
        self._rates = Rates(store.valkey)
        self._queues: Queues = queues_of(store, limits)

    async def add(
        self, person: PersonId, subscription: Subscription, *, name: str, session: str
    ) -> tuple[Device, bool]:
        """Notify this browser from now on; True where it is new. Again: its keys and session are renewed.

        Raises ``UrlRefused``, ``TooManyDevices``, ``StartedTooOften``, and ``DeviceUnknown`` where the session
        ended meanwhile.
        """
        self._guard.check(subscription.endpoint)
        now, book, mark = self._clock.now(), _book_of(person), subscription.fingerprint
        if not any(one.fingerprint == mark for one in _read(await self._store.load(book)).devices.values()):
            await self._count(person, now)
        drawn = PushId(new_id("psh", partition_of(person)))
        made: list[PushId] = []

        def decide(saved: Mapping[str, Saved]) -> Change:
            kept_so_far = _read(saved[book])
            known = kept_so_far.devices
            again = next((each for each, one in known.items() if one.fingerprint == mark), None)
            if again is None and len(known) >= self._limits.push_devices_most:
                raise TooManyDevices("end another device first")
            device = again or drawn
            made[:] = [device]
            kept = _Kept(
                sealed=self._sealed(subscription, device),
                fingerprint=mark,
                name=name,
                session=session,
                made_at=known[again].made_at if again else now,
            )
            facts = [] if again else [PushStarted(at=now, device=device, person=person)]
            return Change({book: _write({**known, device: kept}, kept_so_far.choice)}, facts)

        outcome = await self._store.change([book], decide)
        device = made[0]
        place = device_queue(device)
        await self._queues.adjust(
            place.partition, place.address, now=now, rate=0, burst=self._limits.rate_burst, order=_ORDER
        )
        # After the commit: whoever is erased or signed out at this moment leaves nothing that listens.
        if not await self._alive(person, session):
            await self.end(person, device, "session_over")
            raise DeviceUnknown("this session is over")
        return _view(device, _read(outcome.saved[book]).devices[device]), device == drawn

    async def of(self, person: PersonId) -> list[Device]:
        """Every browser that is notified, oldest first; those whose session is over end here."""
        found = [_view(each, one) for each, one in _read(await self._load(person)).devices.items()]
        living = []
        for one in found:
            if await self._alive(person, one.session):
                living.append(one)
            else:
                await self.end(person, one.id, "session_over")
        return sorted(living, key=lambda one: one.made_at)

    async def ids_of(self, person: PersonId, topic: Topic | None = None) -> Sequence[PushId]:
        """Where news for this person may go; whether each still may is asked when it is sent.

        ``topic``: nowhere, if the person does without such news; None: what cannot be turned off.
        """
        book = _read(await self._load(person))
        return list(book.devices) if book.choice.wants(topic) else []

    async def choice(self, person: PersonId) -> Choice:
        """What the person wants to hear of; everything, where nothing was chosen."""
        return _read(await self._load(person)).choice

    async def choose(self, person: PersonId, choice: Choice, *, session: str, if_match: str) -> Choice:
        """Hear of this from now on. The same again changes nothing, whatever ``if_match`` says.

        Raises ``ChoiceChanged`` unless ``if_match`` is the present choice's ETag or ``*``, and ``DeviceUnknown``
        where the session ended meanwhile: then it stays as it was.
        """
        book, before = _book_of(person), [choice]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _read(saved[book])
            before[:] = [known.choice]
            if known.choice == choice:
                return None
            if if_match not in {"*", known.choice.etag}:
                raise ChoiceChanged("read it again")
            return Change({book: _write(known.devices, choice)})

        await self._store.change([book], decide)
        # After the commit: whoever is erased at this moment leaves no choice behind.
        if not await self._alive(person, session):
            await self._put_back(person, *before)
            raise DeviceUnknown("this session is over")
        return choice

    async def target(self, person: PersonId, device: PushId) -> Subscription | None:
        """For whom to seal; None where the device, or the session it was turned on in, has ended.

        Raises ``NotSealedByUs``.
        """
        kept = _read(await self._load(person)).devices.get(device)
        if kept is None:
            return None
        if not await self._alive(person, kept.session):
            await self.end(person, device, "session_over")
            return None
        said = json.loads(self._seal.open(kept.sealed, device))
        return Subscription(said["endpoint"], bytes.fromhex(said["p256dh"]), bytes.fromhex(said["auth"]))

    async def remove(self, person: PersonId, device: PushId) -> None:
        """The person wants no more there; what waits is dropped. Raises ``DeviceUnknown``."""
        if not await self.end(person, device, "removed"):
            raise DeviceUnknown("there is no such device")
        await self.erase_queue(device)

    async def end(self, person: PersonId, device: PushId, reason: str) -> bool:
        """Nothing is sent there any more, and its keys are erased; False where that was so already.

        What waits for it is dropped by the reader of the log (``webhooks.forgetting``).
        """
        now, book = self._clock.now(), _book_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _read(saved[book])
            if device not in known.devices:
                return None
            rest = {each: one for each, one in known.devices.items() if each != device}
            ended = PushEnded(at=now, device=device, person=person, reason=reason)
            return Change({book: _write(rest, known.choice)}, [ended])

        return (await self._store.change([book], decide)).changed

    async def forget(self, person: PersonId) -> None:
        """The person was erased: every device with them. Again: nothing is left."""
        for device in await self.ids_of(person):
            await self.end(person, device, "erased")
            await self.erase_queue(device)
        await self._put_back(person, Choice())

    async def erase_queue(self, device: PushId) -> None:
        """Whatever waits for a device that has ended."""
        place = device_queue(device)
        await self._queues.purge(place.partition, place.address)

    async def _put_back(self, person: PersonId, choice: Choice) -> None:
        book = _book_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _read(saved[book])
            return None if known.choice == choice else Change({book: _write(known.devices, choice)})

        await self._store.change([book], decide)

    async def _count(self, person: PersonId, now: datetime) -> None:
        wait = await self._rates.take(_SPACE, person, limit=self._limits.push_started_most, per=_PER, now=now)
        if wait:
            raise StartedTooOften("new devices were added too often", retry_after=wait)

    async def _load(self, person: PersonId) -> Saved:
        return await self._store.load(_book_of(person))

    def _sealed(self, subscription: Subscription, device: PushId) -> str:
        plain = json.dumps(
            {
                "endpoint": subscription.endpoint,
                "p256dh": subscription.p256dh.hex(),
                "auth": subscription.auth.hex(),
            }
        )
        return self._seal.seal(plain.encode(), device)


def _book_of(person: PersonId) -> str:
    return named_after("ntf", person)


def _read(saved: Saved) -> _Book:
    return _Book.model_validate_json(saved.body) if saved.version and not saved.ended else _Book()


def _write(devices: Mapping[PushId, _Kept], choice: Choice) -> Write:
    return Write("kept", _Book(devices=devices, choice=choice).model_dump_json())


def _view(device: PushId, kept: _Kept) -> Device:
    return Device(device, kept.name, kept.made_at, kept.fingerprint, kept.session)
