"""Where private keys are kept: files, environment, a PKCS #11 token (SoftHSM 2); none of them ever shown."""

import copy
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keys.bundles import InForce
from keys.car.bundle import read_bundle, sign_bundle
from keys.car.jws import KEY, SigningKey, sign
from keys.car.trust import TrustedKeys
from keys.custody import InEnvironment, OnToken, SigningKeysUnfit, read_private_key
from keys.signing import SigningKeys, draw_signing_key
from tests.keys_trust import HELD, ROOTS, claims, entry
from tests.keys_world import NOW, SECONDS, published
from tests.softhsm import PIN, at


def test_a_key_in_a_token_signs_like_any_other_and_never_comes_out(hsm: OnToken, tmp_path: Path) -> None:
    key = draw_signing_key(tmp_path, "key", at(hsm, "first"))
    file = tmp_path / "key" / f"{key.kid}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert PIN not in file.read_text()
    signing = SigningKeys.load(tmp_path, ["key"])
    signer = signing.signer("key")
    trust = TrustedKeys.from_jwks({"keys": [published("key", key)]})
    signed = signer.sign({"a": 1})
    assert trust.verified(signed, KEY, "key") == {"a": 1}
    assert signer.sign({"a": 1}) == signed == sign({"a": 1}, form=KEY, key=key)
    for leak in (
        key.pem,
        lambda: key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.private.private_bytes_raw,  # type: ignore[union-attr]
    ):
        with pytest.raises(SigningKeysUnfit, match="stays in its token"):
            leak()
    said = f"{key!r} {key.private!r} {vars(key.private)!r} {signer!r} {vars(signing)!r}"
    assert PIN not in said
    assert copy.copy(key.private) is copy.deepcopy(key.private) is key.private


def test_a_root_in_a_token_signs_bundles(hsm: OnToken, tmp_path: Path) -> None:
    root = draw_signing_key(tmp_path, "key", at(hsm, "root"))
    held = HELD.of_keys([root, *ROOTS[:2]])
    bundle = claims(1, entry("key", SigningKey.draw()), at=SECONDS, roots=held)
    document = {"bundle": [sign_bundle(bundle, one) for one in (root, ROOTS[0])]}
    assert read_bundle(document, roots=held).claims == bundle


def test_keys_move_from_a_file_into_a_token_by_rotation(hsm: OnToken, tmp_path: Path) -> None:
    old = draw_signing_key(tmp_path, "key")
    new = draw_signing_key(tmp_path, "key", at(hsm, "moved"))
    with pytest.raises(SigningKeysUnfit, match="2 keys"):
        SigningKeys.load(tmp_path, ["key"])
    two = claims(2, entry("key", old, exp=SECONDS + 60), entry("key", new, nbf=SECONDS), at=SECONDS)
    trust = TrustedKeys.from_jwks({"keys": two.wire()["keys"]})
    in_force = InForce((), two, trust.keys, {old.kid: 1, new.kid: 2})
    signing = SigningKeys.load(tmp_path, ["key"], bundle=in_force, now=NOW)
    assert (signing.signer("key").kid, signing.signer("key", old.kid).kid) == (new.kid, old.kid)
    before = signing.signer("key").sign({"a": 1})
    signing.follow(in_force, now=NOW)
    assert signing.signer("key").sign({"a": 1}) == before


def test_a_token_that_was_drawn_from_again_refuses_the_label(hsm: OnToken, tmp_path: Path) -> None:
    draw_signing_key(tmp_path, "log", at(hsm, "taken"))
    with pytest.raises(SigningKeysUnfit, match="not overwritten"):
        draw_signing_key(tmp_path, "log", at(hsm, "taken"))


def test_what_is_wrong_with_a_token_is_said_without_its_pin(
    hsm: OnToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").mkdir()

    def why(place: OnToken) -> str:
        file = tmp_path / "key" / "k.json"
        file.write_text(place.model_dump_json())
        file.chmod(0o600)
        with pytest.raises(SigningKeysUnfit) as refused:
            read_private_key(file)
        assert PIN not in str(refused.value)
        assert refused.value.__cause__ is None
        return str(refused.value)

    assert "NoSuchKey" in why(at(hsm, "nothing"))
    assert "NoSuchToken" in why(hsm.model_copy(update={"token": "other"}))
    assert "NO_SUCH_VARIABLE is not set" in why(hsm.model_copy(update={"pin_variable": "NO_SUCH_VARIABLE"}))
    assert "cannot be used" in why(hsm.model_copy(update={"module": tmp_path / "none.so"}))


def test_a_key_that_could_leave_its_token_is_not_used(hsm: OnToken) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    from keys import token as tokens

    session = tokens._session(hsm, rw=True)
    curve = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS,
        {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.101.112")},
        local=True,
    )
    curve.generate_keypair(
        mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label="loose",
        private_template={pkcs11.Attribute.EXTRACTABLE: True},
    )
    with pytest.raises(SigningKeysUnfit, match="could leave"):
        tokens.TokenKey(at(hsm, "loose"))


def test_a_key_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SigningKey.draw()
    monkeypatch.setenv("TRUNKLINE_TEST_KEY", key.pem().decode())
    (tmp_path / "fresh").mkdir()
    file = tmp_path / "fresh" / f"{key.kid}.json"
    file.write_text(InEnvironment(variable="TRUNKLINE_TEST_KEY").model_dump_json())
    file.chmod(0o600)
    signing = SigningKeys.load(tmp_path, ["fresh"])
    assert signing.signer("fresh").kid == key.kid
    assert os.environ["TRUNKLINE_TEST_KEY"][40:80] not in f"{signing!r} {vars(signing)!r}"
    file.chmod(0o640)
    with pytest.raises(SigningKeysUnfit, match="0600"):
        SigningKeys.load(tmp_path, ["fresh"])
    file.chmod(0o600)
    monkeypatch.setenv("TRUNKLINE_TEST_KEY", "nonsense")
    with pytest.raises(SigningKeysUnfit, match="TRUNKLINE_TEST_KEY is not a private key"):
        SigningKeys.load(tmp_path, ["fresh"])
    monkeypatch.delenv("TRUNKLINE_TEST_KEY")
    with pytest.raises(SigningKeysUnfit, match="not set"):
        SigningKeys.load(tmp_path, ["fresh"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"kept": "cloud"}',
        '{"kept": "pkcs11"}',
        '{"kept": "environment", "variable": "A", "pin": "1"}',
    ],
)
def test_a_file_that_says_nothing_of_a_key(text: str, tmp_path: Path) -> None:
    file = tmp_path / "k.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(SigningKeysUnfit, match="does not say where"):
        read_private_key(file)
