"""A process that is given keys that are not its own does not start; what it has cannot make a key (keys.md 3.9)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keys.signing import SigningKeys, SigningKeysUnfit, create_signing_keys
from trunkline import run


@pytest.mark.parametrize(
    ("process", "setting"),
    [
        (run.run_api, "TRUNKLINE_SIGNING_DIR"),
        (run.run_api, "TRUNKLINE_COMMAND_KEY_DIR"),
        (run.run_gateway, "TRUNKLINE_SIGNING_DIR"),
        (run.run_work, "TRUNKLINE_COMMAND_KEY_DIR"),
        (run.run_work, "TRUNKLINE_DATA_DIR"),
        (run.run_gateway, "TRUNKLINE_DATA_DIR"),
    ],
)
def test_a_process_refuses_keys_that_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: Callable[[], None], setting: str
) -> None:
    """The last two are given none at all: then too they do not start."""
    create_signing_keys(tmp_path / "keys")
    monkeypatch.setenv("TRUNKLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv(setting, str(tmp_path if setting.endswith("DATA_DIR") else tmp_path / "keys"))
    monkeypatch.setattr(run, "start_logging", lambda _level: None)
    with pytest.raises(run.WrongKeys):
        process()


def test_the_gateway_s_key_names_no_other_purpose(tmp_path: Path) -> None:
    create_signing_keys(tmp_path)
    for purpose in ("key", "fresh", "log"):
        for file in (tmp_path / purpose).iterdir():
            file.unlink()  # as in a deployment: the gateway's folder holds its own key and no other
    gateway = SigningKeys.load(tmp_path, ("cmd",))
    assert gateway.purposes == {"cmd"}
    with pytest.raises(SigningKeysUnfit):
        gateway.signer("key")
    with pytest.raises(SigningKeysUnfit):
        SigningKeys.load(tmp_path, ("key",))
