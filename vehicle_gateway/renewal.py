"""Certificates renew by themselves: a unit asks over ``up/req/cert``, the answer is a ``cfg`` command."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, ValidationError

from spine.clock import Clock
from spine.facts import Fact
from spine.facts.vehicle import UnitAsked, UnitCertified
from spine.ids import CommandId, UnitId, named_after
from spine.problems import Kind, Problem
from spine.store import Ack, Change, Saved, Store, Write
from vehicle_gateway.commands import CarUnavailable, Commands
from vehicle_gateway.enrol import certificates, pem_of
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.pki import Pki, in_last_third
from vehicle_gateway.possession import RENEW, NoPossession, Requested, binding, mtls_request
from vehicle_gateway.registry import UnitBody
from vehicle_gateway.states import UNIT, CommandState, NotInThisState, UnitState, step
from vehicle_gateway.wire import Op

_log = logging.getLogger("trunkline.vehicle_gateway")

REQUEST: Final = "cert"
KINDS: Final = frozenset({"unit.asked"})
_ANSWER_LIVES: Final = timedelta(minutes=2)


class Received(Protocol):
    """An entry of the log as a reader hands it over."""

    @property
    def fact(self) -> Fact: ...

    @property
    def ack(self) -> Ack | None: ...


class NotYet(Problem):
    """A certificate is renewed in the last third of its life, once."""

    code: ClassVar[str] = "certificate.not_yet"
    kind: ClassVar[Kind] = Kind.CONFLICT


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    csr: str
    proof: str


class Renewals:
    """Runs where the vehicle CA is, in a reader group of its own (``enrol``)."""

    def __init__(
        self, store: Store, clock: Clock, limits: GatewayLimits, pki: Pki, commands: Commands
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._pki = pki
        self._commands = commands

    async def react(self, received: Received) -> None:
        """Answer ``unit.asked`` of name ``cert``; a request that may not be answered is logged and left."""
        fact = received.fact
        if not isinstance(fact, UnitAsked) or fact.name != REQUEST:
            return
        try:
            await self._answer(fact, received.ack)
        except (NoPossession, NotYet, NotInThisState, CarUnavailable) as refused:
            _log.warning("unit.renewal_refused", extra={"unit": fact.unit, "code": refused.code})

    async def _answer(self, fact: UnitAsked, ack: Ack | None) -> None:
        now = self._clock.now()
        command = CommandId(named_after("cmd", fact.unit, REQUEST, fact.request))
        requested, key, proof = _read(fact)
        unit = await self._store.load(fact.unit)
        body = UnitBody.model_validate_json(unit.body)
        renewed = await self._renewed(fact.unit, body, requested, key, proof, command, now)
        planned = await self._commands.plan(
            command,
            vehicle=fact.vehicle,
            op=Op.CFG,
            args={"certificates": certificates(renewed, self._pki)},
            delivery=None,
            ttl=_ANSWER_LIVES,
            now=now,
        )
        certified = UnitCertified(at=now, vehicle=fact.vehicle, unit=fact.unit, until=renewed.until)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            created = planned.decide(saved)
            before = saved[fact.unit]
            if created is None or before.version != unit.version:
                return None
            if renewed == body:
                return created  # its answer was lost: the same certificates again
            state = step(UNIT, UnitState(before.state), certified)
            write = Write(state, renewed.model_dump_json())
            return Change({**created.writes, fact.unit: write}, [certified, *created.facts])

        await self._store.change(planned.subjects, decide, ack=ack)

    async def _renewed(
        self,
        unit: UnitId,
        body: UnitBody,
        requested: Requested,
        key: ec.EllipticCurvePublicKey,
        proof: str,
        command: CommandId,
        now: datetime,
    ) -> UnitBody:
        """The unit's body with new certificates, or as it is where this key has its certificate already."""
        says = {"csr_sha256": requested.digest, "unit": unit}
        iat = binding(proof, RENEW, body.receipt_key, says=says, now=now, limits=self._limits)
        present = x509.load_pem_x509_certificate(body.mtls.encode())
        if not in_last_third(present, now):
            if await self._arrived(body):
                raise NotYet("the certificate is not in the last third of its life")
            if present.public_key() == key:
                return body
        # An old request sent again would bring an old, perhaps stolen, key back.
        if iat <= body.renewal_iat:
            raise NotYet("an older request than the last one")
        mtls = self._pki.mtls(unit, key, now)
        receipts = self._pki.receipts(unit, body.receipt_key, now)
        return body.model_copy(
            update={
                "mtls": pem_of(mtls),
                "receipts": pem_of(receipts),
                "until": mtls.not_valid_after_utc,
                "renewal_iat": iat,
                "renewal": command,
            }
        )

    async def _arrived(self, body: UnitBody) -> bool:
        """Whether the unit has confirmed its last renewal; one that was lost may be asked for again."""
        if not body.renewal:
            return True
        return (await self._store.load(body.renewal)).state == CommandState.DONE


def _read(fact: UnitAsked) -> tuple[Requested, ec.EllipticCurvePublicKey, str]:
    try:
        asked = _Asked.model_validate(fact.data)
    except ValidationError as cause:
        raise NoPossession("the request has another form") from cause
    requested, key = mtls_request(asked.csr)
    return requested, key, asked.proof
