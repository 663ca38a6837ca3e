"""What a contact center is given of a case: one task with flat attributes, cut to what every system takes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

from maintenance.centers import Center
from maintenance.centers_states import Handout, key_of
from maintenance.explaining import explain
from maintenance.model import LEVELS, Calls, Frozen, Read
from maintenance.severity import Judged, Severity
from spine.facts.maintenance import Level
from spine.ids import CaseId, VehicleId

ATTRIBUTES_MOST: Final = 32_768
"""UTF-8 bytes of all names and values together: Amazon Connect's bound, which we keep towards everybody."""
VALUE_MOST: Final = 1_024
"""UTF-8 bytes of one value: what is longer ends in an ellipsis."""
CUT: Final = "attributes_cut"
"""Says how many attributes were left out, where any were."""
_ELLIPSIS: Final = "…"
_CODES_IN_WORDS: Final = 8


class Task(Frozen):
    """One person to be called about one case, as every contact center understands it.

    ``idempotency_key``: the same at every try: a second task under it is the first one. ``priority``: 1 is the
    most urgent of 4. ``due_at``: not before; ``claim_by``: whoever has not claimed it by then has it no more;
    ``expires_at``: no call after that. ``attributes``: flat, at most 32,768 bytes in all, the most important
    first. ``callback_url``: where status reports go, signed; ``slots_url``: where free slots are asked for, signed alike.
    """

    idempotency_key: str
    case: CaseId
    vehicle: VehicleId
    severity: Level
    priority: Annotated[int, Field(ge=1, le=4)]
    phone: Annotated[str, Field(repr=False, pattern=r"^\+[1-9][0-9]{6,14}$")]
    language: str
    zone: str
    country: str
    due_at: AwareDatetime
    claim_by: AwareDatetime
    expires_at: AwareDatetime
    script: str
    attributes: dict[str, str] = Field(repr=False)
    deep_link: str
    callback_url: str
    slots_url: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where our pages and doors are found, without a slash at the end."""

    public_url: str

    def deep_link(self, case: CaseId) -> str:
        """Our own desk, with the case's id; whoever follows it has to sign in there."""
        return f"{self.public_url}/desk#{case}"

    def callback(self, source: str) -> str:
        """Where a center reports."""
        return f"{self.public_url}/v1/centers/{source}/callbacks"

    def slots(self, source: str) -> str:
        """Where a center asks what is free."""
        return f"{self.public_url}/v1/centers/{source}/slots"


def task_of(read: Read, handout: Handout, center: Center, calls: Calls, places: Places) -> Task | None:
    """The task of a hand-out as the records are now; None where the owner may not be called (any more)."""
    if not calls.on or calls.do_not_call or calls.phone is None:
        return None
    body = read.body
    return Task(
        idempotency_key=key_of(read.id, handout.n),
        case=read.id,
        vehicle=body.vehicle,
        severity=body.severity,
        priority=len(LEVELS) - LEVELS.index(body.severity),
        phone=calls.phone,
        language=calls.language,
        zone=calls.zone,
        country=calls.country,
        due_at=max(handout.at, body.trigger.due or handout.at),
        claim_by=handout.claim_by,
        expires_at=handout.expires_at,
        script=center.script,
        attributes=fitted(attributes_of(read, calls)),
        deep_link=places.deep_link(read.id),
        callback_url=places.callback(center.source),
        slots_url=places.slots(center.source),
    )


def attributes_of(read: Read, calls: Calls) -> dict[str, str]:
    """What the person at the phone wants to know, the most important first; not cut yet."""
    body = read.body
    found = {
        "case": str(read.id),
        "vehicle": str(body.vehicle),
        "severity": body.severity,
        "severity_source": body.severity_source,
        "system": body.system,
        "language": calls.language,
        "zone": calls.zone,
        "codes": " ".join(body.codes),
    }
    judged = Judged(Severity[body.severity.upper()], body.severity_source)
    if body.codes:
        plain = explain(body.codes[0], judged, calls.language)
        found |= {"means": plain.means, "may_i_drive_on": plain.drive, "next": plain.next}
    found |= {
        "opened_at": body.opened_at.isoformat(),
        "calls_so_far": str(len(body.trigger.calls)),
        "why": body.why,
    }
    if body.odometer_m is not None:
        found["odometer_km"] = str(body.odometer_m // 1000)
    for n, code in enumerate(body.codes[1:_CODES_IN_WORDS], 2):
        found[f"means_{n}"] = explain(code, judged, calls.language).means
    for name, value in body.freeze.items():
        found[f"freeze_{name}"] = str(value)
    return found


def fitted(attributes: Mapping[str, str], most: int = ATTRIBUTES_MOST) -> dict[str, str]:
    """The attributes as every system takes them, never more than ``most`` bytes.

    A name keeps letters, digits, dash and underscore. A value longer than ``VALUE_MOST`` is cut at a letter's end.
    Where they do not all fit, the last ones are left out, and ``attributes_cut`` says how many. A name that comes
    twice once it is plain is kept the first time.
    """
    plain: dict[str, str] = {}
    for name, value in attributes.items():
        plain.setdefault(_plain(name), cut(value, VALUE_MOST))
    plain.pop("", None)
    if _size(plain) <= most:
        return plain
    rest = most - len(CUT) - len(str(len(plain)))
    kept: dict[str, str] = {}
    for name, value in plain.items():
        rest -= len(name) + len(value.encode())
        if rest < 0:
            break
        kept[name] = value
    return {**kept, CUT: str(len(plain) - len(kept))}


def cut(text: str, most: int) -> str:
    """At most so many UTF-8 bytes, never half a letter."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        return raw.decode()
    return raw[: most - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS


def _plain(name: str) -> str:
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "_" for each in name)
    return kept[:64]


def _size(attributes: Mapping[str, str]) -> int:
    return sum(len(name) + len(value.encode()) for name, value in attributes.items())
