"""A whole installation under attack: by schema, by traps, with stolen tokens, by a car's own certificate."""

import asyncio
import random
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from spine.clock import SystemClock
from tests.fuzz import api, bodies, inside
from tests.fuzz.cast import People, gather
from tests.journey.stand import Stand, until
from trunkline.devices import client_assertion
from trunkline.embedded import mosquitto_binary
from trunkline.play import Owner, link_token

pytestmark = [pytest.mark.broker, pytest.mark.valkey]


@dataclass(frozen=True)
class Scene:
    stand: Stand
    people: People

    @property
    def url(self) -> str:
        return self.stand.stage.url

    def call(self, method: str, path: str, who: str = "", **more: object) -> httpx.Response:
        token = self.people.tokens.get(who, who)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})  # type: ignore[call-overload]
        return httpx.request(method, self.url + path, headers=headers, timeout=15, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if mosquitto_binary() is None:
        pytest.skip("mosquitto is missing (Debian package: mosquitto)")
    stand = Stand(tmp_path_factory.mktemp("siege"))
    stand.start()
    try:
        yield Scene(stand, asyncio.run(gather(stand)))
    finally:
        stand.stop()


def test_the_id_of_something_else_is_no_webhook_address(scene: Scene) -> None:
    others = (
        scene.people.known["delivery"][0],
        scene.people.known["vehicle"][0],
        "ep_",
        "ep_0000",
        "%7B%7D",
        "%00",
    )
    for other in others:
        assert scene.call("GET", f"/v1/webhook-endpoints/{other}", "carrier").status_code == 404, other
        assert scene.call("DELETE", f"/v1/webhook-endpoints/{other}", "carrier").status_code == 404, other


def test_a_token_that_may_read_changes_no_webhook_address(scene: Scene) -> None:
    carrier = scene.stand.known.carrier
    form = {
        "grant_type": "client_credentials",
        "scope": "deliveries:read",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client_assertion(
            carrier.key, client=carrier.client_id, url=scene.url, now=SystemClock().now()
        ),
    }
    reading = scene.call("POST", "/v1/oauth/token", data=form).json()["access_token"]
    endpoint = f"/v1/webhook-endpoints/{scene.people.known['endpoint'][0]}"
    assert scene.call("GET", "/v1/webhook-endpoints", reading).status_code == 200
    for method, path in (
        ("DELETE", endpoint),
        ("POST", f"{endpoint}/rotate"),
        ("POST", "/v1/webhook-endpoints"),
    ):
        said = scene.call(
            method, path, reading, json={"url": "http://127.0.0.1:9/x"} if path[-1] == "s" else {}
        )
        assert (said.status_code, said.json()["code"]) == (403, "auth.scope"), path


def test_tokens_open_no_door_but_their_own(scene: Scene) -> None:
    """A carrier's, courier's, owner's and operator's token, each where another kind is asked for."""
    delivery, vehicle = scene.people.known["delivery"][1], scene.people.known["vehicle"][0]
    doors = {
        "carrier": ("GET", f"/v1/deliveries/{delivery}"),
        "courier": ("GET", f"/v1/courier/jobs/{delivery}/key"),
        "session": ("GET", f"/v1/owner/cars/{vehicle}"),
        "operator": ("POST", f"/v1/operator/cars/{vehicle}/release"),
    }
    for kind, (method, path) in doors.items():
        for other in doors.keys() - {kind}:
            said = scene.call(method, path, other)
            assert (said.status_code, said.json()["code"]) == (401, "auth.unauthenticated"), (kind, other)
        assert scene.call(method, path).status_code == 401
    for part in ("key", "evidence", "photos/" + "0" * 64):
        assert scene.call("GET", f"/v1/deliveries/{delivery}/{part}", "session").status_code in {401, 404}


async def test_an_event_stream_ends_with_its_session(scene: Scene) -> None:
    """A stolen session that is signed out hears nothing more."""
    async with scene.stand.cast() as cast:
        thief = Owner(cast.owner.api, cast.owner.mail, cast.owner.address)
        await thief.sign_in()
        delivery = scene.people.known["delivery"][1]
        path = f"{scene.url}/v1/owner/deliveries/{delivery}/events"
        headers = {"Authorization": f"Bearer {thief.token}"}
        async with (
            httpx.AsyncClient(timeout=30) as client,
            client.stream("GET", path, headers=headers) as stream,
        ):
            assert stream.status_code == 200
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry")
            sessions = (await cast.owner.api.call("GET", "/v1/sessions", token=thief.token))["data"]
            mine = next(one["id"] for one in sessions if one["current"])
            await cast.owner.api.call("DELETE", f"/v1/sessions/{mine}", token=cast.owner.token)
            async with asyncio.timeout(60):
                heard = [line async for line in lines]
            assert len([line for line in heard if line.startswith("event:")]) < 30
            assert (await client.get(path, headers=headers)).status_code == 401


async def test_nobody_else_s_host_stands_in_a_link(scene: Scene) -> None:
    """The links of mails are made of the settings, not of what a request says of itself."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    wanted = {"email": "host@example.org"}
    assert scene.call("POST", "/v1/sign-in", json=wanted, headers=evil).status_code == 202
    async with scene.stand.cast() as cast:
        letter = await cast.owner.mail.wait("host@example.org", "Sign in")
        token = link_token(letter)
        assert "evil.example" not in letter
        assert f"{scene.url}/sign-in#{token}" in letter
    # A mail scanner follows links: looking uses nothing up; the fragment never reaches us.
    for method in ("GET", "HEAD"):
        assert scene.call(method, "/sign-in").status_code in {200, 405}
    used = scene.call(
        "POST", "/v1/session", json={"token": token}, headers={"Origin": "https://evil.example"}
    )
    assert used.status_code == 403
    used = scene.call("POST", "/v1/session", json={"token": token}, headers={"Origin": scene.url})
    assert used.status_code == 201
    cookie = used.headers["set-cookie"]
    assert used.json()["token"] is None
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert scene.call("POST", "/v1/session", json={"token": token}).status_code == 410


@pytest.mark.parametrize(
    "name", ["Sam\u202eknalB", "Sam\u2066", "Sam\r\nBcc: x@example.org", "S\u0000", "\u0085", " "]
)
def test_a_name_cannot_rewrite_the_mail_it_stands_in(scene: Scene, name: str) -> None:
    assert scene.call("POST", "/v1/couriers", "carrier", json={"name": name}).status_code == 422
    assert scene.call("PUT", "/v1/me/name", "session", json={"name": name}).status_code == 422


def test_headers_keep_pages_and_answers_to_themselves(scene: Scene) -> None:
    for path in (
        "/",
        "/sign-in",
        "/decide",
        "/v1/me",
        "/v1/openapi.json",
        "/nothing",
        "/static/../settings.toml",
    ):
        said = scene.call("GET", path, headers={"Origin": "https://evil.example"})
        policy = said.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert said.headers["x-content-type-options"] == "nosniff"
        assert said.headers["referrer-policy"] == "no-referrer"
        assert not [name for name in said.headers if name.startswith("access-control-")]
        assert "server" not in said.headers
        assert "signing" not in said.text.lower() or path == "/v1/openapi.json"
    assert scene.call("OPTIONS", "/v1/me").status_code == 405
    assert scene.call("GET", "/v1/../../../etc/passwd").status_code == 404


def test_an_idempotency_key_is_its_principal_s_own(scene: Scene) -> None:
    """The same key and body of two principals are two requests; of one with another body a conflict."""
    wanted, key = {"name": "Kim"}, {"Idempotency-Key": "the-same"}
    first = scene.call("POST", "/v1/couriers", "carrier", json=wanted, headers=key)
    again = scene.call("POST", "/v1/couriers", "carrier", json=wanted, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    assert scene.call("POST", "/v1/couriers", "carrier", json={"name": "Lee"}, headers=key).status_code == 409
    assert scene.call("POST", "/v1/couriers", "courier", json=wanted, headers=key).status_code == 401
    owner = scene.call("POST", "/v1/me/email/presence", "session", json={"code": "A"}, headers=key)
    assert "Idempotency-Replayed" not in owner.headers


async def test_a_unit_that_says_anything_stops_nobody(scene: Scene) -> None:
    """A car's certificate in hostile hands: no reader is held, and the other car's delivery goes on."""
    stand = scene.stand
    await stand.by_hand(stand.stage.add_car, "rogue", options=stand.unit_options())
    await stand.by_hand(stand.stage.kill, "unit-rogue")
    codes = await inside.say(stand.unit_folder("rogue"), 1_000, seed=20301106)
    assert set(codes) == {0}
    store = f"redis://127.0.0.1:{stand.stage.ports.store}/0"
    parked = 0

    async def noticed() -> bool:
        nonlocal parked
        before, parked = parked, (await inside.held(store))[1]
        return parked > 300 and parked == before

    await until(noticed, "the gateway has parked what it could not take")
    async with stand.cast() as cast:
        delivery, courier = scene.people.known["delivery"][1], cast.courier
        token = await courier.key(delivery)
        await courier.arrive(delivery)
        assert (await courier.open(delivery, token))["outcome"] == "opened"
        await cast.carrier.wait_for(delivery, {"closed", "delivered"})
    stuck, _ = await inside.held(store)
    assert not stuck


def test_traps_in_every_body_and_query_make_no_mistake_of_ours(scene: Scene) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    found = bodies.play(scene.url, scene.people, each=3, seed=seed)
    assert not found.faults, f"seed {seed}: {found.faults}"
    assert found.statuses[422] > 50


def test_operations_answer_as_they_declare(scene: Scene) -> None:
    """schemathesis, each time with another tenth of the operations; `python -m tests.fuzz --api` asks all of them."""
    seed = random.SystemRandom().randrange(1 << 31)
    found = api.play(scene.url, scene.people, examples=1, coverage=False, seed=seed, one_in=10)
    assert not found.faults, f"seed {seed}: {found.faults}"
    assert found.cases > 5


def test_at_the_end_nothing_failed_and_no_log_holds_a_secret(scene: Scene) -> None:
    assert not scene.stand.stage.failed()
    for log in (scene.stand.directory / "logs").iterdir():
        text = log.read_text("utf-8", "replace")
        assert "Traceback" not in text, (log.name, text[text.index("Traceback") - 500 :][:3_000])
        assert "request.failed" not in text, log.name
        for secret in (*scene.people.secrets, scene.people.key):
            assert secret not in text, log.name
        for personal in ("ada@example.org", "host@example.org", "PRIVATE KEY"):
            assert personal not in text, (log.name, personal)
        # A place has more than three digits behind the point; the store's own log has times like 08:15:57.708.
        assert not re.search(r"57\.708\d", text), log.name


def test_who_reads_the_store_finds_no_token(scene: Scene) -> None:
    """Everything that was ever written to it: sessions, links, codes, secrets stand there hashed or sealed."""
    written = b"".join(
        path.read_bytes() for path in (scene.stand.directory / "store" / "appendonlydir").iterdir()
    )
    assert b"delivery.approved" in written
    for secret in scene.people.secrets:
        assert secret.encode() not in written
        assert secret.rpartition(".")[2].encode() not in written
    for folder in ("archive", "roots"):
        for path in (scene.stand.directory / folder).rglob("*"):
            assert not path.is_file() or b"PRIVATE" not in path.read_bytes()


def test_files_with_secrets_are_their_owner_s_alone(scene: Scene) -> None:
    """Readable by others is only what holds no secret: walked as another account would."""
    directory = scene.stand.directory
    marks = [secret.encode() for secret in (*scene.people.secrets, scene.people.key)] + [
        b"PRIVATE KEY",
        b"ada@example.org",
    ]
    for path in _readable_by_others(directory):
        content = path.read_bytes()
        assert not [mark for mark in marks if mark in content], path
    for name in ("keys/key", "keys/cmd", "pki", "mail", "photos", "store", "archive"):
        mode = stat.S_IMODE((directory / name).stat().st_mode)
        assert mode & 0o077 == 0, (name, oct(mode))
    settings = (directory / "settings.toml").read_text("utf-8")
    assert not [word for word in ("password", "secret", "token") if word in settings.lower()]


def _readable_by_others(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and mode & 0o005:
            yield from _readable_by_others(path)
        elif stat.S_ISREG(mode) and mode & 0o044:
            yield path
