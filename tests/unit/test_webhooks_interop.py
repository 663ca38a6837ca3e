"""Signatures both ways with the libraries that receivers use: `standardwebhooks` and `svix` of PyPI, and npm's."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix

from tests.unit.test_webhooks_signature import VECTORS
from webhooks.signature import PrivateKey, Secret, SecretMalformed, SignatureRefused, headers, sign, verify

ORACLE = Path(__file__).parents[1] / "webhooks_npm"
BODIES = [
    b"{}",
    b'{"test": 2432232314}',
    '{"owner":"Zo\u00eb","key":"\U0001f511"}'.encode(),
    b'{"x":"%s"}' % (b"a" * 20_000),
]


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned library in a folder of its own. Nothing to do without npm; under CI the skip is a failure."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("nodejs is missing (Debian packages: nodejs npm)")
    folder = tmp_path_factory.mktemp("npm")
    for file in ORACLE.iterdir():
        shutil.copy(file, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm could not install standardwebhooks for nodejs: {done.stderr.strip()[-300:]}")
    return folder


def ask(npm: Path, cases: list[dict[str, Any]]) -> list[Any]:
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(
        ["node", "oracle.js"], cwd=npm, input=lines, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def raw(made: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in made.items()]


@pytest.mark.parametrize("library", [standardwebhooks, svix], ids=["standardwebhooks", "svix"])
def test_pypi_both_ways(library: Any) -> None:
    now, former, secret = datetime.now(UTC), Secret.new(), Secret.new()
    theirs = library.Webhook(secret.reveal())
    for body in BODIES:
        # All that is good at once, v1a among it: they skip what they do not know.
        made = headers([PrivateKey.new(), former, secret], "msg_1", int(now.timestamp()), body)
        theirs.verify(body, made)  # it raises where it refuses
        with pytest.raises(Exception, match=r"(?i)signature"):
            library.Webhook(Secret.new().reveal()).verify(body, made)
        value = theirs.sign("msg_1", now, body.decode())
        ours = raw({**made, "webhook-signature": value})
        assert verify([former, secret], ours, body, now=now).message_id == "msg_1"
        with pytest.raises(SignatureRefused):
            verify([former], ours, body, now=now)


def test_npm_both_ways(npm: Path) -> None:
    now, former, secret = datetime.now(UTC), Secret.new(), Secret.new()
    at = int(now.timestamp())
    accepts, refuses, signs = [], [], []
    for body in BODIES:
        made = headers([PrivateKey.new(), former, secret], "msg_1", at, body)
        case = {"secret": secret.reveal(), "payload": body.decode()}
        accepts.append({**case, "headers": made})
        refuses.append({**case, "headers": made, "secret": Secret.new().reveal()})
        refuses.append({**case, "headers": made, "payload": body.decode() + " "})
        signs.append({**case, "id": "msg_1", "timestamp": at})
    assert ask(npm, accepts) == [True] * len(accepts)
    assert ask(npm, refuses) == [False] * len(refuses)
    for body, value in zip(BODIES, ask(npm, signs), strict=True):
        made = {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": value}
        assert verify([former, secret], raw(made), body, now=now).message_id == "msg_1"


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_everybody_agrees_on_every_vector(npm: Path) -> None:
    groups, cases, told = json.loads(VECTORS.read_text("utf-8")), [], 0
    for case in groups["v1"] + groups["derived_v1"]:
        body = case["payload"].encode() if "payload" in case else base64.b64decode(case["payload_b64"])
        try:
            secret = Secret.read(case["secret"])
        except SecretMalformed:
            assert "strict decoders reject" in case["note"]
            continue
        assert sign([secret], case["id"], case["timestamp"], body) == case["signature"], case["name"]
        at = datetime.fromtimestamp(case["timestamp"], UTC)
        for library in (standardwebhooks, svix):
            assert library.Webhook(case["secret"]).sign(case["id"], at, body.decode()) == case["signature"]
        cases.append(
            {
                "secret": case["secret"],
                "id": case["id"],
                "timestamp": case["timestamp"],
                "payload": body.decode(),
            }
        )
        told += ask(npm, cases[-1:]) == [case["signature"]]
    assert told == len(cases) == 7
