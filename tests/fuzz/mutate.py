"""Good messages of each kind, and what becomes of them: bytes, members, types, numbers, depth, doubles, size."""

import json
import random
import string
from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any

JUNK: Final[tuple[Json, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**53 - 1, 2**63, 2**70, -(2**63), 1e308, -0.0, 1e-320, 0.5, "", " ", "0",
    "x" * 300, "\u0000", "é\u202e\u2028", "\U0001f697", "NaN", "null", "' OR 1=1--", "${jndi:ldap://x}", "%s%n", "../../x",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2030-05-06T09:00:00", [], {}, [[]], [None],
    {"": {}}, {"d": {"d": {}}}, [1] * 500, {str(n): n for n in range(300)}, "vu_0123456789abcdef", "cmd_0123456789abcdef.1",
)  # fmt: skip
"""Values that are a trap somewhere."""

TEXTS: Final = (
    b"", b"{", b"[]", b"null", b"nan", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b'{"a":NaN}', b'{"a":Infinity}',
    b'{"a":"\\ud800"}', b'{"a":1e999}', b'{"a":' + b"9" * 5_000 + b"}", b"[" * 20_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"\xef\xbb\xbf{}", b"{} {}", b"{'a':1}", b'{"a":1,}', b"/*x*/{}",
)  # fmt: skip
"""Payloads that are a trap whole."""


def mutated(dice: random.Random, good: bytes) -> bytes:
    """One of the ways a message goes wrong; now and then it comes out good all the same."""
    return dice.choice(_WAYS)(dice, good)


def junk(dice: random.Random) -> Json:
    """Any JSON value, mostly one that is a trap somewhere."""
    roll = dice.random()
    if roll < 0.7:
        return dice.choice(JUNK)
    if roll < 0.85:
        return dice.randrange(-(2**64), 2**64)
    return "".join(dice.choices(string.printable, k=dice.randrange(40)))


def _random(dice: random.Random, _: bytes) -> bytes:
    return dice.randbytes(dice.randrange(120))


def _flipped(dice: random.Random, good: bytes) -> bytes:
    raw = bytearray(good)
    for _ in range(dice.randrange(1, 5)):
        if raw:
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(raw)


def _spliced(dice: random.Random, good: bytes) -> bytes:
    one, other = sorted((dice.randrange(len(good) + 1), dice.randrange(len(good) + 1)))
    middle = dice.choice((b"", good[one:other] * 2, dice.randbytes(4), dice.choice(TEXTS)[:200]))
    return good[:one] + middle + good[other:]


def _whole(dice: random.Random, _: bytes) -> bytes:
    return dice.choice(TEXTS)


def _giant(dice: random.Random, good: bytes) -> bytes:
    if dice.random() < 0.8:
        return _member(dice, good)
    return good + b" " * dice.choice((65_536 - len(good), 65_537 - len(good), 150_000))


def _twins(dice: random.Random, good: bytes) -> bytes:
    """A member twice: which one counts must not matter to anybody behind us."""
    if not good.startswith(b"{"):
        return good
    name = dice.choice(("seq", "boot", "d", "id", "v", "presence", "cmd"))
    return b"{" + json.dumps({name: junk(dice)}).encode()[1:-1] + b"," + good[1:]


def _member(dice: random.Random, good: bytes) -> bytes:
    """Somewhere in the tree a member is lost, added, renamed or another value."""
    try:
        tree = json.loads(good)
    except ValueError:
        return good
    spots = list(_spots(tree))
    if not spots:
        return json.dumps(junk(dice)).encode()
    holder, name = dice.choice(spots)
    roll = dice.randrange(5)
    if roll == 0 and isinstance(holder, dict):
        del holder[name]
    elif roll == 1 and isinstance(holder, dict):
        holder[str(junk(dice))] = junk(dice)
    elif roll == 2 and isinstance(holder, dict):
        holder[str(name) + dice.choice(("", " ", "\u0000", "_"))] = holder.pop(name)
    else:
        holder[name] = junk(dice)
    return json.dumps(tree).encode()


def _spots(tree: Json) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        here = waiting.pop()
        names = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        found += [(here, name) for name in names]
        waiting += [here[name] for name in names]
    return found


_WAYS: Final[tuple[Callable[[random.Random, bytes], bytes], ...]] = (
    _member, _member, _member, _flipped, _flipped, _spliced, _twins, _random, _whole, _giant,
)  # fmt: skip


def flipped_token(dice: random.Random, token: str) -> str:
    """A compact JWS with one character of its alphabet changed."""
    at = dice.randrange(len(token))
    letters = (string.ascii_letters + string.digits + "-_.").replace(token[at], "")
    return token[:at] + dice.choice(letters) + token[at + 1 :]


def shaken(dice: random.Random, tree: Mapping[str, Json], times: int = 1) -> dict[str, Json]:
    """The same tree with members gone wrong."""
    raw = json.dumps(tree).encode()
    for _ in range(times):
        raw = _member(dice, raw)
    value = json.loads(raw)
    return value if isinstance(value, dict) else {"": value}
