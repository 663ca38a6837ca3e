"""A passkey without a browser: registered, shown and signed in with from the command line, over the real API."""

import json
from pathlib import Path

import pytest

from tests.journey.stand import Cast, Stand
from trunkline.play import Owner, Refused
from trunkline.processes import ChildFailed


async def test_registered_shown_and_signed_in_with(cast: Cast, stand: Stand, tmp_path: Path) -> None:
    api, command = cast.owner.api, stand.stage.command
    owner = Owner(api, cast.owner.mail, "hand@example.org")
    await owner.sign_in()
    await owner.choose_link()
    key, session = tmp_path / "passkey.json", tmp_path / "session"
    session.write_text(owner.token, "utf-8")
    await stand.by_hand(command, "owner", "software-key", str(key))
    with_key = ("--with-software-key", str(key))
    made = await stand.by_hand(
        command, "owner", "passkey", "register", "--session", str(session), *with_key, "--name", "File"
    )
    assert made["name"] == "File"
    told = await api.call("GET", "/v1/me/approvals", token=owner.token)
    assert told == {"by": "passkey", "passkeys": 1, "link_possible": False}
    with pytest.raises(Refused, match=r"approvals\.passkey_exists"):
        await owner.choose_link()

    signed = await stand.by_hand(command, "owner", "passkey", "sign-in", owner.person, *with_key)
    assert (signed["level"], signed["person"]) == ("passkey", owner.person)
    await owner.sign_in()  # by mail: a session that showed no passkey
    with pytest.raises(Refused) as refused:
        await api.call("DELETE", f"/v1/me/passkeys/{made['id']}", token=owner.token)
    assert (refused.value.status, refused.value.problem["code"]) == (401, "auth.passkey_needed")
    session.write_text(json.dumps({"token": owner.token}), "utf-8")
    proven = await stand.by_hand(command, "owner", "passkey", "prove", "--session", str(session), *with_key)
    assert proven["passkey"] == made["id"]
    with pytest.raises(Refused, match=r"passkey\.last"):
        await api.call("DELETE", f"/v1/me/passkeys/{made['id']}", token=owner.token)

    other = tmp_path / "other.json"
    await stand.by_hand(command, "owner", "software-key", str(other))
    with pytest.raises(ChildFailed, match=r"passkey\.refused|api\.refused"):
        await stand.by_hand(
            command, "owner", "passkey", "sign-in", owner.person, "--with-software-key", str(other)
        )
