"""Receipts of an opening, spelled out because somebody waits for them, are what model and encoder would write."""

from hypothesis import given
from hypothesis import strategies as st

from keys.car.claims import Out, ReceiptClaims, UnitClock
from keys.car.jws import RECEIPT, payload_bytes, read_unsealed, seal, to_sign
from keys.car.receipt import Head, make, opening_to_sign
from keys.car.verify import Reading
from tests.unit.unit_rig import RECEIPT_KEY

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HASH = st.text(_ALPHABET, min_size=43, max_size=43)
_BODY = st.from_regex(r"[0-9a-hjkmnp-tv-z][0-9a-z._-]{3,80}", fullmatch=True)
OUTS: tuple[Out, ...] = ("consumed", "opened", "not_lifted", "closed", "locked", "left_open", "indeterminate")
_COUNT = st.integers(0, 2**53 - 1)


@given(st.data())
def test_it_is_what_the_model_writes(data: st.DataObject) -> None:
    draw = data.draw
    state = draw(st.sampled_from(("synced", "holdover", "unset")))
    clock = Reading(state, draw(st.integers(0, 2**47)), draw(st.integers(0, 2**47)))
    head = Head(draw(st.integers(0, 2**53 - 2)), draw(_HASH))
    said = {
        "iss": "vu_" + draw(st.from_regex(r"[0-9a-hjkmnp-tv-z]{16}", fullmatch=True)),
        "boot": draw(_COUNT),
        "jti": draw(st.text(_ALPHABET, min_size=22, max_size=22)),
        "seq": draw(st.integers(1, 2**53 - 1)),
        "dlv": f"dlv_{draw(_BODY)}",
        "cmd": draw(st.none() | _BODY.map("cmd_{}".format)),
        "via": draw(st.sampled_from(("mqtt", "local"))),
    }
    out: Out = draw(st.sampled_from(OUTS))
    if out == "consumed":
        said |= {"gen": draw(_COUNT), "own": draw(st.none() | _HASH)}
    claims = ReceiptClaims(
        **said,
        n=head.n + 1,
        prev=head.hash,
        at=clock.at,
        clk=UnitClock(state=clock.state, u=clock.u),
        out=out,
    )
    text = opening_to_sign(out=out, **said, head=head, clock=clock, key=RECEIPT_KEY)
    assert text == to_sign(payload_bytes(claims.wire()), form=RECEIPT, key=RECEIPT_KEY)
    assert ReceiptClaims.of(read_unsealed(text, RECEIPT).claims) == claims
    assert seal(text, form=RECEIPT, key=RECEIPT_KEY) == make(claims, key=RECEIPT_KEY)


@given(st.text(max_size=40))
def test_whatever_a_text_holds_it_is_one_member(text: str) -> None:
    """No text from outside comes this far unchecked; if one did it could still say nothing else."""
    named = {"boot": 1, "jti": "A" * 22, "seq": 1, "via": "mqtt", "gen": 1, "own": None, "cmd": text}
    unsafe = opening_to_sign(
        out="consumed",
        iss=text,
        dlv=text,
        **named,
        head=Head(),
        clock=Reading("synced", 1, 1),
        key=RECEIPT_KEY,
    )
    told = read_unsealed(unsafe, RECEIPT).claims
    assert (told["iss"], told["dlv"], told["cmd"]) == (text, text, text)
