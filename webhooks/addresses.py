"""An address of a subscriber: its states, what is kept of it, how it is seen. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.ids import EndpointId
from spine.problems import Kind, Problem
from spine.store import Saved
from webhooks.keyring import KeptSecret, PublishedKey, Version, published
from webhooks.limits import WebhooksLimits
from webhooks.signers import Signer

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*(?:\.\*)?")
_TYPES_MOST: Final = 50
_VEHICLE: Final = re.compile(r"veh_[0-9a-z]{4,60}")
_VEHICLES_MOST: Final = 500
_RATE_MOST: Final = 10_000.0


class EndpointUnknown(Problem):
    """There is no such address, or it is another subscriber's: both are told alike."""

    code: ClassVar[str] = "endpoint.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class TooManyEndpoints(Problem):
    """A subscriber has as many addresses as it may."""

    code: ClassVar[str] = "endpoint.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TypesRefused(Problem):
    """A filter is a list of types such as ``delivery.opened`` or ``delivery.*``."""

    code: ClassVar[str] = "endpoint.types_refused"
    kind: ClassVar[Kind] = Kind.INVALID


Order = Literal["none", "delivery", "vehicle"]
"""In what order news comes: as it can, or for each delivery or vehicle one after the other."""


class FiltersRefused(Problem):
    """Vehicles are ids, an order is none, delivery or vehicle, a rate is not negative."""

    code: ClassVar[str] = "endpoint.filters_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class EndpointState(StrEnum):
    """Where an address stands; a removed one is a tombstone."""

    NEW = "new"
    PENDING = "pending"
    """Made, and asked by a ping whether it listens; news wait meanwhile."""
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


class EndpointStep(StrEnum):
    """What can happen to an address."""

    MADE = "made"
    ANSWERED = "answered"
    """It answered a signed ping with 2xx."""
    DISABLED = "disabled"
    REMOVED = "removed"


ENDPOINT_STEPS: Final[Mapping[tuple[EndpointState, EndpointStep], EndpointState]] = {
    (EndpointState.NEW, EndpointStep.MADE): EndpointState.PENDING,
    (EndpointState.PENDING, EndpointStep.ANSWERED): EndpointState.ENABLED,
    (EndpointState.PENDING, EndpointStep.DISABLED): EndpointState.DISABLED,
    (EndpointState.PENDING, EndpointStep.REMOVED): EndpointState.REMOVED,
    (EndpointState.DISABLED, EndpointStep.ANSWERED): EndpointState.ENABLED,
    (EndpointState.ENABLED, EndpointStep.DISABLED): EndpointState.DISABLED,
    (EndpointState.ENABLED, EndpointStep.REMOVED): EndpointState.REMOVED,
    (EndpointState.DISABLED, EndpointStep.REMOVED): EndpointState.REMOVED,
}


class KeptEndpoint(BaseModel):
    """What stands in the store of an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subscriber: str
    url: str
    types: tuple[str, ...]
    secrets: tuple[KeptSecret, ...]
    made_at: AwareDatetime
    exchange: str = ""
    exchanged_at: AwareDatetime | None = None
    reason: str | None = None
    held_until: AwareDatetime | None = None
    """No longer used: the queue knows."""
    disables: int = 0
    """How often it was disabled: a ping of before enables it no more."""
    vehicles: tuple[str, ...] = ()
    order: Order = "none"
    rate: float = 0
    enabled_at: AwareDatetime | None = None
    pinged: str = ""
    signatures: tuple[Version, ...] = ("v1",)


class KeptList(BaseModel):
    """Every address of a subscriber, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[EndpointId, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address as its subscriber sees it; its secrets are shown only when made. Empty ``types``: all."""

    id: EndpointId
    subscriber: str
    url: str = field(repr=False)
    types: Sequence[str]
    state: EndpointState
    made_at: datetime
    held_until: datetime | None = None
    reason: str | None = None
    vehicles: Sequence[str] = ()
    """Only news of these; empty: of all."""
    order: Order = "none"
    rate: float = 0
    """Tries a second; 0: no limit of its own."""
    enabled_at: datetime | None = None
    pinged: str = ""
    """The id of its last ping."""
    signatures: Sequence[Version] = ("v1",)
    public_keys: Sequence[PublishedKey] = ()
    disables: int = 0
    """How often it was disabled."""

    def wants(self, type_: str, vehicle: str | None = None) -> bool:
        """Whether its filters take this type, and news of this vehicle (None: of none)."""
        if self.vehicles and vehicle not in self.vehicles:
            return False
        return not self.types or any(
            type_ == each or (each.endswith(".*") and type_.startswith(each[:-1])) for each in self.types
        )

    def hears(self, now: datetime, limits: WebhooksLimits) -> bool:
        """Whether news is queued for it: while its first ping may still be answered, it waits there."""
        if self.state is EndpointState.PENDING:
            return now < self.made_at + limits.ping_for
        return self.state is EndpointState.ENABLED


@dataclass(frozen=True, slots=True)
class Target:
    """What one try needs: the address and every secret and key that is good now.

    It holds while the address has this ``version``, and before ``until`` (when a secret ends; None: for good).
    """

    endpoint: Endpoint
    secrets: Sequence[Signer]
    version: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a subscriber wants of an address. Empty ``types`` or ``vehicles``: all. ``rate`` a second, 0: no limit."""

    types: Sequence[str] = ()
    vehicles: Sequence[str] = ()
    order: Order = "none"
    rate: float = 0

    def checked(self) -> Self:
        """Each once, in order. Raises ``TypesRefused``, ``FiltersRefused``."""
        types, vehicles = tuple(dict.fromkeys(self.types)), tuple(dict.fromkeys(self.vehicles))
        if len(self.types) > _TYPES_MOST or not all(
            len(each) <= 80 and _TYPE.fullmatch(each) for each in types
        ):
            raise TypesRefused("types are such as delivery.opened or delivery.*")
        if len(self.vehicles) > _VEHICLES_MOST or not all(_VEHICLE.fullmatch(each) for each in vehicles):
            raise FiltersRefused("vehicles are ids such as veh_7k3m9qxd4hwe2a5t")
        if self.order not in get_args(Order):
            raise FiltersRefused("an order is none, delivery or vehicle")
        if not 0 <= self.rate <= _RATE_MOST:
            raise FiltersRefused("a rate is tries a second, 0 for no limit")
        return replace(self, types=types, vehicles=vehicles)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a subscriber changes of an address. None: as it is."""

    types: Sequence[str] | None = None
    vehicles: Sequence[str] | None = None
    order: Order | None = None
    rate: float | None = None

    def on(self, kept: KeptEndpoint) -> Wishes:
        """All of its wishes then. Raises as ``Wishes.checked``."""
        return Wishes(
            kept.types if self.types is None else self.types,
            kept.vehicles if self.vehicles is None else self.vehicles,
            kept.order if self.order is None else self.order,
            kept.rate if self.rate is None else self.rate,
        ).checked()


def view(endpoint: EndpointId, kept: KeptEndpoint, saved: Saved) -> Endpoint:
    """An address as its subscriber sees it."""
    return Endpoint(
        id=endpoint,
        subscriber=kept.subscriber,
        url=kept.url,
        types=kept.types,
        state=EndpointState(saved.state),
        made_at=kept.made_at,
        reason=kept.reason,
        vehicles=kept.vehicles,
        order=kept.order,
        rate=kept.rate,
        enabled_at=kept.enabled_at,
        signatures=kept.signatures,
        public_keys=published(kept.secrets),
        pinged=kept.pinged,
        disables=kept.disables,
    )


def owned(saved: Saved, subscriber: str | None) -> KeptEndpoint:
    """What is kept of an address. Raises ``EndpointUnknown``, also where it is another's; None: whosever."""
    if saved.version and not saved.ended:
        kept = KeptEndpoint.model_validate_json(saved.body)
        if subscriber is None or kept.subscriber == subscriber:
            return kept
    raise EndpointUnknown("there is no such address")


def rate_of(asked: float, limits: WebhooksLimits) -> float:
    """Tries a second: the lower of what the house allows and what the address asked for; 0: no limit."""
    return min((each for each in (asked, limits.rate) if each > 0), default=0)
