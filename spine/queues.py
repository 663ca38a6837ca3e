"""Queues of messages to addresses: due and lease sets in the store, claimed, settled and taken over by several senders.

An address is any text; its partition is the caller's to know and to name. What a message says, what an outcome
means and when to try again is decided by the caller; the store's functions keep it together.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from spine.keyspace import Keyspace
from spine.problems import Kind, Problem
from spine.queued import Backlog, Became, Claim, Claimed, Health, HealthChange, Kept, Put, Row, Settled, Wish
from spine.store import Ack, LeaseLost, Store
from spine.valkey import Word

CLAIM_MOST: Final = 32
"""Messages of one claim: more would hold up the store for longer than a millisecond."""
_PURGED_AT_ONCE: Final = 200


class BacklogFull(Problem):
    """As much waits for this address as may. Nothing was queued; what is refused here may be queued later."""

    code: ClassVar[str] = "backlog.full"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class BacklogHeld(BacklogFull):
    """The same for a reader of the log: it holds its entry back and comes again, for as long as it takes."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class Queues:
    """The queues of an installation. ``rows``: kept an address; ``dead``: dead letters kept an address."""

    def __init__(self, store: Store, *, rows: int, dead: int, rows_for: timedelta) -> None:
        self._valkey = store.valkey
        self._keys = Keyspace(store.valkey.prefix)
        self._rows = rows
        self._dead = dead
        self._rows_for = _ms_of(rows_for)
        self.partitions = store.house.partitions

    # ---- who queues

    async def put(self, one: Put, *, due: datetime, most: int, ack: Ack | None = None) -> bool:
        """Take a message, once; True where it is new. An ack of the same partition is committed with it.

        Raises ``BacklogFull`` where the address holds ``most``, ``LeaseLost``, ``StoreDown``.
        """
        partition = one.partition
        here = ack if ack is not None and ack.partition == partition else None
        base = self._base(partition)
        keys = [
            base,
            self._keys.cursors(partition),
            self._keys.lease(partition, here.group) if here else base,
        ]
        acked = [here.group, here.position, here.lease] if here else ["", "", ""]
        args: list[Word] = [
            one.message, one.address, to_ms(due), one.body, most, one.delivery, one.vehicle, *acked,
        ]  # fmt: skip
        match await self._valkey.call("tl_q_put", keys, args):
            case -1:
                raise BacklogFull("too much waits for this address", retry_after=60)
            case -2:
                raise LeaseLost(here.group if here else "")
            case new:
                return bool(new)

    async def withdraw(
        self, partition: int, address: str, message: str, *, row: str, keep: timedelta, now: datetime
    ) -> bool:
        """End it without another try; False where it has ended already, or never was."""
        args: list[Word] = [to_ms(now), address, message, "withdrawn", row, self._rows, _ms_of(keep)]
        return bool(await self._valkey.call("tl_q_withdraw", [self._base(partition)], args))

    async def resend(self, partition: int, address: str, message: str, *, most: int, now: datetime) -> bool:
        """Try an ended message anew; False where it is pending or unknown. Raises ``BacklogFull``."""
        args: list[Word] = [to_ms(now), address, message, most]
        done = await self._valkey.call("tl_q_resend", [self._base(partition)], args)
        if done < 0:
            raise BacklogFull("too much waits for this address", retry_after=60)
        return bool(done)

    async def hold(
        self,
        partition: int,
        address: str,
        until: datetime | None,
        *,
        now: datetime,
        rate: float | None = None,
        burst: int = 1,
        order: str = "",
    ) -> None:
        """Leave an address alone until then; None: no longer.

        ``rate`` a second, 0 for none, None as it is; ``order``: ``none``, ``delivery``, ``vehicle``, empty as it is.
        """
        hold_ms = 0 if until is None else to_ms(until)
        args: list[Word] = [to_ms(now), address, hold_ms, "" if rate is None else rate, burst, order, ""]
        await self._valkey.call("tl_q_hold", [self._base(partition)], args)

    async def adjust(
        self,
        partition: int,
        address: str,
        *,
        now: datetime,
        rate: float,
        burst: int,
        order: str,
        release: datetime | None = None,
    ) -> None:
        """Set rate and order as in ``hold``; an address that is left alone stays so, unless until ``release``."""
        released = "" if release is None else to_ms(release)
        args: list[Word] = [to_ms(now), address, "", rate, burst, order, released]
        await self._valkey.call("tl_q_hold", [self._base(partition)], args)

    async def purge(self, partition: int, address: str) -> int:
        """Erase an address: its messages, rows, dead letters, health. How many messages there were."""
        count = 0
        while found := int(
            await self._valkey.call("tl_q_purge", [self._base(partition)], [address, _PURGED_AT_ONCE])
        ):
            count += found
        return count

    # ---- who looks

    async def one(self, partition: int, message: str) -> Kept | None:
        """A message as it stands; None where there is none (any more)."""
        base = self._base(partition)
        found = await self._valkey.ask("HMGET", f"{base}:m:{message}", "a", "s", "b", "n", "r")
        address, state, body, n, last = found
        if address is None:
            return None
        due, lease = await self._valkey.ask_all(
            [("ZSCORE", f"{base}:w:{address}", message), ("ZSCORE", f"{base}:l:{address}", message)]
        )
        moment = due if due is not None else lease
        return Kept(
            id=message,
            address=address,
            state="pending" if state == "p" else state,
            body=body,
            n=int(n),
            due_ms=None if moment is None else round(float(moment)),
            leased=lease is not None,
            last_row=last,
        )

    async def bodies(self, partition: int, messages: Sequence[str]) -> list[str | None]:
        """What is kept of each; None where it is gone."""
        base = self._base(partition)
        return await self._valkey.ask_all([("HGET", f"{base}:m:{each}", "b") for each in messages])

    async def rows(self, partition: int, address: str, *, after: str | None, limit: int) -> list[Row]:
        """Rows of an address, newest first; ``after``: the position of the last one seen."""
        key = f"{self._base(partition)}:t:{address}"
        top = "+" if after is None else f"({after}"
        found = await self._valkey.ask("XREVRANGE", key, top, "-", "COUNT", limit)
        return [Row(position, fields[1], fields[3]) for position, fields in found]

    async def dead(
        self, partition: int, address: str, *, since: datetime, until: datetime, limit: int
    ) -> list[tuple[str, int]]:
        """Dead letters of an address by when they died (unix ms), oldest first."""
        key = f"{self._base(partition)}:d:{address}"
        words = ("BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
        found = await self._valkey.ask("ZRANGE", key, to_ms(since), to_ms(until), *words)
        return [(message, round(float(at))) for message, at in zip(found[::2], found[1::2], strict=True)]

    async def dead_newest(
        self, partition: int, address: str, *, skip: int, limit: int
    ) -> list[tuple[str, int]]:
        """Dead letters of an address, newest first."""
        key = f"{self._base(partition)}:d:{address}"
        found = await self._valkey.ask("ZRANGE", key, skip, skip + limit - 1, "REV", "WITHSCORES")
        return [(message, round(float(at))) for message, at in zip(found[::2], found[1::2], strict=True)]

    async def backlog(self, partition: int, address: str) -> Backlog:
        """How much an address holds, and how it is."""
        base = self._base(partition)
        waiting, leased, dead, state, head = await self._valkey.ask_all(
            [
                ("ZCARD", f"{base}:w:{address}"),
                ("ZCARD", f"{base}:l:{address}"),
                ("ZCARD", f"{base}:d:{address}"),
                ("HMGET", f"{base}:a:{address}", "o", "hold", "v", "h"),
                ("ZRANGE", f"{base}:w:{address}", 0, 0, "WITHSCORES"),
            ]
        )
        behind, hold, version, text = state
        return Backlog(
            waiting=waiting,
            in_flight=leased,
            behind=int(behind or 0),
            dead=dead,
            oldest_due_ms=round(float(head[1])) if head else None,
            hold_ms=int(float(hold or 0)),
            health=Health(version or "0", text or ""),
        )

    # ---- who sends

    def claiming(self, partition: int, wish: Wish, *, now: datetime) -> tuple[str, list[str], list[Word]]:
        """The call that leases what is due: for ``run``, then ``claimed``."""
        args: list[Word] = [
            to_ms(now), min(wish.most, CLAIM_MOST), _ms_of(wish.lease), wish.sender, wish.cap, self._rows,
            wish.aside, wish.aside_room, self._keys.subjects(partition), "1" if wish.only_aside else "",
        ]  # fmt: skip
        return "tl_q_claim", [self._base(partition)], args

    def settling(
        self,
        partition: int,
        sender: str,
        settled: Sequence[Settled],
        changes: Sequence[HealthChange],
        *,
        now: datetime,
    ) -> tuple[str, list[str], list[Word]]:
        """The call that settles many tries at once: for ``run``, then ``became``."""
        args: list[Word] = [to_ms(now), self._rows, self._dead, len(settled), self._rows_for, sender]
        for one in settled:
            args += (one.address, one.id, one.token, one.what, one.due_ms, one.row, one.fact, one.keep_ms)
        for change in changes:
            cap = "" if change.cap is None else change.cap
            args += (change.address, change.version, change.text, change.hold_ms, cap, change.mark)
            args += ("1" if change.first else "", len(change.facts), *change.facts)
        return "tl_q_settle", [self._base(partition), self._keys.log(partition)], args

    def returning(
        self, partition: int, sender: str, spared: Iterable[str], *, now: datetime
    ) -> tuple[str, list[str], list[Word]]:
        """The call that gives back what a sender had leased, but for the leases that are ``spared``.

        Each of those is a message and the token of its lease, with a blank between.
        """
        return "tl_q_return", [self._base(partition)], [to_ms(now), sender, self._rows, *spared]

    async def run(self, calls: Sequence[tuple[str, Sequence[str], Sequence[Word]]]) -> list[Any]:
        """Run calls made here, at once. Raises ``StoreDown``."""
        return await self._valkey.call_all(calls)

    async def beat(self, life: str, name: str, *, lives: timedelta) -> dict[str, str]:
        """This life of a sender is here; every life that may hold leases, with its name."""
        registry = self._keys.senders()
        _, _, found = await self._valkey.ask_all(
            [
                ("HSET", registry, life, name),
                ("SET", self._keys.sender(life), name, "PX", _ms_of(lives)),
                ("HGETALL", registry),
            ]
        )
        return dict(zip(found[::2], found[1::2], strict=True))

    async def silent(self, lives: Sequence[str]) -> list[str]:
        """Those of them that no longer beat, by the store's own time: no clock of a machine has a say."""
        found = await self._valkey.ask_all([("EXISTS", self._keys.sender(life)) for life in lives])
        return [life for life, there in zip(lives, found, strict=True) if not there]

    async def bury(self, life: str) -> None:
        """A life that is over and whose leases went back."""
        await self._valkey.ask_all([("HDEL", self._keys.senders(), life), ("DEL", self._keys.sender(life))])

    def _base(self, partition: int) -> str:
        return self._keys.queues(partition)


def claimed(partition: int, answer: Sequence[Any]) -> Claim:
    """What a claim gave."""
    messages: list[Claimed] = []
    health: dict[str, Health] = {}
    at = 1
    while at < len(answer):
        address, version, health_version, text, count = answer[at : at + 5]
        health[address] = Health(health_version, text)
        at += 5
        for _ in range(count):
            messages.append(Claimed(partition, address, version, *answer[at : at + 4]))
            at += 4
    return Claim(messages, health, None if answer[0] < 0 else answer[0])


def became(changes: Sequence[HealthChange], answer: Sequence[Any]) -> list[tuple[Became, Health]]:
    """What became of each change, and the health as it stands now."""
    last = answer[len(answer) - len(changes) :] if changes else ()
    return [_became(change, now) for change, now in zip(changes, last, strict=True)]


def _became(change: HealthChange, now: Sequence[str] | None) -> tuple[Became, Health]:
    match now:
        case None:
            return Became.SAVED, Health(str(int(change.version) + 1), change.text)
        case [version, text, _]:
            return Became.BEFORE, Health(version, text)
        case [version, text]:
            return Became.OVERTAKEN, Health(version, text)
        case _:
            return Became.ERASED, Health("", "")


def to_ms(when: datetime) -> int:
    """Unix milliseconds, rounded up: nothing is early."""
    return -int(-when.timestamp() * 1000 // 1)


def _ms_of(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
