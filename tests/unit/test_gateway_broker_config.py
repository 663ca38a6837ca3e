"""The broker's configuration is written without the traps of rule 11, and a trap put back is found."""

import stat
from pathlib import Path

import pytest

from vehicle_gateway.broker_config import (
    ACL,
    Layout,
    VehicleListener,
    drop_passwords,
    password_line,
    problems,
    set_passwords,
    text_of,
    write,
)

LAYOUT = Layout(
    Path("/d/broker"), 1883, vehicles=VehicleListener(8883, Path("/d/pki"), crl=True), user="trunkline"
)
DEMO = Layout(Path("/d/broker"), 1883)


@pytest.mark.parametrize("layout", [LAYOUT, DEMO])
def test_what_we_write_has_no_trap(layout: Layout) -> None:
    assert problems(text_of(layout)) == []


TRAPS = [
    ("allow_anonymous false", "allow_anonymous true"),
    ("allow_anonymous false", ""),
    ("set_tcp_nodelay true", "set_tcp_nodelay false"),
    ("set_tcp_nodelay true", ""),
    ("persistence true", "persistence false"),
    ("max_queued_messages 100000", "max_queued_messages 1000"),
    ("max_queued_messages 100000", ""),
    ("max_queued_messages 100000", "max_queued_messages many"),
    ("autosave_interval 5", "autosave_interval 1800"),
    ("autosave_interval 5", ""),
    ("autosave_interval 5", "autosave_interval 0"),
    ("use_identity_as_username true", ""),
    ("use_username_as_clientid true", ""),
    ("use_username_as_clientid true", "use_username_as_clientid false"),
    ("require_certificate true", "require_certificate false"),
    ("acl_file /d/broker/acl", ""),
    ("password_file /d/broker/passwd", "password_file /d/broker/passwd # accounts"),
    ("cafile /d/pki/vehicle-ca.crt", ""),
    ("listener 1883 127.0.0.1", "listener 1883"),
    ("persistence true", "persistence true\nper_listener_settings true"),
    ("use_username_as_clientid true", "use_username_as_clientid true\nper_listener_settings true"),
]


@pytest.mark.parametrize(("good", "trap"), TRAPS)
def test_each_trap_is_found(good: str, trap: str) -> None:
    text = text_of(LAYOUT)
    assert good in text
    assert problems(text.replace(good, trap)) != []


def test_a_configuration_without_listener_is_none() -> None:
    assert "there is no listener" in problems(text_of(DEMO).split("# our own services")[0])


def test_files_are_ours_alone(tmp_path: Path) -> None:
    conf = write(Layout(tmp_path / "b", 1883), {"svc_gateway": "secret"})
    for path in (conf, tmp_path / "b" / "acl", tmp_path / "b" / "passwd"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in (tmp_path / "b" / "passwd").read_text()
    assert (tmp_path / "b" / "acl").read_text() == ACL


def test_a_unit_gets_its_own_topics_only() -> None:
    patterns = [line for line in ACL.splitlines() if line.startswith("pattern")]
    assert patterns == ["pattern write tl/1/+/%u/up/#", "pattern read tl/1/+/%u/dn/#"]


def test_passwords_are_added_replaced_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    set_passwords(path, {"svc_gateway": "a", "vu_0123456789abcdef": "b"})
    first = path.read_text().splitlines()
    set_passwords(path, {"vu_0123456789abcdef": "c"})
    second = path.read_text().splitlines()
    assert first[0] == second[0]
    assert first[1] != second[1]
    drop_passwords(path, ["vu_0123456789abcdef", "vu_nobody"])
    assert path.read_text().splitlines() == first[:1]


def test_a_password_line_has_mosquitto_s_form() -> None:
    line = password_line("svc_gateway", "pw", salt=bytes(12))
    account, form = line.split(":")
    assert account == "svc_gateway"
    assert form.split("$")[:4] == ["", "7", "10000", "AAAAAAAAAAAAAAAA"]
    assert len(form.split("$")[4]) == 88, "64 bytes of PBKDF2-SHA512"
