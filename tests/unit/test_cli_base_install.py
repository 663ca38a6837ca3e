"""What the command line can do where only a car's packages are installed, and what it says of the rest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keys.car.jws import SigningKey
from trunkline.processes import plain_environment

SERVER = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "redis",
    "pydantic_settings",
    "jinja2",
    "aiohttp",
    "multipart",
)
"""Packages of the extra ``server``; a name bound to None cannot be imported."""

PROGRAM = f"""
import sys
for name in {SERVER!r}:
    sys.modules[name] = None
from trunkline.cli import main
main()
"""


def run(*words: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=plain_environment({"TRUNKLINE_DATA_DIR": str(data)}),
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_unit_makes_its_keys(tmp_path: Path) -> None:
    done = run("unit", "init", "--dir", str(tmp_path / "unit"), "--json", data=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"v", "mtls_csr", "receipt_csr", "proof"}


def test_roots_are_made_and_sign_without_a_server(tmp_path: Path) -> None:
    entry = {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "use": "sig", "purpose": "key"}
    key = SigningKey.draw()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{**entry, "x": key.jwk["x"], "kid": key.kid}]}))
    roots = tmp_path / "roots"
    done = run("keys", "ceremony", "--dir", str(roots), "--keys", str(keys), "--json", data=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "person 3" in done.stderr
    bundle = roots / "bundle.json"
    third = str(roots / "root-3.pem")
    done = run("keys", "bundle", "sign", str(bundle), "--root", third, "--json", data=tmp_path)
    assert done.returncode == 1  # nobody said yes
    assert "Sign this?" in done.stderr
    assert len(json.loads(bundle.read_text())["bundle"]) == 2
    done = run("keys", "bundle", "sign", str(bundle), "--root", third, "--yes", "--json", data=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["signers"]) == 3


def test_evidence_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text("{}")
    done = run("evidence", "verify", str(file), "--json", data=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["verdict"] == "broken"


@pytest.mark.parametrize(
    "words", [("serve",), ("settings",), ("log", "parked"), ("vehicle", "show", "veh_0aaaaaaaaaaaaaaa")]
)
def test_any_other_command_names_the_extra_it_needs(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, data=tmp_path)
    assert done.returncode == 64
    assert "pip install 'trunkline[server]'" in done.stderr
    assert done.stderr.count("\n") == 1
