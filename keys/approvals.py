"""Signed records of approvals, made when the approval is heard and kept for the evidence."""

from collections.abc import Mapping

from keys.car.records import ApprovalRecord
from keys.limits import KeysLimits
from keys.model import Approval, approval_id
from keys.signing import SigningKeys
from spine.facts.delivery import DeliveryApproved
from spine.store import Ack, Change, Saved, Store, Write


class Approvals:
    """Signs what an approval said (purpose ``log``), so that its level cannot be changed later unseen."""

    def __init__(self, store: Store, limits: KeysLimits, signing: SigningKeys) -> None:
        self._store = store
        self._limits = limits
        self._signing = signing

    async def keep(self, fact: DeliveryApproved, *, ack: Ack | None = None) -> None:
        """Keep the signed record of one approval, once per question."""
        subject = approval_id(fact.delivery)
        claims = ApprovalRecord(
            dlv=fact.delivery,
            question=fact.question,
            level=fact.level,
            by=fact.by or "",
            shown=fact.shown,
            at=int(fact.at.timestamp() * 1000),
            fra=fact.fra,
            assertion=fact.assertion,
        )

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[subject].ended:
                return None
            kept = Approval.model_validate_json(saved[subject].body)
            if fact.question in kept.records:
                return None
            kept.records[fact.question] = self._signing.signer("log").sign(claims.wire())
            until = fact.at + self._limits.keep_reduced
            return Change({subject: Write("kept", kept.model_dump_json(), wake_at=until)})

        await self._store.change([subject], decide, ack=ack)

    async def due(self, due: Saved) -> None:
        """Forget the records when their time is over."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[due.id].version != due.version or due.ended:
                return None
            return Change({due.id: Write("over", "", ended=True)})

        await self._store.change([due.id], decide)
