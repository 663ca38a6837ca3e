"""The service's private keys, one directory per purpose: which of them signs now, and the public list."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from keys.bundles import InForce
from keys.car.jws import COMMAND, FRESH, KEY, RECORD, Form, SigningKey, sign
from keys.car.trust import PURPOSES, Purpose, TrustedKey, TrustedKeys
from keys.custody import OnToken, SigningKeysUnfit, read_private_key, write_new

JWKS_NAME = "jwks.json"
_FORM: Mapping[Purpose, Form] = {"key": KEY, "fresh": FRESH, "cmd": COMMAND, "log": RECORD}


class Signer:
    """One key that signs one kind of object. It does not print."""

    def __init__(self, purpose: Purpose, key: SigningKey, *, tbv: int = 0) -> None:
        """``tbv``: the lowest trust-bundle version a car must have to take what this signs; 0: any."""
        self.purpose = purpose
        self.kid = key.kid
        self.tbv = tbv
        self._key = key

    def __repr__(self) -> str:
        return f"Signer(purpose={self.purpose!r}, kid={self.kid!r}, private=***)"

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact JWS of these claims; the same claims give the same bytes."""
        return sign(claims, form=_FORM[self.purpose], key=self._key)


class SigningKeys:
    """The signers a process was given, by purpose; others it does not have and cannot name.

    Where a trust bundle is in force it says by its dates which key of a purpose signs now (``follow``).
    """

    def __init__(self, root: Path, purposes: Collection[Purpose]) -> None:
        self._root = root
        self._purposes = frozenset(purposes)
        self._held: Mapping[Purpose, Mapping[str, Signer]] = {}
        self._active: Mapping[Purpose, str] = {}
        self._keys: Mapping[str, SigningKey] = {}

    def __repr__(self) -> str:
        return f"SigningKeys(purposes={sorted(self._purposes)!r})"

    @classmethod
    def load(
        cls,
        root: Path,
        purposes: Collection[Purpose],
        *,
        bundle: InForce | None = None,
        now: datetime | None = None,
    ) -> Self:
        """Read ``root/<purpose>/<kid>.pem`` for each purpose. Raises ``SigningKeysUnfit``.

        Without a ``bundle`` each purpose has one key; with one, ``now`` chooses among several.
        """
        keys = cls(root, purposes)
        if bundle is None or now is None:
            held = {purpose: _read(root / purpose) for purpose in keys._purposes}
            keys._held = {purpose: {key.kid: Signer(purpose, key)} for purpose, key in held.items()}
            keys._active = {purpose: key.kid for purpose, key in held.items()}
        else:
            keys.follow(bundle, now=now)
        return keys

    def follow(self, bundle: InForce, *, now: datetime) -> None:
        """Look at the folders again and choose: of each purpose's keys whose days have begun, the one that began last.

        Raises ``SigningKeysUnfit`` where a purpose has none; then all stays as it was.
        """
        held: dict[Purpose, dict[str, Signer]] = {}
        active: dict[Purpose, str] = {}
        keys: dict[str, SigningKey] = {}
        for purpose in self._purposes:
            published = {kid: key for kid, key in bundle.keys.items() if key.purpose == purpose}
            files = {file.stem: file for file in key_files(self._root / purpose) if file.stem in published}
            found = {kid: self._keys.get(kid) or _read_file(file) for kid, file in files.items()}
            held[purpose] = {
                kid: Signer(purpose, key, tbv=_least(bundle.least[kid])) for kid, key in found.items()
            }
            usable = [kid for kid in found if _in_use(published[kid], now)]
            if not usable:
                folder = self._root / purpose
                raise SigningKeysUnfit(f"{folder} holds no key that the trust bundle names for now")
            keys |= found
            active[purpose] = max(usable, key=lambda kid: (published[kid].not_before or 0, kid))
        self._held, self._active, self._keys = held, active, keys

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What this process can sign."""
        return self._purposes

    def holds(self, purpose: Purpose, kid: str) -> bool:
        """Whether this very key can still sign: it is here, and was not removed from the bundle."""
        return kid in self._held.get(purpose, {})

    def signer(self, purpose: Purpose, kid: str | None = None) -> Signer:
        """The signer for a purpose; with ``kid``, that very one. Raises ``SigningKeysUnfit``."""
        one = self._held.get(purpose, {}).get(kid or self._active.get(purpose, ""))
        if one is None:
            raise SigningKeysUnfit(f"this process has no signing key {kid or ''} for {purpose}")
        return one


class SignerInUse:
    """Signs with whichever key of a purpose is in use at that moment."""

    def __init__(self, signing: SigningKeys, purpose: Purpose) -> None:
        self._signing = signing
        self._purpose = purpose

    def sign(self, claims: Mapping[str, Any]) -> str:
        """As ``Signer.sign``."""
        return self._signing.signer(self._purpose).sign(claims)


def create_signing_keys(root: Path) -> dict[str, Any]:
    """Draw one key per purpose under ``root`` (files 0600, folders 0700); write and return the public JWKS.

    Raises ``SigningKeysUnfit`` where there are keys already: they are never overwritten.
    """
    published = []
    for purpose in PURPOSES:
        folder = root / purpose
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SigningKeysUnfit(f"{folder} is not empty; keys are not overwritten")
        key = SigningKey.draw()
        write_new(folder / f"{key.kid}.pem", key.pem(), 0o600)
        published.append({**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose})
    jwks = {"keys": published}
    write_new(root / JWKS_NAME, json.dumps(jwks, indent=2).encode(), 0o644)
    return jwks


def read_jwks(path: Path) -> dict[str, Any]:
    """The public JWKS as it is served and pinned, one that a unit would accept. Raises ``BadTrust``."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    TrustedKeys.from_jwks(document)
    return document


def draw_signing_key(root: Path, purpose: Purpose, place: OnToken | None = None) -> SigningKey:
    """Draw one more key for a purpose, into a file or in a token; it signs once a bundle names it.

    Raises ``SigningKeysUnfit``.
    """
    folder = root / purpose
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place is None:
        key = SigningKey.draw()
        write_new(folder / f"{key.kid}.pem", key.pem(), 0o600)
        return key
    from keys.token import draw_key

    key = SigningKey.of(draw_key(place))
    write_new(folder / f"{key.kid}.json", place.model_dump_json(indent=2).encode(), 0o600)
    return key


def _least(version: int) -> int:
    """The first bundle names just the keys that older units pinned at enrolment, so no car is asked for it."""
    return version if version > 1 else 0


def _in_use(key: TrustedKey, now: datetime) -> bool:
    at = now.timestamp()
    return (key.not_before or 0) <= at and (key.not_after is None or at < key.not_after)


def key_files(folder: Path) -> list[Path]:
    """The files of a purpose's keys: each is the key (``.pem``) or says where it is kept (``.json``)."""
    return sorted([*folder.glob("*.pem"), *folder.glob("*.json")])


def _read(folder: Path) -> SigningKey:
    files = key_files(folder)
    if len(files) != 1:
        raise SigningKeysUnfit(f"{folder} holds {len(files)} keys and must hold one")
    return _read_file(files[0])


def _read_file(file: Path) -> SigningKey:
    key = read_private_key(file)
    if file.stem != key.kid:
        raise SigningKeysUnfit(f"{file} is not named after its key")
    return key
