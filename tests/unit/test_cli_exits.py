"""The command line as programs and people meet it: exit codes, stdout and stderr, JSON, colours, secrets."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from tests import warm
from trunkline.cli import app
from trunkline.processes import plain_environment, python_command

Done = warm.Done


def run(*words: str, data: Path, stdin: str = "", **extra: str) -> Done:
    return warm.run(*words, environment={"TRUNKLINE_DATA_DIR": str(data), **extra}, stdin=stdin)


NOT_JSON = "not a document"

NO = [
    (("nonsense",), 64),
    (("vehicle", "enrol"), 64),
    (("states", "no such machine"), 64),
    (("doctor", "--only", "nothing"), 64),
    (("evidence", "verify", "/there/is/no/such/file"), 2),
    (("courier", "prove", "challenge", "--token", "x", "--key", "/there/is/no/such/file"), 2),
    (("courier", "prove", "-3halleng3", "--token", "x", "--key", "/there/is/no/such/file"), 2),
    (("courier", "prove", "--challenge", "--token", "x", "--key", "/there/is/no/such/file"), 2),
    (("unit", "--dir", "/there/is/no/unit"), 2),
    (("unit", "tell", "{}", "--dir", "/there/is/no/unit"), 2),
    (("vehicle", "enrol", "-"), 2),
    (("unit", "pair-owner", "-", "--dir", "/there/is/no/unit"), 2),
    (("unit", "require-owner", "on", "--dir", "/there/is/no/unit"), 2),
    (("unit", "require-owner", "perhaps"), 64),
    (("unit", "unpair-owner"), 64),
    (("unit", "unpair-owner", "x", "--all"), 64),
    (("owner", "approve", "no-link", "--with-software-key", "/there/is/no/file"), 2),
    (("owner", "software-key", "/there/is/no/file", "--url", "https://192.0.2.1"), 64),
    (("log", "parked"), 2),  # the store is down
]


@pytest.mark.parametrize(("words", "code"), NO)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    done = run(*words, data=tmp_path, stdin=NOT_JSON, TRUNKLINE_STORE_URL="redis://127.0.0.1:1/0")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("trunkline: ")
    assert done.stderr.count("\n") == 1


def test_with_json_the_problem_is_json_too(tmp_path: Path) -> None:
    down = "redis://127.0.0.1:1/0"
    done = run("vehicle", "show", "veh_0aaaaaaaaaaaaaaa", "--json", data=tmp_path, TRUNKLINE_STORE_URL=down)
    assert done.returncode == 2
    problem = json.loads(done.stderr)
    assert problem["code"].startswith("store.")
    assert set(problem) == {"code", "detail", "may_have_happened", "try_again"}


def test_evidence_that_does_not_verify_is_a_no(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text("{}")
    done = run("evidence", "verify", str(file), "--json", data=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "broken"


def test_a_wrong_setting_is_named_and_its_value_is_not(tmp_path: Path) -> None:
    done = run("settings", data=tmp_path, TRUNKLINE_LISTEN_PORT="hunter2")
    assert done.returncode == 64
    assert "listen_port" in done.stderr
    assert "hunter2" not in done.stderr


def test_settings_hide_secrets(tmp_path: Path) -> None:
    secret = {
        "TRUNKLINE_BROKER_PASSWORD": "hunter2",
        "TRUNKLINE_MAIL_SMTP_URL": "smtp://me:hunter2@mail.example",
    }
    done = run("settings", "--json", data=tmp_path, **secret)
    assert done.returncode == 0
    assert json.loads(done.stdout)["data_dir"] == str(tmp_path)
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("--help",), ("states", "delivery"), ("unit", "--help")])
def test_no_colour_where_none_is_wanted(words: tuple[str, ...], tmp_path: Path) -> None:
    piped = run(*words, data=tmp_path)
    wanted = run(*words, data=tmp_path, NO_COLOR="1", FORCE_COLOR="1")
    assert piped.returncode == wanted.returncode == 0
    assert "\x1b" not in piped.stdout
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", wanted.stdout) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2"}, "bold and dim may stay, colours may not (no-color.org)"


def test_a_reader_that_has_read_enough_hears_no_complaint(tmp_path: Path) -> None:
    words = " ".join(map(shlex.quote, python_command("states", "--json")))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | true"],
        env=plain_environment({"TRUNKLINE_DATA_DIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""


def commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    found = (
        [(path, group)]
        if not hasattr(group, "commands") or getattr(group, "invoke_without_command", False)
        else []
    )
    for name, command in getattr(group, "commands", {}).items():
        found += commands(command, (*path, name))
    return found


SERVING = {"serve", "work", "gateway", "unit", "fleet", "demo"}
SIGNED = {("carrier", "assertion"), ("courier", "assertion"), ("courier", "prove"), ("courier", "enrolment")}
"""What these print is one token, or one document that is JSON already."""
WORDS = {("webhooks", "verify")}
"""One word a line, by contract."""

EVERY = commands(typer.main.get_command(app))


@pytest.mark.parametrize(
    "path", [path for path, _ in EVERY if path not in SIGNED | WORDS and path[0] not in SERVING]
)
def test_every_command_that_gives_data_gives_it_as_json(path: tuple[str, ...]) -> None:
    command = dict(EVERY)[path]
    assert "--json" in [name for parameter in command.params for name in parameter.opts]


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_everything_is_explained(path: tuple[str, ...], command: object) -> None:
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), (path, parameter.name)


def test_a_software_key_is_made_once_and_prints_nothing_secret(tmp_path: Path) -> None:
    file = tmp_path / "owner.json"
    words = ("owner", "software-key", str(file), "--url", "https://cars.example.org", "--json")
    done = run(*words, data=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"cid", "public", "origin", "rp_id"}
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert run(*words, data=tmp_path).returncode == 2
    assert file.read_bytes() == before
