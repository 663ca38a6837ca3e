"""The ELM327 reader against simulated adapters on real sockets: "no codes" only where everybody said so."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.depth import deep
from tests.unit.elm_car import ElmCar, codes, frames, reply
from vehicle_gateway.diag import elm
from vehicle_gateway.diag.codes import from_two_bytes
from vehicle_gateway.diag.scan import FaultScan
from vehicle_unit.readers.adapter import Adapter
from vehicle_unit.readers.elm import scan
from vehicle_unit.readers.findings import Heading
from vehicle_unit.readers.limits import ReaderLimits
from vehicle_unit.readers.source import Source

HEADING = Heading(boot=3, seq=0, scan_id="scan-1", at=datetime(2026, 11, 26, tzinfo=UTC), drive_cycle=7)
QUICK = ReaderLimits(elm_silence=timedelta(milliseconds=200), elm_answer=timedelta(seconds=2))
"""For adapters that say nothing, or no end: the time has to pass."""
PATIENT = ReaderLimits(elm_silence=timedelta(seconds=30), elm_answer=timedelta(seconds=60))
"""For all others: an adapter in a thread of a busy machine is not one that does not answer."""
HERE = "7E8064100BE3EB810"
READY = "7E80641010007E500"


def read(answers: dict[str, Any], limits: ReaderLimits | None = None, **how: Any) -> FaultScan:
    with ElmCar(answers, **how) as car:
        found = Source(elm=car.address).scan(HEADING, limits or fitting(answers), time.monotonic)
    assert FaultScan.model_validate_json(found.model_dump_json()) == found
    return found


def fitting(answers: dict[str, Any]) -> ReaderLimits:
    """Quick only where a prompt is awaited in vain; a connection that is closed (``!``) is seen at once."""
    said = [one for each in answers.values() for one in (each if isinstance(each, list) else [each])]
    ends = [one if isinstance(one, str) else one.decode("latin-1") for one in said]
    return PATIENT if all(one.endswith(">") or one == "!" for one in ends) else QUICK


def clean(**other: Any) -> dict[str, Any]:
    said = {"0100": reply([HERE]), "0101": reply([READY])}
    return said | {mode: reply(frames("7E8", codes(mode, []))) for mode in ("03", "07", "0A")} | other


def with_mode(mode: str, said: Any, **other: Any) -> dict[str, Any]:
    return {**clean(**other), mode: said}


def said_by(found: FaultScan) -> dict[str, list[tuple[str, str]]]:
    return {ecu.id: [(code.code, code.status) for code in ecu.codes] for ecu in found.ecus}


def test_a_clean_car() -> None:
    found = read(clean())
    assert (found.outcome, found.mil, found.drive_cycle, found.boot) == ("complete", False, 7, 3)
    assert found.readiness is not None
    assert not found.readiness.incomplete
    assert said_by(found) == {"7E8": []}
    assert b"7E80641" in bytes.fromhex(found.raw)


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("pad", [None, 0x00, 0xAA])
def test_sixty_codes_over_more_than_fifteen_frames(piece: int, echo: bool, pad: int | None) -> None:
    many = [bytes([0x03, number]) for number in range(1, 61)]
    found = read(with_mode("03", reply(frames("7E8", codes("03", many), pad=pad))), piece=piece, echo=echo)
    assert found.outcome == "complete"
    assert said_by(found) == {"7E8": [(from_two_bytes(one), "confirmed") for one in many]}


def test_two_ecus_interleaved_each_with_its_own() -> None:
    one = frames("7E8", codes("03", [bytes([1, n]) for n in range(1, 21)]))
    two = frames("7E9", codes("03", [bytes([0xC1, n]) for n in range(1, 31)]))
    mixed = [line for pair in zip(one, two, strict=False) for line in pair] + two[len(one) :]
    both = {
        mode: reply(frames("7E8", codes(mode, [])) + frames("7E9", codes(mode, []))) for mode in ("07", "0A")
    }
    found = read(
        clean()
        | both
        | {"0100": reply([HERE, "7E906410080000000"]), "03": reply(mixed)}
        | {"0101": reply([READY, "7E9064101000000 00"])}
    )
    assert found.outcome == "complete"
    assert {ecu: len(said) for ecu, said in said_by(found).items()} == {"7E8": 20, "7E9": 30}
    assert ("U0101", "confirmed") in said_by(found)["7E9"]


def test_twenty_nine_bit_headers_with_spaces() -> None:
    said = {"0100": reply(["18 DA F1 10 06 41 00 BE 3E B8 10"]), "0101": reply(["18 DA F1 10 06 41 01 00 07 E5 00"]),
            "03": reply(["18 DA F1 10 04 43 01 03 01 AA AA AA"])}  # fmt: skip
    said |= {mode: reply([f"18 DA F1 10 02 {int(mode, 16) | 0x40:02X} 00"]) for mode in ("07", "0A")}
    assert said_by(read(said)) == {"18DAF110": [("P0301", "confirmed")]}


def test_one_entry_per_code_with_the_highest_status() -> None:
    one = bytes.fromhex("0420")
    said = clean() | {mode: reply(frames("7E8", codes(mode, [one]))) for mode in ("03", "07", "0A")}
    assert said_by(read(said)) == {"7E8": [("P0420", "permanent")]}


def test_what_the_car_says_beside_its_codes() -> None:
    said = with_mode("03", reply(["7E804430103010000"]))
    said |= {
        "0100": reply(["7E8064100FFFFFFFF"]), "0120": reply(["7E8064120FFFFFFFF"]), "0140": reply(["7E8064140FFFFFFFF"]),
        "0160": reply(["7E8064160FFFFFFFF"]), "0180": reply(["7E8064180FFFFFFFF"]), "01A0": reply(["7E80641A004000000"]),
        "0130": reply(["7E803413012"]), "0131": reply(["7E80441310100"]), "01A6": reply(["7E80641A60001E240"]),
        "020200": reply(["7E805420200030100"]), "020C00": reply(["7E805420C001AF8"]), "020500": reply(["7E8044205007B"]),
    }  # fmt: skip
    found = read(said)
    assert found.since_clear is not None
    assert (found.since_clear.warmups, found.since_clear.km, found.odometer_m) == (18, 256, 12_345_600)
    assert found.freeze is not None
    assert (found.freeze.code, found.freeze.pids) == ("P0301", {"coolant_c": 83, "engine_rpm": 1726})


def test_the_vin_is_never_asked_for() -> None:
    with ElmCar(clean()) as car:
        Source(elm=car.address).scan(HEADING, PATIENT, time.monotonic)
        assert not any(asked.startswith("09") for asked in car.asked)


@pytest.mark.parametrize(
    "said",
    [
        "NO DATA\r\r>", "CAN ERROR\r\r>", "BUFFER FULL\r\r>", "?\r\r>", "STOPPED\r\r>", "UNABLE TO CONNECT\r\r>", ">",
        "7E8024300\rBUFFER FULL\r\r>", "7E8024300\r<DATA ERROR\r\r>", "7E8024300\rGARBAGE@@\r\r>", "43 ZZ\r\r>", "47 0\r\r>",
        "7E803430104\r\r>", "7E8100843030301\r\r>", "7E81008430303010420\r\r>", "7E821C158\r\r>", "7E8037F0311\r\r>",
        "7E8024700\r\r>", "\0\0\0>", "7E8024300\r7E8024300\r\r>", "7E9024300\r\r>", "OK\r\r>", "4300\r4300\r\r>",
        "7E81008430303010420\r7E822C15800000000000\r\r>", b"\xff\xfe>", b"", "0100\r\r>", "7E80243000\r\r>", "014\r0:430503010420\r\r>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["03", "0A"])
def test_a_mode_that_is_not_answered_whole_is_never_clean(mode: str, said: str | bytes) -> None:
    found = read(
        with_mode(
            mode,
            said.replace("43", f"{int(mode, 16) | 0x40:02X}")
            if isinstance(said, str) and mode != "03"
            else said,
        )
    )
    assert found.outcome == "partial"
    assert found.ecus[0].id == "7E8"


def test_a_second_ecu_that_says_nothing_to_one_mode() -> None:
    found = read(clean(**{"0100": reply([HERE, "7E906410080000000"])}))
    assert found.outcome == "partial"
    assert [(ecu.id, ecu.answered) for ecu in found.ecus] == [("7E8", True), ("7E9", False)]


@pytest.mark.parametrize("said", ["NO DATA\r\r>", "SEARCHING...\rUNABLE TO CONNECT\r\r>"])
def test_nobody_there(said: str) -> None:
    assert read({"0100": said}).outcome == "no_answer"


def test_an_adapter_that_says_nothing_or_only_garbage() -> None:
    assert read({"0100": b""}).outcome == "error"
    noise = dict.fromkeys(("0100", "0101", "03", "07", "0A"), "@@@\r>")
    assert read(noise).outcome == "error"


def test_a_broken_answer_is_asked_for_again() -> None:
    found = read(with_mode("03", ["7E81008430303010420\r\r>", "STOPPED\r\r>", "7E804430103 01\r\r>"]))
    assert found.outcome == "complete"
    assert said_by(found) == {"7E8": [("P0301", "confirmed")]}


def test_connects_again_and_sets_up_anew_where_the_adapter_closes() -> None:
    with ElmCar(with_mode("07", [b"!", reply(["7E8024700"])])) as car:
        found = Source(elm=car.address).scan(HEADING, PATIENT, time.monotonic)
        assert (found.outcome, car.connections, car.asked.count("ATH1")) == ("complete", 2, 2)


def test_an_adapter_that_keeps_closing_is_an_error_and_nobody_has_answered() -> None:
    found = read(with_mode("03", b"!"))
    assert found.outcome == "error"
    assert not any(ecu.answered for ecu in found.ecus)


def test_nothing_listens_there() -> None:
    with ElmCar({}) as car:
        address = car.address
    assert Source(elm=address).scan(HEADING, PATIENT, time.monotonic).outcome == "error"


def test_a_flood_without_a_prompt_ends() -> None:
    found = read(with_mode("03", b"7E8024300\r" * 20_000))
    assert found.outcome == "partial"


def test_a_scan_ends_in_time() -> None:
    limits = QUICK.model_copy(update={"whole_scan": timedelta(seconds=1), "elm_attempts": 10})
    asked: list[float] = []
    with ElmCar(dict.fromkeys(("03", "07", "0A"), b"") | {"0100": reply([HERE])}) as car:

        def since_asked() -> float:
            """Its time begins with the mode that is not answered: all before may take a busy machine longer."""
            if not asked and "03" in car.asked:
                asked.append(time.monotonic())
            return time.monotonic() - asked[0] if asked else 0.0

        found = Source(elm=car.address).scan(HEADING, limits, since_asked)
        assert car.asked.count("03") < 10, "the time ended it, not the attempts"
        assert "07" not in car.asked
    assert found.outcome == "partial"
    assert not found.ecus[0].answered


def test_an_older_car_is_asked_what_it_knows() -> None:
    said = clean()
    del said["0A"]
    assert read(said).outcome == "partial"
    assert read(said, PATIENT.model_copy(update={"obd_modes": ("03", "07")})).outcome == "complete"


# ---- whatever comes


class Scripted:
    """A port whose replies are given; the clock moves on where it is silent."""

    def __init__(self, replies: Iterator[bytes]) -> None:
        self._replies = replies
        self._waiting = b""
        self.now = 0.0

    def uptime(self) -> float:
        self.now += 0.001
        return self.now

    def write(self, data: bytes) -> None:
        self._waiting = b"OK\r>" if data.startswith(b"AT") else next(self._replies, b"")

    def read(self, seconds: float) -> bytes:
        if seconds == 0:
            return b""
        said, self._waiting = self._waiting, b""
        if not said:
            self.now += seconds
        return said

    def close(self) -> None:
        pass


_PARTS = [b"7E8064100BE3EB810", b"7E9064100BE3EB810", b"7E8024300", b"7E9024300", b"7E8024700", b"7E8024A00", b"7E804430103 01", b"7E8 10 08 43 03 03 01 04 20",
          b"7E821C158", b"4300", b"4100BE3EB811", b"NO DATA", b"SEARCHING...", b"?", b"STOPPED", b"BUFFER FULL", b"<RX ERROR", b"008", b"0: 43 03 03 01 04 20",
          b"1: C1 58", b"7F0311", b"7E8037F0378", b"\0", b"7E80641010007E500", b"03", b"0100"]  # fmt: skip
_REPLY = st.lists(st.sampled_from(_PARTS) | st.binary(max_size=12), max_size=5).map(
    lambda parts: b"\r".join(parts) + b"\r\r>"
)


def _explicitly_empty(raw: bytes, mode: str) -> bool:
    """By another way than the reader's: a line that is, but for spaces, exactly an empty answer to this mode."""
    sid = f"{int(mode, 16) | 0x40:02X}00".encode()
    lines = (
        raw.replace(b"\0", b"")
        .replace(b" ", b"")
        .upper()
        .replace(b"\n", b"\r")
        .replace(b">", b"\r")
        .split(b"\r")
    )
    return any(
        line == sid or (line[:5] in {b"7E802", b"7E902"} and line[5:9] == sid)
        for line in ("".join(one.decode("ascii", "replace").split()).encode() for one in lines)
    )


@settings(max_examples=deep(120), deadline=None)
@given(st.lists(_REPLY, min_size=4, max_size=20))
def test_any_replies_give_an_outcome_and_complete_without_codes_only_from_explicit_answers(
    replies: list[bytes],
) -> None:
    port = Scripted(iter(replies))
    found = scan(Adapter(lambda: port, QUICK, port.uptime), HEADING, QUICK)
    if found.outcome == "complete" and not any(ecu.codes for ecu in found.ecus):
        everything = b"\r".join(replies)
        assert all(_explicitly_empty(everything, mode) for mode in ("03", "07", "0A"))
        assert all(ecu.answered for ecu in found.ecus)


@settings(max_examples=deep(120), deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["0100", "03", "0A", "ATZ", ""]))
def test_any_bytes_are_a_reply(raw: bytes, sent: str) -> None:
    found = elm.read_reply(raw, sent)
    assert isinstance(found.worth_repeating, bool)
