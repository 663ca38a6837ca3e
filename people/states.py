"""The lives of people, roles, addresses, carriers and couriers: one table each, and nothing else decides."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

from spine.problems import Kind, Problem


class NotNow(Problem):
    """This step does not fit the state the thing is in."""

    code: ClassVar[str] = "people.not_now"
    kind: ClassVar[Kind] = Kind.CONFLICT


class Person(StrEnum):
    NEW = "new"
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    ERASING = "erasing"
    ERASED = "erased"


class PersonStep(StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"
    MADE = "made"
    RENAMED = "renamed"
    SPOKE = "spoke"
    FORGOTTEN = "forgotten"
    ERASED = "erased"
    FREED = "freed"


PERSON: Final[Mapping[tuple[Person, PersonStep], Person]] = {
    (Person.NEW, PersonStep.ASKED): Person.UNCONFIRMED,
    (Person.NEW, PersonStep.MADE): Person.ACTIVE,
    (Person.UNCONFIRMED, PersonStep.CONFIRMED): Person.ACTIVE,
    (Person.UNCONFIRMED, PersonStep.MADE): Person.ACTIVE,
    (Person.UNCONFIRMED, PersonStep.FORGOTTEN): Person.ERASING,
    (Person.UNCONFIRMED, PersonStep.ERASED): Person.ERASING,
    (Person.ACTIVE, PersonStep.RENAMED): Person.ACTIVE,
    (Person.ACTIVE, PersonStep.SPOKE): Person.ACTIVE,
    (Person.ACTIVE, PersonStep.ERASED): Person.ERASING,
    (Person.ERASING, PersonStep.FREED): Person.ERASED,
}
"""``erasing``: the body is gone but for the id of the e-mail's entry, which is freed next."""


class EmailChange(StrEnum):
    NEW = "new"
    ASKED = "asked"
    PROVEN = "proven"
    DONE = "done"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


class EmailStep(StrEnum):
    ASKED = "asked"
    PROVEN = "proven"
    RIPE = "ripe"
    PRESENT = "present"
    CANCELLED = "cancelled"
    DUE = "due"


EMAIL_CHANGE: Final[Mapping[tuple[EmailChange, EmailStep], EmailChange]] = {
    **{(state, EmailStep.ASKED): EmailChange.ASKED for state in EmailChange},
    (EmailChange.ASKED, EmailStep.PROVEN): EmailChange.PROVEN,
    (EmailChange.ASKED, EmailStep.CANCELLED): EmailChange.CANCELLED,
    (EmailChange.ASKED, EmailStep.DUE): EmailChange.LAPSED,
    (EmailChange.PROVEN, EmailStep.RIPE): EmailChange.DONE,
    (EmailChange.PROVEN, EmailStep.PRESENT): EmailChange.DONE,
    (EmailChange.PROVEN, EmailStep.CANCELLED): EmailChange.CANCELLED,
}
"""``proven``: the new address answered. It counts after the notice, or at once with presence in the car."""


class Recovery(StrEnum):
    NEW = "new"
    WAITING = "waiting"
    DONE = "done"
    CANCELLED = "cancelled"


class RecoveryStep(StrEnum):
    ASKED = "asked"
    REMINDED = "reminded"
    RIPE = "ripe"
    PRESENT = "present"
    CANCELLED = "cancelled"


RECOVERY: Final[Mapping[tuple[Recovery, RecoveryStep], Recovery]] = {
    **{
        (state, RecoveryStep.ASKED): Recovery.WAITING
        for state in (Recovery.NEW, Recovery.DONE, Recovery.CANCELLED)
    },
    (Recovery.WAITING, RecoveryStep.REMINDED): Recovery.WAITING,
    (Recovery.WAITING, RecoveryStep.RIPE): Recovery.DONE,
    (Recovery.WAITING, RecoveryStep.PRESENT): Recovery.DONE,
    (Recovery.WAITING, RecoveryStep.CANCELLED): Recovery.CANCELLED,
}
"""All passkeys are lost: they die after the wait, or at once with presence in the car. Asked again while
waiting, nothing changes: neither a shorter wait nor a longer one."""


class Claim(StrEnum):
    NEW = "new"
    SHOWN = "shown"
    TAKEN = "taken"
    LAPSED = "lapsed"


class ClaimStep(StrEnum):
    SHOWN = "shown"
    TAKEN = "taken"
    DUE = "due"


CLAIM: Final[Mapping[tuple[Claim, ClaimStep], Claim]] = {
    **{(state, ClaimStep.SHOWN): Claim.SHOWN for state in Claim},
    (Claim.SHOWN, ClaimStep.TAKEN): Claim.TAKEN,
    (Claim.SHOWN, ClaimStep.DUE): Claim.LAPSED,
}
"""The code on a unit's display: a newer one replaces it, one person takes it once."""


class Invitation(StrEnum):
    NEW = "new"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    BOUND = "bound"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


class InvitationStep(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    BOUND = "bound"
    CANCELLED = "cancelled"
    DUE = "due"


INVITATION: Final[Mapping[tuple[Invitation, InvitationStep], Invitation]] = {
    (Invitation.NEW, InvitationStep.OFFERED): Invitation.OFFERED,
    (Invitation.OFFERED, InvitationStep.ACCEPTED): Invitation.ACCEPTED,
    (Invitation.OFFERED, InvitationStep.BOUND): Invitation.BOUND,
    (Invitation.OFFERED, InvitationStep.CANCELLED): Invitation.CANCELLED,
    (Invitation.OFFERED, InvitationStep.DUE): Invitation.LAPSED,
    (Invitation.ACCEPTED, InvitationStep.BOUND): Invitation.BOUND,
    (Invitation.ACCEPTED, InvitationStep.CANCELLED): Invitation.CANCELLED,
}
"""``accepted``: an owner to be, who waits for the notice to end or for presence in the car."""


class Address(StrEnum):
    NEW = "new"
    LIVE = "live"
    TAKEN = "taken"
    SPENT = "spent"
    DEAD = "dead"


class AddressStep(StrEnum):
    MADE = "made"
    USED = "used"
    TAKEN = "taken"
    FREED = "freed"
    SPENT = "spent"
    KILLED = "killed"


ADDRESS: Final[Mapping[tuple[Address, AddressStep], Address]] = {
    (Address.NEW, AddressStep.MADE): Address.LIVE,
    (Address.LIVE, AddressStep.USED): Address.LIVE,
    (Address.LIVE, AddressStep.TAKEN): Address.TAKEN,
    (Address.TAKEN, AddressStep.FREED): Address.LIVE,
    (Address.TAKEN, AddressStep.SPENT): Address.SPENT,
    (Address.LIVE, AddressStep.KILLED): Address.DEAD,
    (Address.TAKEN, AddressStep.KILLED): Address.DEAD,
}
"""``used``: an address for one carrier or for any. ``taken``, ``spent``: one for one order."""


class Carrier(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    STOPPED = "stopped"
    FROZEN = "frozen"


class CarrierStep(StrEnum):
    ENROLLED = "enrolled"
    STOPPED = "stopped"
    FROZEN = "frozen"
    THAWED = "thawed"
    CHANGED = "changed"


CARRIER: Final[Mapping[tuple[Carrier, CarrierStep], Carrier]] = {
    (Carrier.NEW, CarrierStep.ENROLLED): Carrier.ACTIVE,
    (Carrier.ACTIVE, CarrierStep.STOPPED): Carrier.STOPPED,
    (Carrier.ACTIVE, CarrierStep.FROZEN): Carrier.FROZEN,
    (Carrier.STOPPED, CarrierStep.FROZEN): Carrier.FROZEN,
    (Carrier.STOPPED, CarrierStep.THAWED): Carrier.ACTIVE,
    (Carrier.FROZEN, CarrierStep.THAWED): Carrier.ACTIVE,
    (Carrier.ACTIVE, CarrierStep.CHANGED): Carrier.ACTIVE,
    (Carrier.STOPPED, CarrierStep.CHANGED): Carrier.STOPPED,
    (Carrier.FROZEN, CarrierStep.CHANGED): Carrier.FROZEN,
}
"""``stopped``: it may follow its deliveries, not order. ``changed``: a new secret or key."""


class Courier(StrEnum):
    NEW = "new"
    INVITED = "invited"
    ENROLLED = "enrolled"
    REMOVED = "removed"


class CourierStep(StrEnum):
    INVITED = "invited"
    ENROLLED = "enrolled"
    REMOVED = "removed"


COURIER: Final[Mapping[tuple[Courier, CourierStep], Courier]] = {
    (Courier.NEW, CourierStep.INVITED): Courier.INVITED,
    (Courier.INVITED, CourierStep.INVITED): Courier.INVITED,
    (Courier.INVITED, CourierStep.ENROLLED): Courier.ENROLLED,
    (Courier.INVITED, CourierStep.REMOVED): Courier.REMOVED,
    (Courier.ENROLLED, CourierStep.REMOVED): Courier.REMOVED,
}
"""Invited again: a new code, the former one is dead."""


class Device(StrEnum):
    NEW = "new"
    HELD = "held"
    BOUND = "bound"
    FREE = "free"


class DeviceStep(StrEnum):
    TAKEN = "taken"
    CONFIRMED = "confirmed"
    FREED = "freed"


DEVICE: Final[Mapping[tuple[Device, DeviceStep], Device]] = {
    (Device.NEW, DeviceStep.TAKEN): Device.HELD,
    (Device.FREE, DeviceStep.TAKEN): Device.HELD,
    (Device.HELD, DeviceStep.CONFIRMED): Device.BOUND,
    (Device.HELD, DeviceStep.FREED): Device.FREE,
    (Device.BOUND, DeviceStep.FREED): Device.FREE,
}
"""A device key: held for a courier until the courier's own side has it."""


S = TypeVar("S", bound=StrEnum)
A = TypeVar("A", bound=StrEnum)


def step(table: Mapping[tuple[S, A], S], state: S, done: A) -> S:
    """The next state; raises ``NotNow`` where the table has none."""
    after = table.get((state, done))
    if after is None:
        raise NotNow(f"{done} does not follow {state}.")
    return after


def allows(table: Mapping[tuple[S, A], S], state: S, done: A) -> bool:
    """Whether the table knows this step."""
    return (state, done) in table
