"""A process that is given keys that are not its own does not start; what it has cannot make a key (keys.md 3.9)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keys.model import key_id
from keys.signing import SigningKeys, SigningKeysUnfit, create_signing_keys
from keys.states import State
from spine.ids import DeliveryId
from spine.store import Change, Write
from tests.service.keys_desk import Desk, desk
from trunkline import run

__all__ = ["desk"]


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


async def test_a_receipt_that_names_a_delivery_of_another_car_is_rejected(desk: Desk) -> None:
    """Well signed by a unit that lies: of a delivery that stands in another partition, and of one beside it."""
    key = await desk.ready()
    beside = await desk.ready("dlv_7baaaaaaaaaaaaaa")
    saved = await desk.store.load(key)
    elsewhere = key_id(DeliveryId("dlv_3aaaaaaaaaaaaaaa"), 1)
    await desk.store.change([elsewhere], lambda _: Change({elsewhere: Write(saved.state, saved.body)}))
    view, other = await desk.keys.view(key), await desk.keys.view(beside)
    lies = [
        desk.unit.write("consumed", jti=view.jti, seq=view.seq, dlv="dlv_3aaaaaaaaaaaaaaa"),
        desk.unit.write("consumed", jti=other.jti, seq=other.seq, dlv="dlv_zaaaaaaaaaaaaaaa"),
        desk.unit.write("consumed", jti=view.jti, seq=view.seq, dlv="dlv_7baaaaaaaaaaaaaa"),
    ]
    await desk.settle()
    told = await desk.bring(*lies)
    assert told == ["receipt.rejected"] * 3
    assert (await desk.keys.view(key)).state is State.HANDED_OUT
    assert (await desk.keys.view(beside)).state is State.HANDED_OUT
