"""What may be wrong with the signed objects of a presentation: each change is one function."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from keys.car.jwk import b64, sha256_b64, unb64
from tests.second.draft import (
    COMMAND,
    DATED,
    FRESH,
    ISSUER,
    LOG,
    OTHER_PHONE,
    OTHER_UNIT,
    PHONE,
    STRANGER,
    Draft,
    Raw,
    Token,
    dump,
)
from tests.second.wording import broken, deep, escaped, spaced, twin

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
Change = Callable[[Draft, Random], None]

NUMBERS: Final = [
    Raw(text)
    for text in (
        "0", "-0", "1", "-1", "1.0", "7.0", "-0.0", "1e3", "1E3", "1e0", "10e-1", "1e+2", "1e999", "-1e999", "01", "+1",
        ".5", "1.", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "9007199254740991", "9007199254740992",
        "137438953472", "137438953473", "140737488355328", "18446744073709551616", "1" * 24, "1" * 25,
        "-" + "1" * 23, "-" + "1" * 24, "0." + "1" * 22, "0." + "1" * 23, "1e-400", "\u0661", "1904288400.0",
    )
]  # fmt: skip
OTHERS: Final = [
    Raw(text)
    for text in (
        "null", "true", "false", '""', '"0"', '"1904288400"', "[]", "{}", "[null]", '{"jkt":null}', '[["a"]]', '"\\u0000"',
        '"\\ud800"', '"\\ud83d\\ude00"', '"\u00fc"', '"\u212a"', '"a"', '"vu_7aaaaaaaaaaaaaaa\\n"', "[0]", "[1904288400]",
    )
]  # fmt: skip
TEXTS: Final = [
    "trunkline", "Trunkline", "trunkline\u0000", OTHER_UNIT, "vu_7aaaaaaaaaaaaaa", "vu_7AAAAAAAAAAAAAAA",
    "vu_7iiiiiiiiiiiiiii", "vu_7aaaaaaaaaaaaaaa ", "open:trunk", "open:trunk+cabin", "open:cabin", "drive", "A" * 22,
    "A" * 21, "A" * 23, "A" * 43, "A" * 42, "A" * 44, "A" * 21 + "=", "dlv_7k3m", "dlv_7k3", "dlv_" + "a" * 81,
    "dlv_" + "a" * 82, "dlv_7K3m", "dlv_7k3m\n", "cmd_7k3maaaa", "\u217b" * 22, PHONE.kid, OTHER_PHONE.kid,
]  # fmt: skip
MEMBERS: Final = (
    "iss",
    "aud",
    "jti",
    "seq",
    "iat",
    "nbf",
    "exp",
    "cnf",
    "act",
    "dlv",
    "geo",
    "tbv",
    "cnonce",
    "fra",
)


def a_value(rng: Random) -> Any:
    return rng.choice(rng.choice([NUMBERS, OTHERS, TEXTS]))


def a_token(draft: Draft, rng: Random) -> Token:
    """Mostly the key, often the proof, else one of the news."""
    kept, fresh = draft.kept, draft.fresh
    return rng.choice([draft.key, draft.key, draft.proof, *(one for one in (kept, fresh) if one is not None)])


def a_member(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    names = (
        [*token.claims, "extra", "Iss", "__proto__", "constructor"] if rng.random() < 0.9 else list(MEMBERS)
    )
    token.claims[rng.choice(names)] = a_value(rng)


def a_key_member(draft: Draft, rng: Random) -> None:
    draft.key.claims[rng.choice(MEMBERS)] = a_value(rng)


def a_number(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    whole = [name for name, value in token.claims.items() if isinstance(value, int)] + ["fra", "tbv"]
    token.claims[rng.choice(whole)] = rng.choice(NUMBERS)


def a_member_less(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    if token.claims:
        token.claims.pop(rng.choice(sorted(token.claims)))


EDGES: Final[dict[str, list[Any]]] = {
    "fra": [0, 1, 86_399, 86_400, 86_401],
    "tbv": [0, -1, 2**53 - 1, 2**53],
    "seq": [0, 1, 2**53 - 1, 2**53],
    "iat": [0, -1, 2**37, 2**37 + 1],
    "nbf": [0, -1, 2**37, 2**37 + 1],
    "exp": [0, -1, 2**37, 2**37 + 1],
    "dlv": ["dlv_" + "7" * length for length in (1, 3, 4, 5, 80, 81, 82, 83)] + ["dlv__7k3m", "dlv_-7k3m", "dlv_i7k3m", "dlv_7-._i"],
    "jti": ["A" * 21, "A" * 22, "A" * 23, "A" * 21 + "-", "A" * 21 + "+", "A" * 21 + "."],
    "aud": ["vu_" + "7" * 15, "vu_" + "7" * 16, "vu_" + "7" * 17],
    "geo": [[48.1371, 11.5751, radius] for radius in (9, 9.999, 10, 100_000, 100_000.5)],
}  # fmt: skip


def edges(draft: Draft, rng: Random) -> None:
    """One claim just within or just beyond its bounds."""
    name = rng.choice(sorted(EDGES))
    others = [one for one in (draft.kept, draft.fresh, draft.proof) if one is not None and name in one.claims]
    token = rng.choice([draft.key, draft.key, *others])
    token.claims[name] = rng.choice(EDGES[name])
    if name == "geo":
        draft.context["car"]["position"] = rng.choice([[48.1371, 11.5751], [48.1371, 11.57511]])


def revocations(draft: Draft, rng: Random) -> None:
    token = draft.add_fresh() if rng.random() < 0.5 else draft.kept
    if token is None or not isinstance(token.claims.get("rev"), dict):
        return
    rev, key = dict(token.claims["rev"]), draft.key.claims
    seq = key.get("seq")
    near = [seq + by for by in (-1, 0, 1)] if isinstance(seq, int) else [0]
    match rng.randrange(6):
        case 0 | 1:
            rev["min_seq"] = rng.choice([*near, *NUMBERS])
        case 2:
            rev["dead"] = [*(["B" * 22] * rng.randint(0, 62)), key.get("jti"), "C" * 22]
        case 3:
            rev["dead"] = ["D" * 22] * rng.choice([63, 64, 65])
        case 4:
            rev["dead"] = rng.choice([["short"], [None], {}, "A" * 22, [["A" * 22]], [Raw("1")]])
        case _:
            rev[rng.choice(["version", "dead", "extra"])] = a_value(rng)
    token.claims["rev"] = rev


def place(draft: Draft, rng: Random) -> None:
    near = [
        48.1371 + rng.uniform(-0.003, 0.003),
        11.5751 + rng.uniform(-0.003, 0.003),
        rng.choice([10, 150.0, 300]),
    ]
    bad = [
        [Raw("48"), Raw("11"), Raw("100000")], [91, 0, 50], [0, 181, 50], [48.1371, 11.5751, 9.99], [48.1371, 11.5751],
        [48.1371, 11.5751, 50, 1], ["48", "11", "50"], [True, False, 50], [Raw("-0"), Raw("-0.0"), 50], [Raw("1e1"), 11, 50],
        [Raw("4.81371E1"), Raw("1157510e-5"), Raw("1e2")], [48.1371, 11.5751, None], [90, 180, 100_000], {"lat": 1},
    ]  # fmt: skip
    draft.key.claims["geo"] = near if rng.random() < 0.6 else rng.choice(bad)
    draft.context["car"]["position"] = rng.choice(
        [None, [48.1371, 11.5751], [48.1371, 11.5751], [-48.1, 179.9]]
    )


def written_otherwise(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    seed = rng.random()

    def change(text: str) -> str | bytes:
        own = Random(seed)
        match own.randrange(6):
            case 0:
                return spaced(own, text, own.choice([" ", "\n\t", "\r\n  ", "\u00a0", "\x0b", "\u2028"]))
            case 1 | 2:
                return escaped(own, text)
            case 3:
                return twin(own, text)
            case 4:
                return deep(own, text)
            case _:
                return broken(own, text)

    if rng.random() < 0.75:
        token.claims_text = change
    else:
        token.header_text = change


def header(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    match rng.randrange(4):
        case 0:
            token.header["alg"] = rng.choice(
                ["EdDSA", "none", "HS256", "ES256", "Ed25519", "ed25519", "Ed448", "", None, ["Ed25519"]]
            )
        case 1:
            token.header["typ"] = rng.choice(
                ["tl-key+jwt", "tl-pop+jwt", "tl-fresh+jwt", "tl-cmd+jwt", "tl-key+JWT", "JWT", 7, None]
            )
        case 2:
            more = {"crit": ["b64"], "b64": True, "jku": "https://a.example", "x5c": [], "cty": "JWT", "kid": STRANGER.kid,
                    "jwk": dict(PHONE.jwk), "zip": "DEF", "__proto__": {}, "Alg": "Ed25519"}  # fmt: skip
            name = rng.choice(sorted(more))
            token.header[name] = more[name]
        case _:
            token.header.pop(rng.choice(["alg", "typ", "kid", "jwk"]), None)


def signer(draft: Draft, rng: Random) -> None:
    token = a_token(draft, rng)
    other = rng.choice([STRANGER, COMMAND, LOG, FRESH, ISSUER, DATED, PHONE, OTHER_PHONE])
    if rng.random() < 0.6 or "kid" not in token.header:
        token.signer = other
    if rng.random() < 0.7 and "kid" in token.header:
        token.header["kid"] = rng.choice([other.kid, other.kid, "A" * 43, "", 7, None, other.kid + "="])


def phone(draft: Draft, rng: Random) -> None:
    jwk: dict[str, Any] = dict(PHONE.jwk)
    match rng.randrange(8):
        case 0:
            draft.proof.signer = OTHER_PHONE
            jwk = dict(OTHER_PHONE.jwk)
        case 1:
            jwk |= {rng.choice(["d", "alg", "use", "kid", "ext"]): "A" * 43}
        case 2:
            jwk["x"], jwk["y"] = jwk["y"], jwk["x"]
        case 3:
            beyond = int.from_bytes(unb64(jwk["y"]), "big") ^ 1
            jwk["y"] = b64(rng.choice([beyond, P256, 2**256 - 1, 0]).to_bytes(32, "big"))
        case 4:
            jwk[rng.choice(["kty", "crv", "x", "y"])] = rng.choice(
                ["RSA", "OKP", "P-384", "p-256", "", None, 7, "A" * 42, "A" * 43]
            )
        case 5:
            last = ALPHABET.index(jwk["x"][-1])
            jwk["x"] = jwk["x"][:-1] + ALPHABET[last ^ rng.randint(1, 3)]
        case 6:
            jwk.pop(rng.choice(["kty", "crv", "x", "y"]))
        case _:
            draft.key.claims["cnf"] = rng.choice(
                [{"jkt": OTHER_PHONE.kid}, {"jkt": PHONE.kid, "jwk": {}}, {}, {"jkt": PHONE.kid[:-1]}]
            )
            return
    draft.proof.header["jwk"] = jwk
    if (
        rng.random() < 0.7 and {"kty", "crv", "x"} <= jwk.keys()
    ):  # then it is no other device's: is it a key at all?
        named = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
        draft.key.claims["cnf"] = {"jkt": sha256_b64(dump(named).encode())}


def encoding(draft: Draft, rng: Random) -> None:
    seed = rng.random()

    def change(token: str) -> str:
        own = Random(seed)
        at = own.randrange(len(token))
        parts = token.split(".")
        which = own.randrange(3)
        part = parts[which]
        if part:
            loose = (
                part[:-1]
                + ALPHABET[(ALPHABET.index(part[-1]) if part[-1] in ALPHABET else 0) ^ own.randint(1, 15)]
            )
            loosened = ".".join([*parts[:which], loose, *parts[which + 1 :]])
        else:
            loosened = token
        return own.choice(
            [
                token + "=", token + "==", loosened, loosened, token[:at] + own.choice(ALPHABET) + token[at + 1 :],
                token[:at] + token[at + 1 :], token[:at] + own.choice("+/ .=\n\u00e9\uff21\x00") + token[at:], token + "\n",
                " " + token, token + ".", "." + token, ".".join(parts[:2]), ".".join([*parts[:2], ""]), token.swapcase(), "",
                token * 4, "A" * 2048, f"..{parts[2]}", token.replace("-", "+").replace("_", "/"),
            ]
        )  # fmt: skip

    a_token(draft, rng).compact = change


def another_object(draft: Draft, rng: Random) -> None:
    """A well signed object in another's place."""
    first, second = a_token(draft, rng), a_token(draft, rng)
    seen = second.made()
    first.compact = lambda _: seen


def large(draft: Draft, rng: Random) -> None:
    """Around the greatest size, with white space, which changes no claim."""
    token = a_token(draft, rng)
    most = 2048 if token is not draft.kept and token is not draft.fresh else 4096
    token.claims_text = lambda text: (
        text + " " * max(0, (most - 300 - len(text) * 4 // 3) * 3 // 4 + rng.randint(0, 120))
    )
