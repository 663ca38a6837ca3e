"""What time alone does to a delivery (timers of prefix ``dlv``): expiry, key making, settling, erasing."""

from collections.abc import Mapping
from datetime import datetime

from delivery import testing
from delivery.asking import Asking
from delivery.life import settling
from delivery.model import Read
from delivery.photos import Photos
from delivery.place import Anywhere
from delivery.reactions import Reactions
from delivery.service import Deliveries, Turn, told
from delivery.states import ENDS, UNDER_WAY, State
from spine.facts.delivery import DeliveryExpired, DeliveryFact, DeliveryUnsure
from spine.store import Change, Saved, Write


class Due:
    """The handler of the deliveries' timers. Called late or twice it does the same."""

    def __init__(self, deliveries: Deliveries, asking: Asking, reactions: Reactions, photos: Photos) -> None:
        self._deliveries = deliveries
        self._asking = asking
        self._reactions = reactions
        self._photos = photos

    async def on_due(self, saved: Saved) -> None:
        """A delivery's moment has come; afterwards its timer stands at the next one."""
        read, now = Read.of(saved), self._deliveries.clock.now()
        if read is None or saved.wake_at is None or saved.wake_at > now:
            return
        if read.over:
            await self._forget(read, now)
        elif read.body.test_at is not None:
            await testing.play(self._deliveries, read)
        elif read.state is State.REQUESTED and read.body.told_at is not None:
            await self._asking.tell_unusable(read.id)
        elif read.body.ask_again_at is not None and now < read.body.approve_by:
            await self._asking.again(read.id)
        else:
            await self._turn(read, now)

    async def _turn(self, read: Read, now: datetime) -> None:
        if read.state in UNDER_WAY and now < read.body.window.end:
            await self._reactions.make_key(read.id)

        def decide(here: Read, _: Mapping[str, Saved]) -> Turn:
            fact = overdue(here, now)
            # without a fact the delivery is written all the same: that sets its timer to what is next
            return Turn(here.body, [fact] if fact else [])

        after = await self._deliveries.change(read.id, decide)
        if after.state is State.UNSURE:
            await self._reactions.end(read.id)

    async def _forget(self, read: Read, now: datetime) -> None:
        """Places, names and photos go first, the rest later; a tombstone stays."""
        limits, finished = self._deliveries.limits, read.body.finished_at
        if finished is None or now < finished + limits.personal_kept:
            return
        for photo in read.body.photos:
            if not photo.gone:
                await self._photos.delete(read.id, photo.sha256, shared=not photo.own)
        question = read.body.question
        over = read.body.erased and now >= finished + limits.kept

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = Read.of(saved[read.id])
            if here is None or here.state not in ENDS:
                return None
            writes: dict[str, Write] = {}
            if question is not None and not saved[question].ended and saved[question].version:
                writes[question] = Write(saved[question].state, "{}", ended=True)
            if over:
                return Change({**writes, read.id: Write(here.state, "{}", ended=True)})
            photos = tuple(photo.but(gone=True) for photo in here.body.photos)
            body = here.body.but(
                erased=True, address=None, place=Anywhere(), arrival=None, out_by=None, photos=photos
            )
            return self._deliveries.commit(here, Turn(body, writes=writes), now)

        await self._deliveries.store.change([read.id, *([question] if question else [])], decide)


def overdue(read: Read, now: datetime) -> DeliveryFact | None:
    """What has happened because nothing else has; None where it is not time yet."""
    body = read.body
    match read.state:
        case State.REQUESTED | State.ASKED:
            return told(DeliveryExpired, read, now) if now >= body.approve_by else None
        case State.APPROVED | State.KEYED | State.EN_ROUTE | State.ARRIVED:
            return told(DeliveryExpired, read, now) if now >= body.window.end else None
        case State.OPENING | State.OPEN:
            return told(DeliveryUnsure, read, now)
        case State.CLOSED if body.locked_at is None:
            return told(DeliveryUnsure, read, now)
        case State.CLOSED:
            return settling(read, body, now)
        case _:
            return None
