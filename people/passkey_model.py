"""What is kept about a person's passkeys, known devices and recovery: bodies of subjects, and a view."""

from dataclasses import dataclass

from pydantic import AwareDatetime, Field

from people.model import Body


class PasskeyBody(Body):
    credential: str
    public_key: str
    sign_count: int
    transports: list[str] = Field(default_factory=list)
    name: str
    made_at: AwareDatetime
    last_used_at: AwareDatetime | None = None
    synced: bool = False
    backed_up: bool = False


class PasskeysBody(Body):
    passkeys: dict[str, PasskeyBody] = Field(default_factory=dict)
    ever: bool = False
    """Once true, true for ever: a mail link never approves again for this person."""
    link_chosen: bool = False
    changes: int = 0
    """How often the list changed or alarmed; names the mails about it."""


class DeviceMemoryBody(Body):
    hash: str
    made_at: AwareDatetime
    used_at: AwareDatetime
    known_from: AwareDatetime
    expires_at: AwareDatetime


class DevicesBody(Body):
    devices: dict[str, DeviceMemoryBody] = Field(default_factory=dict)


class RecoveryBody(Body):
    n: int
    """How many recoveries this person asked for; names the mails about this one."""
    ripe_at: AwareDatetime
    remind_at: AwareDatetime | None = None
    """When its person is told once more; None once that is done."""
    recent: list[AwareDatetime] = Field(default_factory=list)
    """When recoveries were asked for, of the last day."""


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its person sees it; ``id`` is its name in lists and facts."""

    id: str
    name: str
    made_at: AwareDatetime
    last_used_at: AwareDatetime | None
    synced: bool
    backed_up: bool
