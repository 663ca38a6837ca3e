"""Codes, status bytes, J1939, ISO-TP: known vectors, round trips, and every way a frame can be wrong."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle_gateway.diag import codes, j1939, obd, uds
from vehicle_gateway.diag.isotp import Fault, Reassembly


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("P0301", "0301"),
        ("P0143", "0143"),
        ("U0158", "c158"),
        ("B1A2B", "9a2b"),
        ("C0152", "4152"),
        ("U3FFF", "ffff"),
    ],
)
def test_known_codes(text: str, pair: str) -> None:
    assert codes.from_two_bytes(bytes.fromhex(pair)) == text
    assert codes.to_bytes(text).hex() == pair


@given(st.binary(min_size=3, max_size=3))
def test_three_bytes_there_and_back(three: bytes) -> None:
    assert codes.to_bytes(str(codes.from_three_bytes(three))) == three


@pytest.mark.parametrize(
    "wrong", ["", "p0301", "P4301", "P030", "P03011", "X0301", "P0301-1", "P0301-GG", "P0301 "]
)
def test_what_is_no_code(wrong: str) -> None:
    with pytest.raises(ValueError):
        codes.to_bytes(wrong)


@pytest.mark.parametrize(
    ("byte", "status"),
    [(0x00, None), (0x50, None), (0x20, None), (0x70, None), (0x01, "pending"), (0x04, "pending"), (0x24, "pending"),
     (0x08, "confirmed"), (0x2F, "confirmed"), (0x80, "confirmed"), (0xFF, "confirmed")],
)  # fmt: skip
def test_status_byte(byte: int, status: str | None) -> None:
    assert uds.status_of(byte) == status


def test_uds_records_and_severities() -> None:
    found = uds.records(bytes.fromhex("5902ff0301002f4152110800"), uds.BY_MASK)
    assert [(str(one.code), one.status) for one in found] == [("P0301-00", 0x2F), ("C0152-11", 0x08)]
    assert uds.records(bytes.fromhex("5902ff"), uds.BY_MASK) == []
    assert uds.severities(bytes.fromhex("594233ffff0480030100 2f".replace(" ", "")), uds.WWH_OBD) == {
        codes.Code("P0301", 0): "check_immediately"
    }
    assert uds.severities(bytes.fromhex("5908ff4010c100872f"), uds.SEVERITY) == {
        codes.Code("U0100", 0x87): "check_at_next_halt"
    }
    assert uds.occurrence(bytes.fromhex("59060301002f0107"), bytes.fromhex("030100"), 1) == 7
    assert uds.occurrence(bytes.fromhex("59060301002f010007"), bytes.fromhex("030100"), 1) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "59",
        "5902",
        "5903ff",
        "7f1931",
        "5902ff0301",
        "5902ff030100",
        "5902ff00000008",
        "5902ff0301002f0301002f",
    ],
)
def test_a_uds_answer_of_another_shape_is_malformed(wrong: str) -> None:
    with pytest.raises(uds.Malformed):
        uds.records(bytes.fromhex(wrong), uds.BY_MASK)


@given(st.binary(max_size=64), st.sampled_from([uds.BY_MASK, uds.SEVERITY, uds.WWH_OBD, uds.PERMANENT]))
def test_any_uds_bytes_are_records_or_malformed(raw: bytes, function: int) -> None:
    for read in (uds.records, uds.severities):
        with contextlib.suppress(uds.Malformed):
            read(raw, function)


@given(st.integers(0, 0x7FFFF), st.integers(0, 31), st.integers(0, 126) | st.none())
def test_j1939_there_and_back(spn: int, fmi: int, count: int | None) -> None:
    code = j1939.Code(spn, fmi, count)
    assert j1939.decode(j1939.encode(code)) == code


def test_j1939_older_versions_are_never_guessed() -> None:
    older = bytes([0x01, 0x02, 0x65, 0x85])
    with pytest.raises(j1939.Ambiguous):
        j1939.decode(older)
    assert j1939.decode(older, older=1).spn == 0x01 << 11 | 0x02 << 3 | 3
    assert j1939.decode(older, older=2).spn == 0x02 << 11 | 0x01 << 3 | 3
    assert j1939.decode(older, older=3).spn == 3 << 16 | 0x0201
    assert str(j1939.decode(bytes.fromhex("d70b0905"))) == "SPN3031-FMI9"


def test_j1939_messages() -> None:
    lamps, found = j1939.decode_message(bytes.fromhex("4fff00000000ffff"))
    assert found == []
    assert (lamps.malfunction, lamps.red_stop, lamps.protect) == ("on", "off", "not_available")
    _, found = j1939.decode_message(bytes.fromhex("10ffd70b0905ffff"))
    assert [str(one) for one in found] == ["SPN3031-FMI9"]
    for wrong in ("", "04ff", "04ffd70b0905d7", "04ffd70b090500000000"):
        with pytest.raises(ValueError):
            j1939.decode_message(bytes.fromhex(wrong))


def test_readiness_and_pids() -> None:
    said = obd.readiness(bytes.fromhex("410183076504"))
    assert (said.mil, said.confirmed) == (True, 3)
    assert said.incomplete == ("evaporative",)
    diesel = obd.readiness(bytes.fromhex("4101000f0300"))
    assert diesel.supported[3:] == ("nmhc_catalyst", "nox_aftertreatment")
    assert obd.value(bytes.fromhex("410c1af8"), 0x0C) == 1726
    assert obd.value(bytes.fromhex("41a60001e240"), 0xA6) == 12_345_600
    assert obd.freeze_code(bytes.fromhex("420200030100")) == "P0301"
    assert obd.supported(bytes.fromhex("4100be3eb811"), 0) >= {0x01, 0x20, 0x0C}


@pytest.mark.parametrize("wrong", ["43", "430301", "4301030104", "43000301", "43010000", "4302030100"])
def test_a_count_that_does_not_fit_is_no_answer(wrong: str) -> None:
    with pytest.raises(obd.Malformed):
        obd.codes(bytes.fromhex(wrong))


# ---- ISO-TP


def split(message: bytes, pad: int | None = 0xAA) -> list[bytes]:
    if len(message) <= 7:
        made = [bytes([len(message)]) + message]
    else:
        made = [bytes([0x10 | len(message) >> 8, len(message) & 0xFF]) + message[:6]]
        made += [
            bytes([0x20 | number & 15]) + message[start : start + 7]
            for number, start in enumerate(range(6, len(message), 7), start=1)
        ]
    return made if pad is None else [frame + bytes([pad]) * (8 - len(frame)) for frame in made]


messages = st.binary(min_size=1, max_size=400)


@given(messages, messages, st.randoms(use_true_random=False), st.sampled_from([None, 0, 0x55, 0xAA, 0xFF]))
def test_two_ecus_interleaved_in_any_way(one: bytes, other: bytes, random: "object", pad: int | None) -> None:
    queues = {"7E8": split(one, pad), "7E9": split(other, pad)}
    taken = Reassembly()
    while any(queues.values()):
        sender = random.choice([name for name, left in queues.items() if left])  # type: ignore[attr-defined]
        taken.feed(sender, queues[sender].pop(0))
    assert taken.messages() == {"7E8": [one], "7E9": [other]}


@given(st.binary(min_size=8, max_size=400), st.data())
def test_a_lost_or_doubled_frame_is_never_a_message(message: bytes, data: st.DataObject) -> None:
    sent = split(message)
    at = data.draw(st.integers(0, len(sent) - 1))
    broken = sent[:at] + sent[at + 1 :] if data.draw(st.booleans()) else [*sent[: at + 1], *sent[at:]]
    taken = Reassembly()
    for frame in broken:
        taken.feed("7E8", frame)
    assert all(isinstance(said, Fault) for said in taken.messages().values())


@given(st.lists(st.binary(max_size=10), max_size=30))
def test_any_frames_are_whole_messages_or_a_fault(raw: list[bytes]) -> None:
    taken = Reassembly()
    for frame in raw:
        taken.feed("7E8", frame)
    for said in taken.messages().values():
        assert isinstance(said, Fault) or all(1 <= len(message) <= 0xFFF for message in said)


def test_sixteen_lost_frames_that_fit_by_number_are_seen_by_length() -> None:
    sent = split(bytes(range(256)))
    taken = Reassembly()
    for frame in sent[:3] + sent[19:]:
        taken.feed("7E8", frame)
    assert taken.messages() == {"7E8": Fault.UNFINISHED}
