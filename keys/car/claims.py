"""What signed objects say: strict, closed sets of claims (keys.md 3.1, 3.2). Anything else is refused."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from keys.car.jws import Fault, Unacceptable

ISSUER: Final = "trunkline"
Act = Literal["open:trunk", "open:trunk+cabin"]
MAX_DEAD: Final = 64
DEFAULT_FRA: Final = 600
MAX_FRA: Final = 86_400

Fra = Annotated[int, Field(ge=0, le=MAX_FRA)]
"""How many seconds old revocation news may be at opening."""

ID_BODY: Final = "[0-9a-hjkmnp-tv-z][0-9a-z._-]{3,80}"
UNIT_BODY: Final = "[0-9a-hjkmnp-tv-z]{16}"
MAX_SECONDS: Final = 2**37
"""The year 6325."""
MAX_COUNT: Final = 2**53 - 1
UnitText = Annotated[str, Field(pattern=rf"^vu_{UNIT_BODY}$")]
DeliveryText = Annotated[str, Field(pattern=rf"^dlv_{ID_BODY}$")]
CommandText = Annotated[str, Field(pattern=rf"^cmd_{ID_BODY}$")]
Jti = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
Sha256 = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
B64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,700}$")]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS)]
"""Unix time in whole seconds."""
Millis = Annotated[int, Field(ge=0, le=2**47)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Seq = Annotated[int, Field(ge=1, le=MAX_COUNT)]


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Geo = Annotated[
    tuple[
        Annotated[float, Field(ge=-90, le=90)],
        Annotated[float, Field(ge=-180, le=180)],
        Annotated[float, Field(ge=10, le=100_000)],
    ],
    BeforeValidator(_as_tuple),
]
"""Latitude, longitude in degrees (WGS 84), radius in metres."""


class Part(BaseModel):
    """Base of all: frozen, closed, and no value is converted into another type.

    For itself it is that of objects inside of claims whose members must all be there: nothing to be null or absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def wire(self) -> dict[str, Any]:
        """The claims as they are signed: absent members are absent, not null."""
        return self.model_dump(mode="json", exclude_none=True)


class Claims(Part):
    """Base of what is signed as a whole, and of all that has optional members."""

    as_signed: ClassVar[object] = object()
    """Context of validating what was signed, in contrast to what we are about to sign."""

    may_be_absent: ClassVar[frozenset[str]] = frozenset()
    """Members with a value by default that need not be said. All others must be, though we need not name them."""

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """Claims of verified bytes. Raises ``Unacceptable`` with ``claims``.

        An optional member is absent or has a value: null would be a second spelling of absent.
        """
        try:
            return cls.model_validate(dict(claims), context=cls.as_signed)
        except ValidationError as cause:
            raise Unacceptable(Fault.CLAIMS) from cause

    @model_validator(mode="before")
    @classmethod
    def _said_in_one_way(cls, value: object, info: ValidationInfo) -> object:
        if info.context is cls.as_signed and isinstance(value, dict):
            always = _always_said(cls)
            if not always <= value.keys() or any(member is None for member in value.values()):
                raise ValueError("a member is not said, or null")
        return value


@cache
def _always_said(kind: type[Claims]) -> frozenset[str]:
    """The members whose default is a value, not absence."""
    fields = kind.model_fields.items()
    said = {name for name, one in fields if not one.is_required() and one.default is not None}
    return frozenset(said) - kind.may_be_absent


class Confirmation(Part):
    """``cnf``: the courier's device key, by its RFC 7638 thumbprint."""

    jkt: Sha256


class OwnerSignature(Part):
    """``own``: one WebAuthn assertion of the owner's passkey over this key's other claims (keys.md, "own").

    ``cid`` credential id, ``authData``, ``clientData`` and ``sig`` as the browser gave them, each base64url.
    """

    cid: B64Url
    authData: B64Url  # noqa: N815 - WebAuthn's own name
    clientData: B64Url  # noqa: N815
    sig: B64Url


class KeyClaims(Claims):
    """The single-use key. Members with a default may be absent.

    ``tbv``: lowest trust-bundle version acceptable (absent: any). ``cnonce``: the unit's challenge that this
    key was made for (absent: any). ``fra``: seconds, how old revocation news may be at opening (absent:
    ``DEFAULT_FRA``). ``own``: the owner's co-signature.
    """

    iss: Literal["trunkline"] = "trunkline"
    aud: UnitText
    jti: Jti
    seq: Seq
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    cnf: Confirmation
    act: Act
    dlv: DeliveryText
    geo: Geo | None = None
    tbv: Count | None = None
    cnonce: Sha256 | None = None
    fra: Fra | None = None
    own: OwnerSignature | None = None


class ProofClaims(Claims):
    """The courier's proof: ``nonce`` is the car's challenge, ``ath`` SHA-256 of the key's compact form.

    ``iat`` is the phone's clock and only for the record: the challenge is what makes a proof fresh.
    """

    aud: UnitText
    ath: Sha256
    act: Act
    nonce: Sha256
    iat: Seconds


class Revocations(Part):
    """Which keys are dead: every ``seq`` below ``min_seq``, and each ``jti`` in ``dead``."""

    version: Count
    min_seq: Count
    dead: Annotated[
        tuple[Jti, ...],
        BeforeValidator(_as_tuple),
        Field(max_length=MAX_DEAD),
    ]


class FreshClaims(Claims):
    """What the key service says now: the revocation list and the lowest trust-bundle version acceptable.

    With a ``nonce`` (a challenge of the unit) it is fresh for that challenge and sets the unit's time; without
    (``""``) it is the list kept retained on ``dn/rev``, and sets revocation only. ``last``, with a nonce only:
    the highest number that was given to a key of this unit before it was signed. A unit that has lost its
    record burns all numbers up to it.
    """

    aud: UnitText
    nonce: Literal[""] | Sha256 = ""
    may_be_absent = frozenset({"bundle"})
    iat: Seconds
    exp: Seconds
    bundle: Count = 0
    last: Count | None = None
    rev: Revocations

    @model_validator(mode="after")
    def _bound(self) -> Self:
        if self.last is not None and not self.nonce:
            raise ValueError("last stands with a nonce")
        return self


class CommandClaims(Claims):
    """What the gateway asks of a unit."""

    aud: UnitText
    cmd: CommandText
    op: Literal["challenge", "present", "lock", "flash", "locate", "scan", "snapshot", "cfg"]
    iat: Seconds
    exp: Seconds
    args: dict[str, Any]


Out = Literal[
    "refused",
    "consumed",
    "opened",
    "not_lifted",
    "closed",
    "locked",
    "left_open",
    "indeterminate",
    "revoked",
    "owner_key_changed",
]
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "refused": ("jti", "code"),
    "consumed": ("jti", "gen"),
    "opened": ("jti",),
    "not_lifted": ("jti",),
    "indeterminate": ("jti",),
    "revoked": ("rev",),
    "owner_key_changed": ("owner",),
}


class UnitClock(Part):
    """The unit's clock when it wrote: ``u`` is its uncertainty in milliseconds."""

    state: Literal["synced", "holdover", "unset"]
    u: Millis


class OwnerState(Part):
    """The owner keys paired at a car after a change at the car.

    ``hash``: SHA-256 of the whole set, ``cids``: of each credential id's base64url; ``required``: no key opens
    without the co-signature of one of them.
    """

    hash: Sha256
    required: bool
    cids: Annotated[tuple[Sha256, ...], BeforeValidator(_as_tuple), Field(max_length=8)]


class ReceiptClaims(Claims):
    """One link of a unit's receipt chain.

    ``n`` counts from 1; ``prev`` is SHA-256 of the former receipt's compact form (43 times ``A`` before the
    first); ``at`` is Unix milliseconds of the unit's clock. ``jti``, ``seq``, ``dlv`` are all there or none.
    ``floor``, with ``revoked`` only: the record was lost and begun anew, every lower number is burnt.
    ``own`` (with ``consumed``): whose co-signature held, by SHA-256 of the credential id's base64url.
    """

    iss: UnitText
    boot: Count
    n: Seq
    prev: Sha256
    at: Millis
    clk: UnitClock
    out: Out
    jti: Jti | None = None
    seq: Seq | None = None
    dlv: DeliveryText | None = None
    cmd: CommandText | None = None
    code: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    via: Literal["mqtt", "local"] | None = None
    gen: Count | None = None
    rev: Count | None = None
    floor: Count | None = None
    owner: OwnerState | None = None
    own: Sha256 | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if len({self.jti is None, self.seq is None, self.dlv is None}) > 1:
            raise ValueError("jti, seq and dlv stand together")
        if self.floor is not None and (self.out != "revoked" or self.gen is None):
            raise ValueError("a floor stands with revoked and gen")
        for name in _NEEDS.get(self.out, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{self.out} needs {name}")
        return self
