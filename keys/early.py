"""What may be told of receipts whose predecessors have not come: the whole story of one key, as far as it is unbroken."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keys.car.claims import ReceiptClaims
from keys.car.receipt import Head, chain_hash, follows
from keys.limits import KeysLimits
from keys.model import Chain, chain_id
from spine.ids import UnitId
from spine.store import Change, Saved, Store, Write

_BEGINS: Final = "consumed"


@dataclass(frozen=True, slots=True)
class Link:
    """A verified receipt."""

    text: str
    claims: ReceiptClaims

    @property
    def hash(self) -> str:
        return chain_hash(self.text)

    @property
    def head(self) -> Head:
        return Head(self.claims.n, self.hash)


def told_ahead(link: Link, held: Mapping[int, Link], told: Collection[int]) -> list[Link]:
    """What is to be told now that ``link`` waits beside ``held``, in order; numbers in ``told`` have been.

    A courier's phone brings the receipts of its own key alone, out of a car without network: what lies before
    them in the car's chain comes when the car is back. Each is signed by the unit, so an owner need not wait
    to hear that the boot was opened. Only a run from ``consumed`` on, each receipt following the other and all
    of one key, is told: nothing between can be missing, and a refusal waits, because what came before it
    decides what it means. The chain still judges all of them, forks included, when its turn comes.
    """
    waiting = {**held, link.claims.n: link}
    first = link
    while first.claims.out != _BEGINS:
        before = waiting.get(first.claims.n - 1)
        if before is None or not _continues(before, first):
            return []
        first = before
    run: list[Link] = []
    following: Link | None = first
    while following is not None and (not run or _continues(run[-1], following)):
        run.append(following)
        following = waiting.get(following.claims.n + 1)
    return [one for one in run if one.claims.n not in told]


async def room_for(store: Store, unit: UnitId, numbers: Iterable[int], limits: KeysLimits) -> bool:
    """Whether receipts that another brings for a unit may be taken, of these chain numbers.

    They may use half of the room for those that wait: a unit whose own receipts find none is quarantined. The
    room is taken here, in one commit: what was let in and is not read yet counts too.
    """
    subject, wanted, room = chain_id(unit), set(numbers), [False]

    def decide(saved: Mapping[str, Saved]) -> Change | None:
        chain = Chain.model_validate_json(saved[subject].body)
        waiting = chain.held.keys() | {n for n in (*chain.coming, *wanted) if n > chain.n}
        # the car's own next receipt says where its chain goes on after a backup came back
        room[0] = not chain.resumes and len(waiting) <= limits.receipts_held // 2
        coming = sorted(waiting - chain.held.keys())
        if not room[0] or coming == chain.coming:
            return None
        chain.coming = coming
        return Change({subject: Write("open", chain.model_dump_json())})

    await store.change([subject], decide)
    return room[0]


def _continues(before: Link, link: Link) -> bool:
    same = link.claims.jti is not None and link.claims.jti == before.claims.jti
    return same and link.claims.out != _BEGINS and follows(before.head, link.claims)
