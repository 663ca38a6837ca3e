"""`trunkline webhooks verify`: every hostile file is answered by lines and an exit code, never by a traceback."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_cli_base_install import run as run_on_the_base_install
from tests.unit.test_webhooks_signature import AT, BODY, HOSTILE, MESSAGE, PUBLISHED, SECRET
from trunkline.processes import plain_environment
from webhooks.judging import FileMalformed, refusal, requests_in
from webhooks.limits import WebhooksLimits
from webhooks.signature import PrivateKey, Secret, headers, read_checker, sign

LIMITS = WebhooksLimits()
NOW = datetime.fromtimestamp(AT, UTC)
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GOOD = {
    "webhook-id": MESSAGE,
    "webhook-timestamp": str(AT),
    "webhook-signature": PUBLISHED,
}
TEXT = BODY.decode()


def case(payload: Any = TEXT, **changed: Any) -> dict[str, Any]:
    """A good request, some headers changed (None: left out)."""
    renamed = {f"webhook-{name}": value for name, value in changed.items()}
    return {
        "headers": {name: value for name, value in (GOOD | renamed).items() if value is not None},
        "payload": payload,
    }


def signed(body: bytes, at: int = AT) -> dict[str, str]:
    return headers([SECRET], MESSAGE, at, body)


def members(pairs: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Headers as a file has them: a list of values where a name stands twice."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        made.setdefault(name.decode(), []).append(value.decode("utf-8", "surrogateescape"))
    return made


ACCEPTED: dict[str, str] = {
    "published": json.dumps(case()),
    "upper-case names": json.dumps(
        {"headers": {name.upper(): value for name, value in GOOD.items()}, "payload": TEXT}
    ),
    "a list of one": json.dumps(case(id=[MESSAGE])),
    "other members and headers": json.dumps(
        {**case(), "name": "x", "headers": {**GOOD, "content-length": 20, "Accept": ["a", "b"], "X": "é"}}
    ),
    "300 s late": json.dumps({"headers": signed(BODY, AT - 300), "payload": TEXT}),
    "300 s early": json.dumps({"headers": signed(BODY, AT + 300), "payload": TEXT}),
    "empty body": json.dumps({"headers": signed(b""), "payload": ""}),
    "no JSON inside": json.dumps({"headers": signed(b"}{"), "payload": "}{"}),
    "body in UTF-8": json.dumps({"headers": signed("Zoë \U0001f511".encode()), "payload": "Zoë \U0001f511"}),
    "64 kB": json.dumps({"headers": signed(b"x" * 65_536), "payload": "x" * 65_536}),
    "list of exactly 4 KiB": json.dumps(case(signature="x" * (4_096 - 48) + " " + PUBLISHED)),
    "malformed members around": json.dumps(
        case(signature=f"  v1 v1, ,x v1a,AAAA v2,{PUBLISHED} {PUBLISHED} !")
    ),
}

REFUSED: dict[str, str] = {
    **{name: json.dumps({"headers": members(raw), "payload": TEXT}) for name, (_, raw) in HOSTILE.items()},
    "null": "null",
    "text": '"accept"',
    "number": "1",
    "true": "true",
    "list in the list": json.dumps([case()]),
    "empty object": "{}",
    "no headers": json.dumps({"payload": TEXT}),
    "no payload": json.dumps({"headers": GOOD}),
    "headers null": json.dumps({"headers": None, "payload": TEXT}),
    "headers as pairs": json.dumps({"headers": list(GOOD.items()), "payload": TEXT}),
    "headers as text": json.dumps({"headers": "webhook-id: x", "payload": TEXT}),
    "payload null": json.dumps(case(None)),
    "payload parsed": json.dumps(case(json.loads(BODY))),
    "payload a list": json.dumps(case([TEXT])),
    "payload a number": json.dumps(case(1)),
    "payload NaN": json.dumps(case(float("nan"))),
    "payload a huge number": json.dumps(case("@")).replace('"@"', "9" * 5_000),
    "payload half a surrogate pair": json.dumps(case("\ud800")),
    "payload over 64 kB": json.dumps({"headers": signed(b"x" * 65_537), "payload": "x" * 65_537}),
    "payload twice": json.dumps(case())[:-1] + f', "payload": {json.dumps(TEXT)}}}',
    "headers twice": json.dumps(case())[:-1] + f', "headers": {json.dumps(GOOD)}}}',
    "id twice in the object": json.dumps(case()).replace(
        '"webhook-id"', f'"webhook-id": "{MESSAGE}", "webhook-id"'
    ),
    "id in two cases": json.dumps({"headers": {**GOOD, "Webhook-Id": MESSAGE}, "payload": TEXT}),
    "id as a list of two": json.dumps(case(id=[MESSAGE, MESSAGE])),
    "id as an empty list": json.dumps(case(id=[])),
    "id as a list in a list": json.dumps(case(id=[[MESSAGE]])),
    "id a number": json.dumps(case(id=1)),
    "timestamp a number": json.dumps(case(timestamp=AT)),
    "timestamp a float": json.dumps(case(timestamp=AT + 0.5)),
    "timestamp null": json.dumps({"headers": {**GOOD, "webhook-timestamp": None}, "payload": TEXT}),
    "timestamp true": json.dumps(case(timestamp=True)),
    "signature an object": json.dumps(case(signature={"v1": PUBLISHED})),
    "signature as a list of two": json.dumps(case(signature=[PUBLISHED, PUBLISHED])),
    "signature half a surrogate pair": json.dumps(case(signature=PUBLISHED + " \udfff")),
    "list over 4 KiB": json.dumps(case(signature="x" * (4_097 - 48) + " " + PUBLISHED)),
    "a Kelvin sign in the name": json.dumps(
        {"headers": {**GOOD, "webhook-id": None, "webhoo\u212a-id": MESSAGE}, "payload": TEXT}
    ),
    "name with a space": json.dumps(
        {"headers": {(k + " " if k == "webhook-id" else k): v for k, v in GOOD.items()}, "payload": TEXT}
    ),
    "v1a by an HMAC of the public key": json.dumps(case(signature="v1a," + "A" * 86 + "==")),
}


def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = "from trunkline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "webhooks", "verify", *words],
        env=plain_environment({}),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def judge(text: str) -> list[str | None]:
    checkers = [Secret.new(), SECRET, PrivateKey.new().public]
    return [
        refusal(each, checkers, now=NOW, body_most=LIMITS.body_most, tolerance=LIMITS.tolerance)
        for each in requests_in(text.encode("utf-8", "surrogatepass"))
    ]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted(name: str) -> None:
    assert judge(ACCEPTED[name]) == [None]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    (why,) = judge(f"[{REFUSED[name]}]")
    assert why, "a word for the developer, never empty"


def test_a_whole_file_of_them_at_the_command_line(tmp_path: Path) -> None:
    """One process judges them all: a line each, in their order, whatever stands beside them."""
    file = tmp_path / "requests.json"
    texts = [*ACCEPTED.values(), *REFUSED.values()]
    file.write_text(f"[{','.join(texts)}]", "utf-8")
    done = run("--secret", Secret.new().reveal(), "--secret2", WHSEC, "--now", str(AT), str(file))
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode().split() == ["accept"] * len(ACCEPTED) + ["refuse"] * len(REFUSED)
    assert len(REFUSED) >= 90


def test_exit_codes(tmp_path: Path) -> None:
    good = json.dumps(case()).encode()
    both = f"[{json.dumps(case())}, {json.dumps(case())}]".encode()
    at = ("--secret", WHSEC, "--now")
    for words, stdin, code, says in [
        ((*at, str(AT), "-"), good, 0, "accept"),
        ((*at, "2021-02-25T15:02:10Z", "-"), good, 0, "accept"),
        ((*at, f"{AT}.5", "-"), both, 0, "accept accept"),
        ((*at, str(AT + 301), "-"), good, 1, "refuse"),
        (("--secret", WHSEC, "-"), good, 1, "refuse"),  # by the clock it is years old
        ((*at, str(AT), str(tmp_path / "none.json")), b"", 2, ""),
        ((*at, str(AT), str(tmp_path)), b"", 2, ""),
        ((*at, "yesterday", "-"), good, 64, ""),
        ((*at, "9" * 400, "-"), good, 64, ""),
        (("--secret", "whsec_AAAA", "-"), good, 64, ""),
        (("--secret", "whpk_" + "A" * 43 + "=", "-"), good, 64, ""),
        (("-",), good, 64, ""),
    ]:
        done = run(*words, stdin=stdin)
        assert (done.returncode, " ".join(done.stdout.decode().split())) == (code, says), (words, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"AAAA" not in done.stderr


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"1",
        b'"text"',
        b"null",
        b"\xef\xbb\xbf{}",
        b"[1,]",
        b"9" * 9_000,
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_is_no_file_of_requests(raw: bytes) -> None:
    with pytest.raises(FileMalformed):
        requests_in(raw)


def test_v1a_beside_v1() -> None:
    pair, other = PrivateKey.new(), PrivateKey.new()
    value = sign([other, SECRET, pair], MESSAGE, AT, BODY)
    requests = requests_in(json.dumps(case(signature=value)).encode())
    bounds = {"now": NOW, "body_most": LIMITS.body_most, "tolerance": LIMITS.tolerance}
    for checker in (pair.public, SECRET, read_checker(pair.reveal())):
        assert refusal(requests[0], [checker], **bounds) is None
    for checker in (PrivateKey.new().public, Secret.new()):
        assert refusal(requests[0], [checker], **bounds) == "signature"


def test_it_runs_where_only_a_cars_packages_are_installed(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(case()), "utf-8")
    words = ("webhooks", "verify", "--secret", WHSEC, "--now", str(AT), str(file))
    done = run_on_the_base_install(*words, data=tmp_path)
    assert (done.returncode, done.stdout) == (0, "accept\n"), done.stderr


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*GOOD.values()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*GOOD, "headers", "payload"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(document=json_values)
def test_any_json_is_judged_without_an_exception(document: Any) -> None:
    try:
        verdicts = judge(json.dumps([document]))
    except FileMalformed:
        return
    assert all(verdicts)
