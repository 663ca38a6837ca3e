"""Judge an evidence file offline: every signature, the chain of receipts, and whether they tell one story."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.assertions import NotAnAssertion, hash_of_json
from keys.car.claims import ProofClaims, ReceiptClaims
from keys.car.evidence_file import Arrived, BadRoots, EvidenceFile, NotEvidence, ReceiptCertificate, Roots
from keys.car.jwk import BadKey, ed25519_to_jwk, p256_from_jwk, thumbprint
from keys.car.jws import PROOF, Unacceptable, read, verify
from keys.car.owner_keys import cid_hash
from keys.car.receipt import BrokenChain, chain_hash, verify_chain
from keys.car.records import ApprovalRecord, CheckpointRecord, KeyRecord, read_record

__all__ = ["BadRoots", "Check", "Report", "Roots", "verify_file"]

Verdict = Literal["verified", "consistent, signer unknown", "broken"]
_SLACK_MS: Final = 120_000
"""Two clocks that may each be a minute off."""
_RANK: Final = {"consumed": 1, "opened": 2, "not_lifted": 3, "left_open": 3, "closed": 3, "locked": 4}


@dataclass(frozen=True, slots=True)
class Check:
    """One question asked of the file. ``why``: what is wrong, or what was found."""

    what: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All questions and what they come to."""

    checks: tuple[Check, ...]
    verdict: Verdict

    @property
    def verified(self) -> bool:
        """Whether everything holds, by roots given from outside."""
        return self.verdict == "verified"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "verdict": self.verdict,
            "checks": [{"what": one.what, "ok": one.ok, "why": one.why} for one in self.checks],
        }


class _Wrong(Exception):
    """A question answered with no."""


def verify_file(data: bytes, roots: Roots | None, assertions: Sequence[bytes] = ()) -> Report:
    """Judge a file. Without ``roots`` it can at best agree with itself. Never raises, whatever the bytes.

    ``assertions``: what passkeys signed, where somebody kept it (``AuthenticationResponseJSON``): each must be one
    that an approval in the file names.
    """
    try:
        file = EvidenceFile.read(data)
        # what a file says of its own roots is not even read where there are others: nobody signed it
        believed = roots or Roots.of("".join(file.authorities), file.jwks)
    except (NotEvidence, BadRoots) as cause:
        return Report((Check("the file is evidence of form 1", ok=False, why=str(cause)),), "broken")
    judge = _Judge(file, believed, assertions)
    checks = [Check("the file is evidence of form 1", ok=True)]
    for what, ask in judge.questions():
        try:
            checks.append(Check(what, ok=True, why=ask()))
        except _Wrong as cause:
            checks.append(Check(what, ok=False, why=str(cause)))
    if not all(check.ok for check in checks):
        return Report(tuple(checks), "broken")
    return Report(tuple(checks), "verified" if roots else "consistent, signer unknown")


class _Judge:
    def __init__(self, file: EvidenceFile, roots: Roots, assertions: Sequence[bytes]) -> None:
        self._file = file
        self._roots = roots
        self._assertions = assertions
        self._approvals: list[ApprovalRecord] = []
        self._keys: list[KeyRecord] = []
        self._told: list[ReceiptClaims] = []

    def questions(self) -> Iterable[tuple[str, Callable[[], str]]]:
        """In an order in which each may lean on what was found before."""
        return (
            ("the approvals are signed by the service", self._approved),
            ("the keys are recorded and signed by the service", self._keyed),
            ("an approval came before each key", self._allowed_first),
            ("the receipts are an unbroken chain signed by the unit", self._chained),
            ("the unit's certificate leads to the vehicle CA", self._certified),
            ("each key was used once at most, and only a key of this delivery", self._used),
            ("the owner's co-signature is told alike by car and service", self._co_signed),
            ("opened, closed and locked came in order", self._ordered),
            ("the times agree", self._timed),
            ("the courier's device signed for the key", self._proven),
            ("the service's account agrees with what is signed", self._told_alike),
            ("the checkpoint of the log is signed by the service", self._checkpointed),
            *((("the approvals name what the passkey signed", self._gestured),) if self._assertions else ()),
        )

    def _approved(self) -> str:
        for token in self._file.approvals:
            record = self._record(token)
            if not isinstance(record, ApprovalRecord) or record.dlv != self._file.delivery:
                raise _Wrong("a record is not an approval of this delivery")
            self._approvals.append(record)
        return ", ".join(f"level {one.level} at {_time(one.at)}" for one in self._approvals) or "none"

    def _keyed(self) -> str:
        for token in self._file.keys:
            record = self._record(token)
            if not isinstance(record, KeyRecord) or record.dlv != self._file.delivery:
                raise _Wrong("a record is not of a key of this delivery")
            if record.aud != self._file.unit:
                raise _Wrong("a key is for another unit")
            if self._roots.trust.find(record.kid, "key") is None:
                raise _Wrong("a key was signed by an unknown signer")
            self._keys.append(record)
        if len({one.seq for one in self._keys}) + len({one.jti for one in self._keys}) < 2 * len(self._keys):
            raise _Wrong("two keys have one number")
        return f"{len(self._keys)} made" if self._keys else "none was made"

    def _allowed_first(self) -> str:
        for key in self._keys:
            # what the owner's passkey signed was drawn up at the asking: allowed by that gesture, until its end
            latest = key.iat + 1 if key.cid is None else key.exp
            if not any(one.at < latest * 1000 for one in self._approvals):
                raise _Wrong(f"key {key.seq} was made before any approval")
        return ""

    def _chained(self) -> str:
        receipts = [one.receipt for one in self._file.receipts]
        if not receipts:
            return "none: nothing happened at the car"
        try:
            self._told = verify_chain(receipts, key=self._receipt_key(), unit=self._file.unit)
        except Unacceptable as cause:
            raise _Wrong(f"a receipt does not verify ({cause.fault.value})") from cause
        except BrokenChain as cause:
            raise _Wrong(f"receipt {cause.n} does not follow the one before") from cause
        return f"{self._told[0].n} to {self._told[-1].n}"

    def _certified(self) -> str:
        leaves = self._leaves()
        for leaf in leaves:
            if not any(leaf.issued_by(authority) for authority in self._roots.authorities):
                raise _Wrong("a certificate was not issued by the vehicle CA")
        for claims in self._told:
            if claims.clk.state == "unset":
                continue
            when = datetime.fromtimestamp(claims.at / 1000, UTC)
            if not any(leaf.not_before <= when <= leaf.not_after for leaf in leaves):
                raise _Wrong(f"no certificate was valid at receipt {claims.n}")
        return self._file.unit

    def _used(self) -> str:
        known = {(one.jti, one.seq) for one in self._keys}
        mine = [one for one in self._told if one.dlv == self._file.delivery]
        if any((one.jti, one.seq) not in known for one in mine):
            raise _Wrong("a receipt names a key that is not recorded")
        used = [one.seq for one in self._told if one.out == "consumed"]
        if len(used) != len(set(used)):
            raise _Wrong("one key was used twice")
        count = sum(one.out == "consumed" for one in mine)
        return f"{count} used" if count else "not used"

    def _co_signed(self) -> str:
        """The car says at the opening by which of its paired passkeys; so must what the service kept."""
        told: list[str] = []
        for key in self._keys:
            credential = None if key.cid is None else cid_hash(key.cid)
            for claims in (one for one in self._told if one.jti == key.jti):
                if claims.out == "consumed" and claims.own != credential:
                    raise _Wrong(f"key {key.seq} was opened by another co-signature than is recorded")
                if claims.out == "refused" and claims.code == "owner_signature":
                    told.append(f"key {key.seq} was refused for it")
            if key.cid is not None:
                told.append(f"key {key.seq} by credential {key.cid}")
        return ", ".join(told) or "no key has one"

    def _ordered(self) -> str:
        told: list[str] = []
        for key in self._keys:
            rank = 0
            for claims in (one for one in self._told if one.jti == key.jti):
                now = _RANK.get(claims.out, rank)
                if claims.out in _RANK and (now < rank or (rank == 0 and now != 1)):
                    raise _Wrong(f"{claims.out} (receipt {claims.n}) came out of order")
                rank = max(rank, now)
                told.append(f"{claims.out} {_time(claims.at)}")
        return ", ".join(told)

    def _timed(self) -> str:
        windows = {one.seq: one for one in self._keys}
        for claims, arrived in self._pairs():
            if claims.clk.state == "unset":
                continue
            slack = claims.clk.u + _SLACK_MS
            if arrived.arrived + slack < claims.at:
                raise _Wrong(f"receipt {claims.n} arrived before it was written")
            key = windows.get(claims.seq or 0)
            if claims.out != "consumed" or key is None:
                continue
            if not key.nbf * 1000 - slack <= claims.at <= key.exp * 1000 + slack:
                raise _Wrong(f"key {key.seq} was used outside its window")
        return ""

    def _proven(self) -> str:
        for token in self._file.proofs:
            try:
                parts = read(token, PROOF)
                device = p256_from_jwk(parts.signer)
                claims = ProofClaims.of(verify(parts, device))
            except (Unacceptable, BadKey) as cause:
                raise _Wrong("a proof does not verify") from cause
            key = next((one for one in self._keys if one.ath == claims.ath), None)
            if key is None or key.jkt != thumbprint(parts.signer):
                raise _Wrong("a proof is for another key or by another device")
            if (claims.aud, claims.act) != (key.aud, key.act):
                raise _Wrong("a proof is for another car or action")
        return f"{len(self._file.proofs)} kept" if self._file.proofs else "no proof was kept"

    def _told_alike(self) -> str:
        numbers = {chain_hash(arrived.receipt): claims.n for claims, arrived in self._pairs()}
        told = {one.question: (one.level, one.assertion) for one in self._approvals}
        for fact in self._file.facts:
            kind, digest, n = fact.get("kind"), str(fact.get("receipt_hash")), fact.get("n")
            if "receipt_hash" in fact and (numbers.get(digest), int) != (n, type(n)):
                raise _Wrong(f"{kind} leans on a receipt that is not here")
            signed = told.get(str(fact.get("question")), (None, None))
            if kind == "delivery.approved" and signed != (fact.get("level"), fact.get("assertion")):
                raise _Wrong("an approval is told otherwise than it is signed")
            # before the address is resolved a fact names no car at all
            if (fact.get("vehicle") or self._file.vehicle) != self._file.vehicle:
                raise _Wrong("a fact is about another vehicle")
        return f"{len(self._file.facts)} facts"

    def _checkpointed(self) -> str:
        if self._file.checkpoint is None:
            return "none was published yet"
        record = self._record(self._file.checkpoint)
        if not isinstance(record, CheckpointRecord):
            raise _Wrong("not a checkpoint")
        return f"partition {record.partition} at {_time(record.at)}"

    def _gestured(self) -> str:
        """Whoever kept what was signed can show by it that this, and nothing else, was the passkey's answer."""
        named = {one.assertion for one in self._approvals}
        for given in self._assertions:
            try:
                found = hash_of_json(given)
            except NotAnAssertion as cause:
                raise _Wrong(str(cause)) from cause
            if found not in named:
                raise _Wrong("no approval names it")
        return f"{len(self._assertions)} given"

    def _pairs(self) -> list[tuple[ReceiptClaims, Arrived]]:
        """What each receipt says and when it came; nothing where the chain did not hold."""
        return list(zip(self._told, self._file.receipts, strict=True)) if self._told else []

    def _record(self, token: str) -> object:
        try:
            return read_record(token, trust=self._roots.trust)
        except Unacceptable as cause:
            raise _Wrong(f"a record does not verify ({cause.fault.value})") from cause

    def _leaves(self) -> list[ReceiptCertificate]:
        try:
            leaves = [ReceiptCertificate.read(pem) for pem in self._file.certificates]
        except NotEvidence as cause:
            raise _Wrong(str(cause)) from cause
        if any(leaf.unit != self._file.unit for leaf in leaves):
            raise _Wrong("a certificate is of another unit")
        return leaves

    def _receipt_key(self) -> Ed25519PublicKey:
        """The one key behind all the unit's certificates here: it outlives their renewal."""
        keys = {thumbprint(ed25519_to_jwk(leaf.key)): leaf.key for leaf in self._leaves()}
        if len(keys) != 1:
            raise _Wrong("there must be certificates of one receipt key")
        return next(iter(keys.values()))


def _time(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
