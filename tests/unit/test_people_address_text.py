"""Car addresses: every single mistake and every exchange is found; what people type in good faith is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import address_text as text

ADDRESSES = st.builds(
    text.of, st.integers(0, 31), st.text(text.ALPHABET, min_size=text.RANDOM, max_size=text.RANDOM)
)


@given(ADDRESSES, st.integers(0, text.LENGTH - 1), st.sampled_from(text.ALPHABET))
def test_any_one_wrong_character_is_found(address: str, place: int, other: str) -> None:
    wrong = address[:place] + other + address[place + 1 :]
    assert text.normalised(wrong) == (address if wrong == address else None)


@given(ADDRESSES, st.integers(0, text.LENGTH - 1), st.integers(0, text.LENGTH - 1))
def test_any_two_exchanged_characters_are_found(address: str, one: int, other: int) -> None:
    typed = list(address)
    typed[one], typed[other] = typed[other], typed[one]
    wrong = "".join(typed)
    assert text.normalised(wrong) == (address if wrong == address else None)


@given(ADDRESSES)
def test_written_and_read_again(address: str) -> None:
    assert text.normalised(text.written(address)) == address
    assert text.partition(text.written(address), 32) == text.ALPHABET.index(address[0])


@pytest.mark.parametrize(
    "typed",
    [
        "TL-{a}-{b}-{c}",
        "tl-{a}-{b}-{c}",
        " TL {a} {b} {c} ",
        "{a}{b}{c}",
        "TL{a}{b}{c}",
        "c/o",
        "TL\N{EN DASH}{a}\N{NON-BREAKING HYPHEN}{b}_{c}",
        "TL\N{NO-BREAK SPACE}{a} {b}\t{c}",
    ],
)
def test_case_spaces_and_dashes_do_not_matter(typed: str) -> None:
    address = text.of(3, "K3M9QXD4HW")
    a, b, c = address[:4], address[4:8], address[8:]
    expected = None if typed == "c/o" else address
    assert text.normalised(typed.format(a=a, b=b, c=c)) == expected


@given(st.text(max_size=80))
def test_whatever_is_typed_has_a_partition_and_no_crash(typed: str) -> None:
    assert 0 <= text.partition(typed, 8) < 8
    found = text.normalised(typed)
    assert found is None or text.check_character(found[:-1]) == found[-1]


def test_an_address_that_begins_with_the_lead_is_not_cut() -> None:
    address = text.of(text.ALPHABET.index("T"), "LAAAAAAAAA")
    assert text.normalised(address) == address


def test_drawn_addresses_differ_and_hold() -> None:
    drawn = {text.draw(5) for _ in range(200)}
    assert len(drawn) == 200
    assert all(text.normalised(one) == one and one[0] == text.ALPHABET[5] for one in drawn)
