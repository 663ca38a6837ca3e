"""The evidence of a delivery as one file: what keys, log and registry have of it, put together on demand."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from delivery.model import Read
from delivery.ports import Keys
from delivery.service import Deliveries
from keys import evidence
from spine.facts import Fact
from spine.facts.delivery import DeliveryFact
from spine.facts.keys import KeyFact
from spine.facts.vehicle import UnitReceipt
from spine.ids import UnitId, partition_of
from spine.log import Log
from spine.problems import Kind, Problem
from vehicle_gateway.registry import Vehicles


class NoEvidence(Problem):
    """Nothing was approved, or no key was ever made, or it is a test delivery: there is nothing to prove."""

    code: ClassVar[str] = "evidence.none"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoAssertion(Problem):
    """No passkey signed for the approval, or what it signed was erased with the delivery's place and photos."""

    code: ClassVar[str] = "evidence.no_assertion"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class Evidence:
    """Collects what ``keys.evidence.build`` needs. Whoever asks was allowed to before."""

    def __init__(
        self,
        deliveries: Deliveries,
        log: Log,
        keys: Keys,
        vehicles: Vehicles,
        *,
        authorities: Sequence[str],
        jwks: Mapping[str, Any],
    ) -> None:
        """``authorities``: PEM of the vehicle CA; ``jwks``: the service's public keys."""
        self._deliveries = deliveries
        self._log = log
        self._keys = keys
        self._vehicles = vehicles
        self._authorities = authorities
        self._jwks = jwks

    async def file(self, read: Read) -> dict[str, Any]:
        """The document of a delivery as it stands now. Raises ``NoEvidence``."""
        vehicle = read.body.vehicle
        if read.body.approval is None or vehicle is None or read.body.test is not None:
            raise NoEvidence("there is nothing to prove")
        facts, receipts = await self._read_log(read)
        units = {fact.unit for fact in facts if isinstance(fact, KeyFact)}
        if not units:
            raise NoEvidence("no key was made")
        unit = await self._vehicles.unit(_newest(facts, units))
        return evidence.build(
            delivery=read.id,
            vehicle=vehicle,
            unit=unit.id,
            kept=await self._keys.evidence_of(read.id),
            receipts=[(one.receipt, one.at) for one in receipts if one.unit == unit.id],
            certificates=[unit.receipts],
            authorities=self._authorities,
            jwks=self._jwks,
            facts=facts,
            now=self._deliveries.clock.now(),
        )

    async def _read_log(self, read: Read) -> tuple[list[Fact], list[UnitReceipt]]:
        """The delivery's facts and its keys', and all receipts since: others' lie in the chain between."""
        facts: list[Fact] = []
        receipts: list[UnitReceipt] = []
        ids = [read.id, *([read.body.vehicle] if read.body.vehicle else [])]
        partition, since = partition_of(read.id), read.body.begins()
        async for entry in self._log.entries(partition, since, mentioning=ids):
            fact = entry.fact
            if isinstance(fact, UnitReceipt) and fact.vehicle == read.body.vehicle:
                receipts.append(fact)
            elif isinstance(fact, DeliveryFact | KeyFact) and getattr(fact, "delivery", None) == read.id:
                facts.append(fact)
        return facts, receipts


def _newest(facts: Sequence[Fact], units: set[UnitId]) -> UnitId:
    """The unit of the newest key: a unit that was replaced meanwhile opened nothing after it."""
    for fact in reversed(facts):
        unit = getattr(fact, "unit", None)
        if unit in units:
            return UnitId(str(unit))
    raise NoEvidence("no key was made")
