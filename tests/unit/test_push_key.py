"""The key for push services: made once, never replaced, its public half where every page can read it."""

import stat
from pathlib import Path

import pytest

from trunkline.installation import keys_directory
from trunkline.push_key import contact_of, make_push_key, public_push_key, push_key
from trunkline.settings import Settings
from webhooks.web_push import b64, point_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, mail_from="Post Office <post@example.org>")


def test_it_is_made_once_and_stays(settings: Settings) -> None:
    assert public_push_key(settings) is None
    assert make_push_key(settings)
    file = keys_directory(settings) / "push" / "vapid.pem"
    pem = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert not make_push_key(settings)
    assert file.read_bytes() == pem
    key = push_key(settings)
    assert key is not None
    assert public_push_key(settings) == b64(point_of(key.public_key()))
    assert contact_of(settings) == "mailto:post@example.org"


def test_an_older_installation_gets_it_when_work_starts(settings: Settings) -> None:
    assert push_key(settings) is not None
    (settings.roots_dir / "push-key.txt").unlink()
    assert push_key(settings) is not None
    assert public_push_key(settings), "a public half that was lost is written again"


def test_without_it_everything_else_goes_on(settings: Settings) -> None:
    file = keys_directory(settings) / "push" / "vapid.pem"
    file.parent.mkdir(parents=True)
    file.write_text("no key", "utf-8")
    assert push_key(settings) is None
    assert file.read_text("utf-8") == "no key", "what stands there is never replaced"
