"""docker-compose.yml, played: each service's very command and environment, one delivery, and who saw which key."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.car.evidence import Roots, verify_file
from tests.service.plain_compose import PlainCompose, mounts
from trunkline.demo import OWNER, POSITION, Cast, Timeline, claimed, deliver
from trunkline.devices import load_key, make_key
from trunkline.embedded import mosquitto_binary
from trunkline.play import Api, Carrier, Courier, Mailbox, Owner

SECRETS = {
    "store": set(),
    "broker": {"broker/tls/broker.key", "broker/passwd"},
    "work": {"keys/key", "keys/fresh", "keys/log", "keys/seal", "keys/push", "pki"},
    "gateway": {"keys/cmd", "keys/broker"},
    "api": {"keys/seal"},
    "operator": {"keys/seal", "pki"},
    "unit": {"unit"},
}
"""Which secrets each service can read; a folder stands for every secret file in it."""


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[PlainCompose]:
    compose = PlainCompose(tmp_path)
    with compose.up():
        yield compose


def secrets_of(root: Path) -> set[str]:
    """Files in what a service mounts that nobody else may read and that hold a secret."""
    found = set()
    for folder in (root / "data", root / "unit"):
        for path in walk(folder):
            kept = path.suffix in {".key", ".password", ".token"} or path.name == "passwd"
            if kept or b"PRIVATE KEY" in path.read_bytes():
                assert not path.stat().st_mode & 0o077, path
                found.add(str(path.relative_to(root)).removeprefix("data/"))
    return found


def walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            yield from walk(path)
        elif stat.S_ISREG(path.stat().st_mode):
            yield path


def fixed(compose: PlainCompose) -> dict[str, bytes]:
    """Everything in folders that are mounted read-only somewhere."""
    places = {
        compose.volume(source, subpath)
        for service in compose.services.values()
        for source, subpath, _, read_only in mounts(service)
        if read_only
    }
    return {str(path): path.read_bytes() for place in places for path in walk(place)}


def written_outside(root: Path) -> list[Path]:
    """What a service put beside its mounts, which a read-only root would have refused."""
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]


async def introduced(compose: PlainCompose, api: Api, folder: Path) -> Cast:
    """docs/operations.md: a car, its owner, a carrier and a courier come to a new installation."""
    request = compose.run("unit", "unit", "init", "--dir", "/unit")
    answer = compose.run("operator", "vehicle", "enrol", "-", stdin=request)
    compose.run("unit", "unit", "install", "-", "--dir", "/unit", stdin=answer)
    compose.start("unit").wait_for_line("ready")
    owner = Owner(api, Mailbox(compose.volume("data", "mail")), OWNER)
    await owner.sign_in()
    await owner.choose_link()
    compose.run("unit", "unit", "tell", '{"ignition": true}', "--dir", "/unit")
    code = json.loads(compose.run("unit", "unit", "pair", "--dir", "/unit"))["code"]
    compose.run("unit", "unit", "tell", '{"ignition": false}', "--dir", "/unit")
    vehicle = await claimed(owner, code)  # the code comes by way of broker, gateway and work
    jwk = json.dumps(make_key(folder / "carrier.pem"))
    enrolled = compose.run(
        "operator", "carrier", "enrol", "Parcel Post", "--public-jwk", "-", "--json", stdin=jwk
    )
    carrier = Carrier(api, json.loads(enrolled)["client_id"], load_key(folder / "carrier.pem"))
    await carrier.sign_in()
    _, enrolment = await carrier.name_courier("Sam")
    make_key(folder / "courier.pem")
    courier = Courier(api, load_key(folder / "courier.pem"), position=POSITION)
    await courier.enrol(enrolment)
    return Cast(owner, carrier, courier, vehicle, await owner.make_address(vehicle))


@pytest.mark.skipif(mosquitto_binary() is None, reason="needs mosquitto")
async def test_one_delivery_through_the_services_of_the_file(compose: PlainCompose, tmp_path: Path) -> None:
    before = fixed(compose)
    async with Api(f"http://127.0.0.1:{compose.ports['8080']}") as api:
        cast = await introduced(compose, api, tmp_path / "devices")
        delivery = await deliver(cast, Timeline())
        evidence = json.dumps(await cast.carrier.evidence(delivery)).encode()

    report = verify_file(evidence, Roots.load(compose.volume("data", "roots")))
    assert report.verified, report
    for name in ("work", "gateway", "api", "unit"):
        compose.healthy(name)
    parts = [word for part in ("files", "store", "work", "gateway") for word in ("--only", part)]
    compose.run("init", "doctor", *parts)
    assert fixed(compose) == before
    for name in compose.services:
        assert written_outside(compose.root(name)) == []
    for name, allowed in SECRETS.items():
        seen = secrets_of(compose.root(name))
        assert {one for one in seen if not any(one.startswith(place) for place in allowed)} == set(), name
        for place in allowed:
            assert any(one.startswith(place) for one in seen), (name, place)
