"""The results of tries on their way to the store: what each message becomes, and how each address does."""

import itertools
import math
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spine.facts import FACT, Fact
from spine.facts.webhooks import BreakerClosed, BreakerOpened, EndpointFailing, EndpointRecovered
from spine.ids import EndpointId
from spine.queued import Became, Claimed, HealthChange, Settled, What, token_of
from spine.queued import Health as Stored
from spine.queues import became
from webhooks.addresses import Endpoint
from webhooks.health import Event, Happened, Health, Seen, Tried, after
from webhooks.limits import WebhooksLimits
from webhooks.messages import MAIL
from webhooks.moments import from_ms

Where = tuple[int, str]
"""Partition and address."""

_SPREAD: Final = random.SystemRandom()


@dataclass(slots=True)
class Ended:
    """A try that ended. ``tried``: what it says of its address, None where nothing does.

    ``endpoint``: the address, where it is an endpoint and its health is told of.
    """

    claimed: Claimed
    what: What
    row: str = ""
    due_ms: int = 0
    fact: str = ""
    keep_ms: int = 0
    tried: Tried | None = None
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A change of an address' health that is on its way: made of so many tries, and what happened with them."""

    change: HealthChange
    health: Health
    count: int
    happened: list[Happened]


@dataclass(slots=True)
class _Address:
    """What this sender knows of an address, and what it has not saved yet."""

    stored: Stored
    health: Health
    tries: list[Tried] = field(default_factory=list)
    endpoint: Endpoint | None = None
    sent: _Sent | None = None
    """Until it is answered it is sent as it was: whether it was saved is not known before."""
    save_at: float = 0
    """Until then (``time.monotonic``) it need not be saved: it does well, and nothing follows from one more success."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes to the store in one turn. ``rest``: more has ended than fits into it."""

    ended: list[Ended]
    parts: dict[int, tuple[list[Settled], list[HealthChange]]]
    rest: bool


class Results:
    """Gathered until they are saved: nothing is dropped before the store has answered."""

    def __init__(self, limits: WebhooksLimits, sender: str) -> None:
        """``sender``: the life whose results these are."""
        self._limits = limits
        self._sender = sender
        self._ended: list[Ended] = []
        self._settled: list[Settled] = []
        self._addresses: dict[Where, _Address] = {}
        self._unsaved: set[Where] = set()
        self._disable: list[tuple[EndpointId, str]] = []
        self._marks = itertools.count(1)
        self._later = limits.health_after.total_seconds()

    @property
    def waiting(self) -> bool:
        """Whether anything is to be saved."""
        return bool(self._ended or self._unsaved)

    @property
    def ended(self) -> int:
        """How many tries are to be saved."""
        return len(self._ended)

    def know(self, partition: int, healths: Mapping[str, Stored]) -> None:
        """How addresses do, as a claim told."""
        for address, stored in healths.items():
            known = self._addresses.get((partition, address))
            if known is None:
                if len(self._addresses) >= self._limits.addresses_known:
                    self._addresses = {where: self._addresses[where] for where in self._unsaved}
                self._addresses[(partition, address)] = _Address(stored, Health.read(stored.text))
            elif known.stored.version != stored.version:
                known.stored, known.health = stored, Health.read(stored.text)

    def add(self, ended: Ended) -> None:
        """A try has ended."""
        one = ended.claimed
        token = token_of(self._sender, one.lease)
        self._ended.append(ended)
        self._settled.append(
            Settled(
                one.address, one.id, token, ended.what, ended.row, ended.due_ms, ended.fact, ended.keep_ms
            )
        )
        if ended.tried is not None:
            where = (one.partition, one.address)
            known = self._addresses.setdefault(
                where, _Address(Stored("", ""), Health())
            )  # "": it will be told
            known.tries.append(ended.tried)
            if ended.tried.seen is not Seen.TAKEN:
                known.save_at = 0
            known.endpoint = ended.endpoint
            self._unsaved.add(where)

    def take(self, *, all_of_it: bool = True) -> Batch:
        """What to save now. It stays here until ``settled`` says that it is saved.

        Not ``all_of_it``: the successes of addresses that do well are counted together, for ``health_after``.
        """
        now = math.inf if all_of_it else time.monotonic()
        most = self._limits.settle_most
        ended = self._ended[:most]
        parts: dict[int, tuple[list[Settled], list[HealthChange]]] = defaultdict(lambda: ([], []))
        for one, settled in zip(ended, self._settled, strict=False):
            parts[one.claimed.partition][0].append(settled)
        for where in self._unsaved:
            known = self._addresses[where]
            if known.sent is None:
                if now < known.save_at:
                    continue
                known.sent = self._change(where[1], known)
            parts[where[0]][1].append(known.sent.change)
        return Batch(ended, dict(parts), len(self._ended) > len(ended))

    def _change(self, address: str, known: _Address) -> _Sent:
        health, happened = after(
            known.health,
            known.tries,
            since_ms=_since_ms(known.endpoint, known.tries),
            spread=_SPREAD.random(),
            limits=self._limits,
        )
        change = HealthChange(
            address,
            known.stored.version,
            health.text(),
            health.held_until_ms,
            health.cap,
            mark=next(self._marks),
            # Mail's queue is there of itself; a device's was made with it, and stays erased when it has ended.
            first=address == MAIL,
            facts=[told for each in happened if (told := _fact(each, known)) is not None],
        )
        return _Sent(change, health, len(known.tries), happened)

    def saved(self, batch: Batch) -> None:
        """The store has answered: the tries of this batch, which were the oldest, need not be kept."""
        del self._ended[: len(batch.ended)]
        del self._settled[: len(batch.ended)]

    def settled(self, partition: int, batch: Batch, answer: Sequence[Any]) -> None:
        """What became of this partition's healths: each was saved, or is made anew of what others saved meanwhile."""
        _, changes = batch.parts[partition]
        for change, (how, now) in zip(changes, became(changes, answer), strict=True):
            where = (partition, change.address)
            known = self._addresses[where]
            sent, known.sent = known.sent, None
            if how is Became.ERASED:
                del self._addresses[where]
                self._unsaved.discard(where)
                continue
            known.stored = now
            if sent is None or how is Became.OVERTAKEN:
                known.health = Health.read(now.text)
                continue
            known.health = sent.health if how is Became.SAVED else Health.read(now.text)
            del known.tries[: sent.count]
            known.save_at = time.monotonic() + self._later if known.health.well and not known.tries else 0
            if not known.tries:
                self._unsaved.discard(where)
            if known.endpoint is not None:
                self._disable += [
                    (known.endpoint.id, each.reason) for each in sent.happened if each.event is Event.DISABLED
                ]

    def to_disable(self) -> list[tuple[EndpointId, str]]:
        """The addresses that have come to their end, each once."""
        found, self._disable = self._disable, []
        return found


def _since_ms(endpoint: Endpoint | None, tries: Sequence[Tried]) -> int:
    """Since when an address may be expected to take news; mail is never given up."""
    if endpoint is None:
        return tries[-1].at_ms
    return int((endpoint.enabled_at or endpoint.made_at).timestamp() * 1000)


def _fact(happened: Happened, known: _Address) -> str | None:
    """What is told of an endpoint; its end is told by whoever disables it, and of mail nothing is told."""
    endpoint = known.endpoint
    if endpoint is None:
        return None
    at = from_ms(max(each.at_ms for each in known.tries))
    about: dict[str, Any] = {"at": at, "endpoint": endpoint.id, "subscriber": endpoint.subscriber}
    fact: Fact
    match happened.event:
        case Event.OPENED:
            fact = BreakerOpened(**about)
        case Event.CLOSED:
            fact = BreakerClosed(**about)
        case Event.RECOVERED:
            fact = EndpointRecovered(**about)
        case Event.FAILING:
            ends = None if happened.disables_at_ms is None else from_ms(happened.disables_at_ms)
            fact = EndpointFailing(**about, reason=happened.reason, disables_at=ends)
        case Event.DISABLED:
            return None
    return FACT.dump_json(fact).decode()
