"""``trunkline courier open`` at a real unit: what it says, how it ends, what it keeps, with network and without."""

import json
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keys.car import local
from keys.car.claims import FreshClaims, Revocations
from keys.car.fresh import write_fresh
from tests import warm
from tests.unit.link_car import Service, running, write_key
from tests.unit.test_cli_base_install import run as run_on_base_install
from tests.unit.test_unit_opening import QUICK, Rig
from tests.unit.unit_rig import COURIER, DELIVERY, FRESH_SIGNER, KEY_SIGNER, T0, UNIT, key_token
from trunkline.link_phone import keep_receipts, kept_receipts, out_of
from trunkline.ports import free_port
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.unit import Unit

Done = warm.Done
LINK = LocalLimits(listen="127.0.0.1:0")
LONG = timedelta(seconds=120)
LIMITS = UnitLimits(**{**QUICK.model_dump(), "lift_within": LONG, "shut_within": LONG})
SESSION = (200, {"token": "t" * 40})


@dataclass
class Hand:
    """A courier at the keyboard."""

    folder: Path
    rig: Rig
    key: Path
    device: Path

    def open(self, port: int, *more: str, wait: str = "0") -> Done:
        where = ("--link", f"127.0.0.1:{port}", "--key-file", str(self.key), "--device-key", str(self.device))
        return self.run("open", *where, "--wait", wait, *more)

    def run(self, *words: str) -> Done:
        return warm.run("courier", *words, environment={"TRUNKLINE_DATA_DIR": str(self.folder)})

    @property
    def receipts(self) -> Path:
        return self.key.with_suffix(".receipts.json")


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    device = tmp_path / "device.pem"
    device.write_bytes(COURIER.pem())
    folder = tmp_path / "unit"
    folder.mkdir()
    rig = Rig(folder, limits=LIMITS, local=LINK)
    return Hand(tmp_path, rig, write_key(tmp_path, key_token()), device)


def test_opens_without_any_network_and_keeps_the_receipts(hand: Hand) -> None:
    with running(hand.rig) as port:
        done = hand.open(port, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "outcome": "opened", "code": "", "delivery": DELIVERY, "receipts": 2, "file": str(hand.receipts),
            "brought": False,
        }  # fmt: skip
        assert done.stderr.startswith("The boot is open.")
        delivery, kept = kept_receipts(hand.receipts)
        assert (delivery, [out_of(one) for one in kept]) == (DELIVERY, ["consumed", "opened"])
        assert hand.receipts.stat().st_mode & 0o077 == 0
        again = hand.open(port)
        assert again.returncode == 1
        assert "used before" in again.stderr
        assert [out_of(one) for one in kept_receipts(hand.receipts)[1]] == ["consumed", "opened", "refused"]
        assert hand.rig.releases == 1


def test_it_stays_until_the_boot_is_locked(hand: Hand) -> None:
    with running(hand.rig, lifts_and_shuts) as port:
        done = hand.open(port, wait="20")
        assert done.returncode == 0, done.stderr
        outs = [out_of(one) for one in kept_receipts(hand.receipts)[1]]
        assert outs == ["consumed", "opened", "closed", "locked"]


def lifts_and_shuts(unit: Unit) -> None:
    unit.motor._lifts_after = unit.motor._shuts_after = timedelta(milliseconds=5)


def test_it_runs_on_a_base_install(hand: Hand) -> None:
    with running(hand.rig) as port:
        done = run_on_base_install(
            "courier", "open", "--link", f"127.0.0.1:{port}", "--key-file", str(hand.key),
            "--device-key", str(hand.device), "--wait", "0", data=hand.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda rig: rig.time.pass_by(90_000), "not heard for too long"),
        (lambda rig: setattr(rig.vehicle, "ignition_on", True), "not parked"),
        (lambda rig: setattr(rig.vehicle, "blocked", True), "blocked"),
    ],
)
def test_a_no_is_said_in_words_and_exit_1(hand: Hand, spoil: Any, words: str) -> None:
    with running(hand.rig, lambda _: spoil(hand.rig)) as port:
        done = hand.open(port, "--json")
        assert done.returncode == 1
        assert words in done.stderr
        assert json.loads(done.stdout)["outcome"] == "refused"
        assert hand.rig.releases == 0


def test_a_clock_that_is_not_set_and_no_network_is_said_with_the_fallback(hand: Hand) -> None:
    with running(hand.rig, lambda unit: unit.clock.hear(T0 + 7_000)) as port:
        done = hand.open(port)
        assert done.returncode == 1
        assert "does not know the time" in done.stderr
        assert "fallback" in done.stderr


def test_a_latch_without_feedback_may_have_opened_exit_2(hand: Hand) -> None:
    with running(hand.rig, lambda unit: setattr(unit.motor, "jammed", True)) as port:
        done = hand.open(port)
        assert done.returncode == 2
        assert "It may have happened all the same." in done.stderr
        assert [out_of(one) for one in kept_receipts(hand.receipts)[1]][:2] == ["consumed", "indeterminate"]


def asks_for_news(unit: Unit) -> None:
    """As a unit does whose list is old or whose clock is not set."""
    ask = unit.openings.challenge

    def challenge(link: str) -> Any:
        answer = ask(link)
        answer.data["fresh"] = True
        return answer

    unit.openings.challenge = challenge  # type: ignore[method-assign]


def test_news_are_fetched_only_where_the_car_asks_and_brought_with_the_key(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    presented: list[str] = []
    take = local.read_ask

    def seen(frame: bytes) -> Any:
        ask = take(frame)
        if isinstance(ask, local.AskPresent):
            presented.append(ask.present.fresh)
        return ask

    monkeypatch.setattr("keys.car.local.read_ask", seen)
    given: list[str] = []

    def news(body: Any) -> dict[str, str]:
        rev = Revocations(version=1, min_seq=0, dead=())
        claims = FreshClaims(aud=UNIT, nonce=body["challenge"], iat=T0, exp=T0 + 60, rev=rev)
        given.append(write_fresh(claims, key=FRESH_SIGNER))
        return {"fresh": given[-1]}

    answers = {"session": SESSION, "fresh": (200, news), "receipts": (200, {"taken": 2, "known": 0})}
    with Service(answers).listening() as service, running(hand.rig, asks_for_news) as port:
        done = hand.open(port, "--api", service.url, "--courier", "cou_0123456789abcdef", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["brought"] is True
        paths = [path.removeprefix("/v1/courier/") for path, _ in service.asked]
        job = f"jobs/{DELIVERY}"
        assert paths == ["session", f"{job}/fresh", "session", f"{job}/receipts"]
        assert service.asked[-1][1] == {"receipts": list(kept_receipts(hand.receipts)[1])}
    assert presented == given
    assert len(given) == 1


def test_without_being_asked_no_news_are_fetched(hand: Hand) -> None:
    answers = {"session": SESSION, "receipts": (200, {"taken": 2, "known": 0})}
    with Service(answers).listening() as service, running(hand.rig) as port:
        assert hand.open(port, "--api", service.url, "--courier", "cou_0123456789abcdef").returncode == 0
        assert not [path for path, _ in service.asked if path.endswith("/fresh")]


@pytest.mark.parametrize("status", [404, 503, None])
def test_where_no_news_come_the_car_decides_with_what_it_knows(hand: Hand, status: int | None) -> None:
    problem = {"code": "delivery.not_found", "detail": "there is none"}
    answers = {"session": SESSION, "fresh": (status or 500, problem), "receipts": (503, problem)}
    with Service(answers).listening() as service, running(hand.rig, asks_for_news) as port:
        url = f"http://127.0.0.1:{free_port()}" if status is None else service.url
        done = hand.open(port, "--api", url, "--courier", "cou_0123456789abcdef", "--json")
        assert done.returncode == 0, done.stderr
        assert "The car asks for news" in done.stderr
        assert json.loads(done.stdout)["brought"] is False
        assert "trunkline courier bring" in done.stderr


def knows_no_signer_until_told(unit: Unit) -> None:
    """As a unit whose trust bundle is older than the key's signer."""
    trust, keys = unit.trust, dict(unit.trust._keys)
    trust._keys.pop(KEY_SIGNER.kid)

    def take(document: object) -> bool:
        assert document == {"bundle": ["a.b.c", "d.e.f"]}
        trust._keys.update(keys)
        return True

    unit.local.take_bundle = take


def test_a_car_with_old_trust_gets_the_bundle_and_opens(hand: Hand) -> None:
    answers = {
        "session": SESSION,
        "trust.json": (200, {"bundle": ["a.b.c", "d.e.f"]}),
        "receipts": (200, {"taken": 2}),
    }
    with Service(answers).listening() as service, running(hand.rig, knows_no_signer_until_told) as port:
        done = hand.open(port, "--api", service.url, "--courier", "cou_0123456789abcdef")
        assert done.returncode == 0, done.stderr
        assert service.asked[0] == ("/.well-known/trust.json", None)
        assert hand.rig.releases == 1


@pytest.mark.parametrize(
    "answer", [(404, {}), (200, {"bundle": "a.b.c"}), (200, []), (200, {"bundle": ["x" * 17_000]})]
)
def test_without_a_bundle_the_car_s_no_stands(hand: Hand, answer: tuple[int, Any]) -> None:
    answers = {"session": SESSION, "trust.json": answer}
    with Service(answers).listening() as service, running(hand.rig, knows_no_signer_until_told) as port:
        done = hand.open(port, "--api", service.url, "--courier", "cou_0123456789abcdef")
        assert done.returncode == 1, done.stderr
        assert "did not take this key" in done.stderr


def test_receipts_are_brought_later(hand: Hand) -> None:
    with running(hand.rig) as port:
        assert hand.open(port).returncode == 0
    words = (
        "bring",
        str(hand.receipts),
        "--device-key",
        str(hand.device),
        "--courier",
        "cou_0123456789abcdef",
    )
    with Service({"session": SESSION, "receipts": (200, {"taken": 2, "known": 0})}).listening() as service:
        done = hand.run(*words, "--api", service.url, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"delivery": DELIVERY, "receipts": 2, "new": 2}
    refusing = Service({"session": SESSION, "receipts": (409, {"code": "receipts.unit_not_trusted"})})
    with refusing.listening() as service:
        assert hand.run(*words, "--api", service.url).returncode == 1


def test_no_car_there_is_exit_2_and_nothing_was_opened(hand: Hand) -> None:
    done = hand.open(free_port())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("trunkline: link.lost: no car answers")
    assert "may have" not in done.stderr


@pytest.mark.parametrize("answers", [[], [b"HTTP/1.1 400 Bad Request\r\n\r\n"], [local.no("version")]])
def test_what_is_no_car_is_exit_2(hand: Hand, answers: list[bytes]) -> None:
    with played(answers) as port:
        assert hand.open(port).returncode == 2


def test_a_car_that_goes_away_after_the_key_may_have_opened(hand: Hand) -> None:
    with played([local.ok({"hello": 1}), local.ok({"challenge": "A" * 43, "link": "phone"})]) as port:
        done = hand.open(port)
        assert done.returncode == 2
        assert "It may have happened all the same." in done.stderr


class played:  # noqa: N801
    """Something that listens and says these bytes, one after each thing it hears, then goes away."""

    def __init__(self, answers: list[bytes]) -> None:
        import threading

        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._socket.close()

    def _serve(self) -> None:
        caller, _ = self._socket.accept()
        with caller:
            for answer in self._answers:
                caller.recv(8_192)
                caller.sendall(answer)
            caller.recv(8_192)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--link", "nowhere"), 64),
        (("--link", ":1"), 64),
        (("--link", "127.0.0.1:1", "--delivery", "dlv_0000000000000000"), 64),
        (("--link", "127.0.0.1:1", "--api", "http://127.0.0.1:1"), 64),
        (("--link", "127.0.0.1:1", "--key-file", "/there/is/no/such/file"), 2),
    ],
)
def test_what_cannot_be_tried(hand: Hand, words: tuple[str, ...], code: int) -> None:
    done = hand.run("open", "--key-file", str(hand.key), "--device-key", str(hand.device), *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("trunkline: ")


def test_files_that_hold_something_else(hand: Hand) -> None:
    link = ("--link", "127.0.0.1:1")
    for key, device in ((hand.device, hand.device), (hand.key, hand.key)):
        done = hand.run("open", *link, "--key-file", str(key), "--device-key", str(device))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    text = KEY_SIGNER.pem().decode()
    assert text not in hand.run("open", *link, "--key-file", str(hand.device), "--device-key", "x").stderr


def test_receipts_of_another_delivery_are_not_mixed(tmp_path: Path) -> None:
    from trunkline.link_phone import NotThisFile

    file = tmp_path / "receipts.json"
    keep_receipts(file, DELIVERY, ["a"])
    assert keep_receipts(file, DELIVERY, ["a", "b"]) == ("a", "b")
    with pytest.raises(NotThisFile):
        keep_receipts(file, "dlv_0000000000000000", ["c"])
    for text in ("", "[]", '{"delivery": 1, "receipts": []}', '{"delivery": "d", "receipts": "abc"}'):
        file.write_text(text, "utf-8")
        with pytest.raises(NotThisFile):
            kept_receipts(file)
