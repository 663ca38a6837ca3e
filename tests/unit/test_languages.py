"""The language of a page: the reader's choice before the browser's wish, and never an unknown one."""

import pytest

from trunkline.languages import chosen


@pytest.mark.parametrize(
    ("cookie", "accepts", "spoken"),
    [
        ("", "", ""),
        ("", "fr, de-DE;q=0.8", "de"),
        ("sv", "nl", "sv"),
        ("xx", "nl", "nl"),
        ("", "nl;q=0, en;q=0.1, sv-SE;q=0.2", "sv"),
        ("", "de;q=high, nl", "nl"),
        ("", "de, nl", "de"),
        ("", "*", ""),
        ("", "," * 100_000 + "nl", ""),
        ("de\r\nSet-Cookie: a=b", "\x00", ""),
    ],
)
def test_a_known_language_comes_out(cookie: str, accepts: str, spoken: str) -> None:
    assert chosen(cookie, accepts) == spoken
