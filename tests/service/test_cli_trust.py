"""The ceremony by hand, as the documents tell it: three files, two machines without a store, one publication."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from keys.car.bundle import first_bundle
from tests import warm

pytestmark = pytest.mark.valkey


class Host:
    """A machine with a data directory; without a store address it has no network to anything of ours."""

    def __init__(self, folder: Path, store: str = "redis://127.0.0.1:1/0") -> None:
        self.folder = folder
        self.values = {
            "TRUNKLINE_DATA_DIR": str(folder),
            "TRUNKLINE_STORE_URL": store,
            "TRUNKLINE_LOCAL_ROOTS": "false",
        }
        folder.mkdir(exist_ok=True)

    def run(self, *arguments: str, code: int = 0) -> Any:
        done = warm.run(*arguments, "--json", environment=self.values, cwd=self.folder)
        assert done.returncode == code, done.stderr
        assert "PRIVATE" not in done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def test_roots_that_never_touch_the_server(tmp_path: Path, valkey_url: str) -> None:
    office = Host(tmp_path / "office", valkey_url)
    office.run("init")
    assert not (office.folder / "root-keys").exists()
    assert "trust.none" in office.run("keys", "show", code=1)
    assert "trust.none" in office.run("keys", "rotate", "key", code=1)

    table = Host(tmp_path / "table")  # the ceremony's machine
    shutil.copy(office.folder / "roots" / "service-keys.json", table.folder)
    made = table.run("keys", "ceremony", "--dir", "roots", "--keys", "service-keys.json")
    files = [table.folder / name for name in made["roots"]]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    assert "SigningKeysUnfit" in table.run(
        "keys", "ceremony", "--dir", "roots", "--keys", "service-keys.json", code=2
    )

    shutil.copy(table.folder / made["bundle"], office.folder / "bundle.json")
    assert office.run("keys", "bundle", "publish", "bundle.json") == {"version": 1, "in_force": True}
    assert office.run("keys", "show")["version"] == 1

    drafted = office.run("keys", "rotate", "key")
    assert drafted == {"version": 2, "in_force": False, "draft": "trust-draft.json"}
    assert "trust.bad_bundle" in office.run("keys", "bundle", "publish", "trust-draft.json", code=1)
    draft = office.folder / "trust-draft.json"
    for number in (3, 1):  # two people, one after the other, each on a machine of their own
        machine = Host(tmp_path / f"machine-{number}")
        shutil.copy(draft, machine.folder)
        shutil.copy(files[number - 1], machine.folder / "root.pem")
        signed = machine.run("keys", "bundle", "sign", "trust-draft.json", "--root", "root.pem", "--yes")
        shutil.copy(machine.folder / "trust-draft.json", draft)
    assert len(signed["signers"]) == 2
    assert office.run("keys", "bundle", "publish", "trust-draft.json")["version"] == 2
    published = json.loads((office.folder / "roots" / "trust.json").read_text())
    assert first_bundle(published).claims.version == 2
    assert "trust.not_next" in office.run("keys", "bundle", "publish", "bundle.json", code=1)


def test_a_draft_that_was_changed_on_its_way_is_not_signed(tmp_path: Path, valkey_url: str) -> None:
    office = Host(tmp_path / "office", valkey_url)
    office.values.pop("TRUNKLINE_LOCAL_ROOTS")
    office.run("init")
    shutil.move(office.folder / "root-keys", tmp_path / "sticks")
    office.run("keys", "remove", office.run("keys", "show")["keys"][0]["kid"])
    root = str(tmp_path / "sticks" / "root-1.pem")
    office.run("keys", "bundle", "sign", "trust-draft.json", "--root", root, "--yes")
    file = office.folder / "trust-draft.json"
    document = json.loads(file.read_text())
    document["draft"]["version"] = 9
    file.write_text(json.dumps(document))
    second = str(tmp_path / "sticks" / "root-2.pem")
    assert "BadDraft" in office.run(
        "keys", "bundle", "sign", "trust-draft.json", "--root", second, "--yes", code=2
    )
    (tmp_path / "sticks" / "root-2.pem").chmod(0o644)
    document["draft"]["version"] = 2
    file.write_text(json.dumps(document))
    assert "0600" in office.run(
        "keys", "bundle", "sign", "trust-draft.json", "--root", second, "--yes", code=2
    )
