"""Names of things: a prefix for the kind, one character for the partition, the rest drawn or taken from the cause."""

import re
import secrets
from typing import Final, NewType

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford base32 in lower case: the first character after the prefix is the partition (0 to 31)."""

VehicleId = NewType("VehicleId", str)  # veh_
UnitId = NewType("UnitId", str)  # vu_: also certificate CN, MQTT user and client id
DeliveryId = NewType("DeliveryId", str)  # dlv_
KeyId = NewType("KeyId", str)  # key_<delivery body>.<n>
CommandId = NewType("CommandId", str)  # cmd_<cause body>.<n>[.<what>]
QuestionId = NewType("QuestionId", str)  # qst_<delivery body>.<n>
PersonId = NewType("PersonId", str)  # per_
CarrierId = NewType("CarrierId", str)  # car_
CourierId = NewType("CourierId", str)  # cou_
AddressId = NewType("AddressId", str)  # adr_: the record behind a car address
EndpointId = NewType("EndpointId", str)  # ep_: where webhooks go
PushId = NewType("PushId", str)  # psh_: a browser that a person let us notify, in that person's partition
CaseId = NewType(
    "CaseId", str
)  # cse_<vehicle body>.<system>.<n>; help with a delivery: cse_<delivery body>.help.<n>
AgentId = NewType("AgentId", str)  # agt_: somebody of the contact center
GarageId = NewType("GarageId", str)  # gar_
SlotId = NewType("SlotId", str)  # slt_<garage body>.<bay>.<start, epoch seconds>
AppointmentId = NewType("AppointmentId", str)  # apt_<case body>.<n>

_SHAPE: Final = re.compile(r"^[a-z]{2,4}_[0-9a-hjkmnp-tv-z][0-9a-z._-]{3,80}$")


class NotAnId(ValueError):
    """The text does not have the shape of one of our ids."""


def new_id(prefix: str, partition: int) -> str:
    """Draw an id of ``prefix`` in ``partition``: 15 random characters, 75 bits."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(15))
    return f"{prefix}_{ALPHABET[partition]}{body}"


def partition_of(subject_id: str) -> int:
    """The partition an id carries. Raises ``NotAnId`` for anything that is not an id."""
    if not _SHAPE.match(subject_id):
        raise NotAnId(subject_id[:80])
    return ALPHABET.index(subject_id[subject_id.index("_") + 1])


def prefix_of(subject_id: str) -> str:
    """The kind an id carries: ``dlv`` of ``dlv_7k3m...``."""
    return subject_id.split("_", 1)[0]


def body_of(subject_id: str) -> str:
    """What follows the prefix: partition character and the rest, suffixes included."""
    return subject_id.split("_", 1)[1]


def named_after(prefix: str, cause: str, *suffixes: str | int) -> str:
    """The id of a follow-up: the same cause always gives the same id, so a second try finds the first."""
    return ".".join((f"{prefix}_{body_of(cause)}", *(str(s) for s in suffixes)))
