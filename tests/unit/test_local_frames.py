"""Frames and messages of the local link: every cut and every MTU gives the same; no bytes raise anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.car import local
from keys.car.frames import LENGTH, MAX_FRAME, BrokenStream, Chunks, Frames, Joined, TooLong, pack
from keys.car.local import AskPresent, AskReceipts, BringBundle, Hello, Malformed, Said

SMALL = st.dictionaries(st.text(max_size=5), st.text(max_size=40), max_size=3)


def over_bluetooth(data: bytes, mtu: int) -> list[bytes]:
    chunks, joined, frames = Chunks(mtu), Joined(), Frames()
    found: list[bytes] = []
    for chunk in chunks.cut(data):
        assert len(chunk) <= mtu - 3
        found += frames.feed(joined.feed(chunk))
    return found


@pytest.mark.parametrize("mtu", [23, 185, 517])
@pytest.mark.parametrize("size", [1, 18, 19, 20, 181, 513, 1_440, 8_180])
def test_frames_over_every_mtu(mtu: int, size: int) -> None:
    document = {"k": "x" * size}
    data = pack(document)
    assert [json.loads(frame) for frame in over_bluetooth(data * 3, mtu)] == [document] * 3


@given(st.lists(SMALL, min_size=1, max_size=5), st.data())
def test_any_cut_of_the_stream_gives_the_same_frames(
    documents: list[dict[str, Any]], data: st.DataObject
) -> None:
    stream = b"".join(pack(one) for one in documents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames, found = Frames(), list[bytes]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[start:end])
    assert [json.loads(frame) for frame in found] == documents
    assert not frames.begun


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_are_frames_or_a_broken_stream(pieces: list[bytes]) -> None:
    frames = Frames()
    for piece in pieces:
        try:
            found = frames.feed(piece)
        except BrokenStream:
            with pytest.raises(BrokenStream):
                frames.feed(b"")
            return
        for frame in found:
            assert 0 < len(frame) <= MAX_FRAME


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 2**31, 2**32 - 1])
def test_a_length_that_cannot_be_breaks_the_stream(length: int) -> None:
    with pytest.raises(BrokenStream):
        Frames().feed(length.to_bytes(LENGTH, "big"))


def test_a_document_too_long_for_a_frame() -> None:
    assert len(pack({"k": "x" * (MAX_FRAME - 8)})) == LENGTH + MAX_FRAME
    with pytest.raises(TooLong):
        pack({"k": "x" * (MAX_FRAME - 7)})


def test_a_lost_doubled_or_empty_chunk_is_noticed() -> None:
    chunks = Chunks(23).cut(bytes(19 * 300))
    assert [chunk[0] for chunk in chunks[254:258]] == [254, 255, 0, 1]
    for wrong in ([0, 2], [0, 0], [1]):
        joined = Joined()
        for n in wrong[:-1]:
            joined.feed(chunks[n])
        with pytest.raises(BrokenStream):
            joined.feed(chunks[wrong[-1]])
    with pytest.raises(BrokenStream):
        Joined().feed(b"\x00")
    with pytest.raises(ValueError, match="MTU"):
        Chunks(22)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [(local.hello(), Hello), (local.present("a.b.c", "d.e.f"), AskPresent),
     (local.present("a.b.c", "d.e.f", "g.h.i"), AskPresent), (local.bring_bundle(("a.b.c", "d.e.f")), BringBundle),
     (local.ask_receipts(7), AskReceipts)],
)  # fmt: skip
def test_what_a_phone_says_is_read_as_it_was_meant(frame: bytes, kind: type) -> None:
    assert isinstance(local.read_ask(frame[LENGTH:]), kind)


def test_what_a_unit_says_is_read_as_it_was_meant() -> None:
    assert local.read_answer(local.ok({"n": 1})[LENGTH:]) == Said({"n": 1})
    assert local.read_answer(local.no("busy")[LENGTH:]) == Said(None, "busy")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "1", "null", '{"hello":1,"hello":1}', '{"hello":1,"challenge":{"link":"x"}}', '{"hello":"1"}',
     '{"hello":1.0}', '{"hello":true}', '{"hello":0}', '{"other":1}', '{"challenge":{}}', '{"challenge":{"link":""}}',
     '{"challenge":{"link":1}}', '{"challenge":{"link":"x","more":1}}', '{"present":{"key":"a"}}',
     '{"present":{"key":"a","proof":"b","fresh":null}}',
     '{"present":{"key":"a","proof":"b","fresh":null,"via":"mqtt"}}', '{"present":{"key":"ä","proof":"b"}}',
     '{"present":{"key":["a"],"proof":"b"}}', '{"bundle":[]}', '{"bundle":["a","a","a","a","a","a","a","a","a"]}',
     '{"bundle":"a.b.c"}', '{"receipts":{"after":-1}}', '{"receipts":{"after":NaN}}', '{"receipts":{"after":1e400}}',
     '{"receipts":{"after":"0"}}', "\ufeff{}", '{"hello":' + "[" * 2000 + "]" * 2000 + "}"],
)  # fmt: skip
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        local.read_ask(text.encode())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for read in (local.read_ask, local.read_answer):
        try:
            read(data)
        except Malformed:
            continue


def test_a_key_does_not_print() -> None:
    ask = local.read_ask(local.present("SECRET.b.c", "SECRET.e.f", "SECRET.h.i")[LENGTH:])
    assert "SECRET" not in repr(ask)
