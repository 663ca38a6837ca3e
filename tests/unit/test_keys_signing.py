"""Private keys on disk: one folder per purpose, nobody else's to read, never printed, never overwritten."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from keys.car.jws import COMMAND, FRESH, KEY, RECORD, SigningKey, Unacceptable
from keys.car.trust import PURPOSES, BadTrust, TrustedKeys
from keys.signing import JWKS_NAME, SigningKeys, SigningKeysUnfit, create_signing_keys, read_jwks

FORMS = {"key": KEY, "fresh": FRESH, "cmd": COMMAND, "log": RECORD}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_signing_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_each_purpose_has_a_key_of_its_own(root: Path) -> None:
    trust = TrustedKeys.from_jwks(read_jwks(root / JWKS_NAME))
    signing = SigningKeys.load(root, PURPOSES)
    for purpose in PURPOSES:
        token = signing.signer(purpose).sign({"a": 1})
        assert trust.verified(token, FORMS[purpose], purpose) == {"a": 1}
        for other in PURPOSES:
            if other != purpose:
                with pytest.raises(Unacceptable):
                    trust.verified(token, FORMS[purpose], other)
    assert len({signing.signer(purpose).kid for purpose in PURPOSES}) == 4


def test_files_are_ours_alone(root: Path) -> None:
    for path in root.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode & 0o077 == 0 or path.name == JWKS_NAME, path
    assert "PRIVATE" not in (root / JWKS_NAME).read_text()
    assert '"d"' not in (root / JWKS_NAME).read_text()


def test_a_process_has_only_what_it_was_given(root: Path) -> None:
    gateway = SigningKeys.load(root, ["cmd"])
    assert gateway.purposes == {"cmd"}
    for purpose in ("key", "fresh", "log"):
        with pytest.raises(SigningKeysUnfit, match=purpose):
            gateway.signer(purpose)
    with pytest.raises(SigningKeysUnfit):
        gateway.signer("cmd", "A" * 43)
    assert SigningKeys.load(root, []).purposes == frozenset()


def test_nothing_secret_prints(root: Path) -> None:
    signing = SigningKeys.load(root, PURPOSES)
    said = f"{signing!r} {signing.signer('key')!r} {vars(signing)!r} {vars(signing.signer('key'))!r}"
    for pem in root.rglob("*.pem"):
        assert all(line not in said for line in pem.read_text().splitlines())
    assert "***" in repr(signing.signer("key"))


def test_keys_are_never_overwritten(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*.pem")}
    with pytest.raises(SigningKeysUnfit, match="not empty"):
        create_signing_keys(root)
    assert {path: path.read_bytes() for path in root.rglob("*.pem")} == before


def test_unfit_files_are_named(root: Path, tmp_path: Path) -> None:
    path = next((root / "key").iterdir())
    path.chmod(0o640)
    with pytest.raises(SigningKeysUnfit, match="0600"):
        SigningKeys.load(root, ["key"])
    path.chmod(0o600)

    good = path.read_bytes()
    path.write_bytes(b"nonsense")
    with pytest.raises(SigningKeysUnfit, match="not a private key"):
        SigningKeys.load(root, ["key"])
    path.write_bytes(SigningKey.of(generate_private_key(SECP256R1())).pem())
    with pytest.raises(SigningKeysUnfit, match="not an Ed25519"):
        SigningKeys.load(root, ["key"])
    path.write_bytes(SigningKey.draw().pem())
    with pytest.raises(SigningKeysUnfit, match="not named after"):
        SigningKeys.load(root, ["key"])
    path.write_bytes(good)
    (root / "key" / "second.pem").write_bytes(good)
    with pytest.raises(SigningKeysUnfit, match="2 keys"):
        SigningKeys.load(root, ["key"])
    with pytest.raises(SigningKeysUnfit, match="0 keys"):
        SigningKeys.load(tmp_path, ["key"])


def test_the_public_list_is_checked_when_read(root: Path) -> None:
    document = json.loads((root / JWKS_NAME).read_text())
    document["keys"][0]["x"] = "A" * 43
    (root / JWKS_NAME).write_text(json.dumps(document))
    with pytest.raises(BadTrust):
        read_jwks(root / JWKS_NAME)
