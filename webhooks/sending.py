"""The sender: takes what is due, tries it, saves what came of it; one turn is one trip to the store.

A turn saves the results of the tries that have ended and leases what is due, for all partitions together. Tries run
beside it. So a slow address holds up nobody, and a busy sender asks the store once for many tries.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from spine.clock import Clock
from spine.queued import Claim, Claimed, Wish, token_of
from spine.queues import CLAIM_MOST, Queues, claimed
from spine.store import StoreDown
from spine.valkey import Word
from webhooks.lanes import Lanes
from webhooks.limits import WebhooksLimits
from webhooks.messages import MAIL, Kept
from webhooks.results import Ended, Results
from webhooks.trying import Trying

log = logging.getLogger("trunkline.webhooks")

_CLAIMS_MOST: Final = 4
"""Claims of one partition in one trip: each holds up the store for a millisecond, and others come between."""
_WORTH_A_CALL: Final = 16
"""Messages that a partition is asked for at least, where several could be: each call costs the store as much as one."""

Call = tuple[str, Sequence[str], Sequence[Word]]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one trip to the store is for."""

    calls: list[Call]
    settling: list[tuple[int, int]]
    """Which partitions' results, each with how many."""
    claiming: list[int]


class Sending:
    """One sender: its tries, its leases and its beat."""

    def __init__(self, clock: Clock, limits: WebhooksLimits, queues: Queues, trying: Trying) -> None:
        self._clock = clock
        self._limits = limits
        self._queues = queues
        self._trying = trying
        self.life = secrets.token_hex(8)
        self._name = ""
        self._results = Results(limits, self.life)
        self._lanes = Lanes(limits.in_flight, self._one)
        self._tries = self._lanes.tries
        self._mine: dict[int, Claimed] = {}
        """What is leased and not settled yet, each lease by itself: a message may be leased again before its former
        try ended."""
        self._held = {True: 0, False: 0}
        """How many of them are mail, and how many are not."""
        self._begun = 0
        """Messages leased so far."""
        self._due: dict[int, float] = dict.fromkeys(range(queues.partitions), 0.0)
        """Loop time from which a partition is asked again."""
        self._full: set[int] = set()
        """Partitions that gave as many as one claim may: they are asked several times in one trip."""
        self._first = 0
        self._awake = asyncio.Event()
        self._news = asyncio.Event()
        """Something may be due that nobody has asked for yet: no time to gather results first."""
        self._turned = 0.0
        """Loop time of the newest turn that claimed, or could have."""
        self._unsure = False
        """A claim's answer was lost: what it leased is ours without our knowing."""

    def wake(self, partition: int) -> None:
        """Something was queued in this partition by this process."""
        self._due[partition] = 0.0
        self._news.set()
        self._awake.set()

    async def run(self, name: str) -> None:
        """Send what is due, until cancelled. The store may come and go. ``name``: the same after a restart."""
        self._name = name
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_beating(name), name="webhooks.beat")
            tasks.create_task(self._keep_turning(), name="webhooks.sender")

    async def sweep(self) -> int:
        """Try everything that is due now and save what came of it; how many tries there were."""
        count = 0
        while True:
            self._due = dict.fromkeys(self._due, 0.0)
            begun = self._begun
            await self._turn()
            if begun == self._begun and not self._tries and not self._results.waiting:
                return count
            count += self._begun - begun
            await self.idle()
            while self._results.waiting:
                await self._turn(claim=False)

    async def idle(self) -> None:
        """Wait until no try runs in this process."""
        await self._lanes.idle()

    async def close(self) -> None:
        """Let the running tries end and save them; what is cut off here goes to whoever comes next."""
        if self._tries:
            await self._beat_for(self._limits.total_timeout)
        await self._lanes.close(self._limits.total_timeout.total_seconds())
        if not self._mine and not self._results.waiting:
            return
        try:
            while self._results.waiting:
                await self._turn(claim=False)
            await self._give_back(self.life)
        except StoreDown as down:
            log.warning("sender.not_returned", extra={"reason": down.detail})

    # ---- turns

    async def _keep_turning(self) -> None:
        ticks = asyncio.get_running_loop().time
        while True:
            try:
                await self._catch_up()
                self._awake.clear()
                self._news.clear()
                await self._turn()
            except StoreDown as down:
                self._unsure = True
                log.warning("sender.waits", extra={"reason": down.detail})
                await asyncio.sleep(self._limits.settle_after.total_seconds() + 0.2)
                continue
            except Exception:
                self._unsure = True
                log.exception("sender.failed")
                await asyncio.sleep(1)
                continue
            if not self._results.waiting and not self._awake.is_set():
                wait = self._limits.sender_poll.total_seconds()
                if self._room(mail=False) > 0 or self._room(mail=True) > 0:
                    wait = max(0.001, min(self._due.values()) - ticks())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._awake.wait()
            if self._results.waiting and self._tries and not self._news.is_set() and not self._enough():
                # More end meanwhile.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.settle_after.total_seconds()):
                        await self._news.wait()

    def _enough(self) -> bool:
        """Whether so much has ended that a trip is worth it at once: what is on the wire lasts until its answer."""
        return self._results.ended >= self._limits.in_flight // 2

    async def _catch_up(self) -> None:
        """Before anything is claimed: leases may have run out while the store was away or this process stood still.

        What has its answer here is saved first, or it would be sent once more.
        """
        still = self._stood_still()
        if still and self._tries:  # their answers may have come and not been read yet
            await asyncio.wait(self._tries, timeout=self._limits.total_timeout.total_seconds())
        if still or self._unsure:
            while self._results.waiting:
                await self._turn(claim=False)
        if self._unsure:
            await self._give_back_unknown()

    def _stood_still(self) -> bool:
        """Stopped or starved for so long that a lease may be over."""
        idle = asyncio.get_running_loop().time() - self._turned
        return bool(self._turned) and idle > self._limits.lease_margin.total_seconds() / 2

    async def _turn(self, *, claim: bool = True) -> None:
        """One trip. Raises ``StoreDown``; then every result is still there, and is saved with the next one."""
        now = self._clock.now()
        batch = self._results.take(all_of_it=not (claim and self._tries))
        turn = _Turn([], [], [])
        for partition, (settled, changes) in batch.parts.items():
            turn.calls.append(self._queues.settling(partition, self.life, settled, changes, now=now))
            turn.settling.append((partition, len(settled)))
        if claim:
            self._turned = asyncio.get_running_loop().time()
        if claim and not batch.rest:
            # What has its answer here and is not saved with this trip may have outlived its lease, after a long pause
            # of this process: a claim would give it back and send it once more.
            self._add_claims(turn, self._ending(batch.ended))
        if not turn.calls:
            return
        asked = asyncio.get_running_loop().time()
        answers = await self._queues.run(turn.calls)
        self._results.saved(batch)
        for one in batch.ended:
            self._let_go(one.claimed)
        for (partition, _), answer in zip(turn.settling, answers, strict=False):
            self._results.settled(partition, batch, answer)
        for partition, answer in zip(turn.claiming, answers[len(turn.settling) :], strict=True):
            self._take(partition, claimed(partition, answer), asked)
        for endpoint, reason in self._results.to_disable():
            await self._trying.disable(endpoint, reason)

    def _add_claims(self, turn: _Turn, ending: tuple[int, int]) -> None:
        """Ask the partitions whose time has come, each for its share of the room, in turn the first of them."""
        ticks = asyncio.get_running_loop().time()
        due = [each for each in self._due if self._due[each] <= ticks]
        room = self._room(mail=False) + ending[0]
        aside = self._room(mail=True) + ending[1]
        if not due or (room <= 0 and aside <= 0):
            return
        due.sort(key=lambda each: (each - self._first) % self._queues.partitions)
        due = due[: max(1, room // _WORTH_A_CALL, aside)]
        self._first = due[-1] + 1
        share, now = max(1, room // len(due)), self._clock.now()
        mails = max(1, aside // len(due))
        for partition in due:
            mine = max(0, min(mails, aside))
            aside -= mine
            wish = Wish(
                self.life,
                share if room > 0 else mine,
                self._limits.lease,
                self._limits.in_flight_per_address,
                MAIL,
                mine,
                only_aside=room <= 0,
            )
            calls = min(-(-share // CLAIM_MOST), _CLAIMS_MOST) if partition in self._full else 1
            for _ in range(calls):
                turn.calls.append(self._queues.claiming(partition, wish, now=now))
                turn.claiming.append(partition)
                wish = replace(wish, most=max(1, wish.most - CLAIM_MOST), aside_room=0)

    def _room(self, *, mail: bool) -> int:
        if mail:
            return self._limits.mail_in_flight - self._held[True]
        return self._limits.in_flight + self._limits.claim_ahead - self._held[False]

    def _ending(self, ended: Sequence[Ended]) -> tuple[int, int]:
        mails = sum(one.claimed.address == MAIL for one in ended)
        return len(ended) - mails, mails

    def _take(self, partition: int, claim: Claim, asked: float) -> None:
        """``asked``: loop time before the trip: from then on its leases run out."""
        ticks = asyncio.get_running_loop().time()
        poll = self._limits.sender_poll.total_seconds()
        wait = poll if claim.wait_ms is None else min(poll, claim.wait_ms / 1000)
        if wait == 0 and not claim.messages:
            wait = 0.02  # what is due has no room here: somebody must end first
        self._due[partition] = ticks + wait
        if len(claim.messages) >= CLAIM_MOST:
            self._full.add(partition)
        else:
            self._full.discard(partition)
        self._results.know(partition, claim.health)
        for one in claim.messages:
            self._mine[id(one)] = one
            self._held[one.address == MAIL] += 1
            if one.address == MAIL:
                self._lanes.beside(one, asked)
            else:
                self._lanes.ready.append((one, asked))
        self._begun += len(claim.messages)
        self._lanes.fill()

    def _let_go(self, one: Claimed) -> None:
        if self._mine.pop(id(one), None) is not None:
            self._held[one.address == MAIL] -= 1
            self._due[one.partition] = 0.0

    async def _one(self, one: Claimed, asked: float) -> None:
        """One try. It never raises; cut off, its lease goes back."""
        ended: Ended
        try:
            waited = asyncio.get_running_loop().time() - asked
            if waited > self._limits.lease_margin.total_seconds() / 2:
                # It waited long for a place, and the lease covers a try, not half of it.
                ended = self._trying.stumbled(one)
            else:
                ended = await self._trying.once(one, Kept.read(one.body, started=one.n))
        except Exception:
            log.exception("message.unsettled", extra={"message_id": one.id})
            ended = self._trying.stumbled(one)
        self._results.add(ended)
        self._awake.set()
        if self._enough():
            self._news.set()

    # ---- who is there

    async def _keep_beating(self, name: str) -> None:
        """Say that we are here; what our own former life and those that fell silent had in hand goes back."""
        started = True
        while True:
            try:
                lives = await self._queues.beat(self.life, name, lives=self._limits.lives)
                others = [life for life in lives if life != self.life]
                former = [life for life in others if started and lives[life] == name]
                gone = {*former, *(await self._queues.silent(others) if others else ())}
                for life in gone:
                    await self._give_back(life)
                started = False
            except StoreDown as down:
                log.warning("sender.no_beat", extra={"reason": down.detail})
            except Exception:
                log.exception("sender.beat_failed")
            await asyncio.sleep(self._limits.beat.total_seconds())

    async def _beat_for(self, longest: timedelta) -> None:
        """We only finish what we have: until then nobody is to take it for a dead one's."""
        try:
            await self._queues.beat(self.life, self._name, lives=longest + self._limits.lives)
        except StoreDown as down:
            log.warning("sender.no_beat", extra={"reason": down.detail})

    async def _give_back(self, life: str) -> None:
        now, partitions = self._clock.now(), range(self._queues.partitions)
        counts = await self._queues.run(
            [self._queues.returning(each, life, (), now=now) for each in partitions]
        )
        await self._queues.bury(life)
        log.info("sender.returned", extra={"life": life, "messages": sum(counts)})
        for partition in partitions:
            self.wake(partition)

    async def _give_back_unknown(self) -> None:
        """After a claim whose answer was lost: the leases of ours that we do not know go back."""
        now = self._clock.now()
        spared: dict[int, list[str]] = {each: [] for each in range(self._queues.partitions)}
        for one in self._mine.values():
            spared[one.partition].append(f"{one.id} {token_of(self.life, one.lease)}")
        calls = [
            self._queues.returning(partition, self.life, mine, now=now) for partition, mine in spared.items()
        ]
        await self._queues.run(calls)
        self._unsure = False
        self._due = dict.fromkeys(self._due, 0.0)
