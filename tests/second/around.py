"""What may be unusual around a presentation: clock, news, bundle, window, car, policy, the owner's passkey."""

from random import Random
from typing import Any

from tests.second.draft import DATED, NOW, OTHER_UNIT, Draft, Raw
from tests.second.wording import broken, escaped, twin


def at_the_edge(draft: Draft, rng: Random) -> None:
    """Half of the time the clock stands so that its bounds are whole seconds, or a millisecond beside them."""
    if rng.random() < 0.5:
        u = rng.choice([0, 1, 1_000, 2_000, 60_000])
        draft.context["clock"] |= {"at": NOW * 1000 + rng.choice([0, 0, u, -u, -1, 1]), "u": u}


def hours(draft: Draft, rng: Random) -> None:
    """The key's times at the very edges of what the clock says."""
    at_the_edge(draft, rng)
    at, u = draft.context["clock"]["at"], draft.context["clock"]["u"]
    claims = draft.key.claims
    match rng.randrange(5):
        case 0:
            claims["nbf"] = (at + u) // 1000 + rng.choice([-1, 0, 1, 2])
            claims["exp"] = claims["nbf"] + rng.choice([1, 600])
        case 1:
            claims["exp"] = (at - u) // 1000 + rng.choice([-1, 0, 1, 2])
            claims["nbf"] = claims["exp"] - rng.choice([1, 600])
        case 2:
            claims["iat"] = (at + u) // 1000 + 60 + rng.choice([-1, 0, 1, 60])
        case 3:
            claims["nbf"] = NOW - 60
            claims["exp"] = claims["nbf"] + rng.choice([21_599, 21_600, 21_601, 0, -1, 86_400])
        case _:
            draft.key.signer, draft.key.header["kid"] = DATED, DATED.kid
            for dated in (one for one in draft.context["trust"]["jwks"]["keys"] if one["kid"] == DATED.kid):
                dated[rng.choice(["nbf", "exp"])] = (at + rng.choice([-u, u])) // 1000 + rng.choice(
                    [-1, 0, 1]
                )


def clock(draft: Draft, rng: Random) -> None:
    draft.context["clock"] = {
        "state": rng.choice(["synced", "synced", "holdover", "unset"]),
        "at": NOW * 1000
        + rng.choice(
            [0, 0, 1, -1, 999, -999, 600_000, -3_600_000, 7_200_000, rng.randint(-3_000_000, 3_000_000)]
        ),
        "u": rng.choice([0, 1, 100, 999, 1000, 59_999, 60_000, 60_001, 3_600_000]),
    }


def news(draft: Draft, rng: Random) -> None:
    """The list that is kept: none, old to the second, over; or news for the challenge, or for another one."""
    at_the_edge(draft, rng)
    clock = draft.context["clock"]
    latest = clock["at"] + clock["u"]
    fra = rng.choice([None, 0, 1, 60, 600, 3_600, 86_399, 86_400])
    if fra is not None:
        draft.key.claims["fra"] = fra
    edge = latest // 1000 - (600 if fra is None else fra)
    match rng.randrange(6):
        case 0:
            draft.kept = None
        case 1 | 2:
            if draft.kept is not None:
                draft.kept.claims["iat"] = edge + rng.choice([-1, 0, 1])
        case 3:
            if draft.kept is not None:
                draft.kept.claims["exp"] = latest // 1000 + rng.choice([-1, 0, 1])
        case 4:
            draft.add_fresh()
        case _:
            draft.add_fresh().claims["nonce"] = rng.choice(["", "A" * 43, "A" * 42, None])


def bundle(draft: Draft, rng: Random) -> None:
    at_the_edge(draft, rng)
    trust, clock = draft.context["trust"], draft.context["clock"]
    trust["version"] = rng.choice([0, 1, 5, 2**53 - 1])
    news = [one for one in (draft.kept, draft.fresh) if one is not None]
    if news and rng.random() < 0.4:
        rng.choice(news).claims["bundle"] = max(0, trust["version"] + rng.choice([-1, 0, 1]))
    if rng.random() < 0.6:
        draft.key.claims["tbv"] = max(0, trust["version"] + rng.choice([-1, 0, 1]))
    trust["expires"] = rng.choice(
        [None, (clock["at"] + clock["u"]) // 1000 + rng.choice([-1, 0, 1, 2]), NOW + 90_000]
    )
    if rng.random() < 0.15:
        clock["state"] = "unset"
    if rng.random() < 0.1:
        trust["jwks"]["keys"] = [one for one in trust["jwks"]["keys"] if one["purpose"] != "key"]


def challenge(draft: Draft, rng: Random) -> None:
    match rng.randrange(4):
        case 0:
            draft.challenge = None
        case 1:
            if draft.challenge is not None:
                draft.challenge["age"] = rng.choice([29.999, 30, 30.001, 3_600])
        case 2:
            draft.proof.claims["nonce"] = rng.choice(["A" * 43, "", "B" * 42])
        case _:
            mine = draft.nonce
            draft.key.claims["cnonce"] = rng.choice([mine, mine, "A" * 43, mine[:-1], mine.lower()])


def meant_for_another(draft: Draft, rng: Random) -> None:
    name, value = rng.choice([("aud", OTHER_UNIT), ("ath", "A" * 43), ("act", "open:trunk+cabin")])
    token = rng.choice([draft.proof, draft.key]) if name != "ath" else draft.proof
    if name == "aud" and rng.random() < 0.5:
        token = draft.add_fresh() if rng.random() < 0.5 or draft.kept is None else draft.kept
    token.claims[name] = value


def window(draft: Draft, rng: Random) -> None:
    floor = rng.choice([0, 1, 50, 300, 2**53 - 300, 2**63, 2**64 - 1])
    bitmap = rng.choice([0, 1, 2**255, 2**256 - 1, rng.getrandbits(256)])
    top = floor + bitmap.bit_length() - 1
    draft.context["window"] = {"floor": str(floor), "bitmap": f"{bitmap:x}"}
    draft.key.claims["seq"] = max(1, rng.choice([floor - 1, floor, floor + 1, floor + 255, floor + 256, top, top + 1,
                                                 top + 65_536, top + 65_537, floor + rng.randint(0, 300)]))  # fmt: skip


def car(draft: Draft, rng: Random) -> None:
    name, value = rng.choice([("parked", False), ("ignition_on", True), ("speed_kmh", 0.1), ("speed_kmh", -0.0), ("doors_shut", False),
                              ("blocked", True), ("position", None)])  # fmt: skip
    draft.context["car"][name] = value


def policy(draft: Draft, rng: Random) -> None:
    name, value = rng.choice([("acts", ["open:trunk", "open:trunk+cabin"]), ("acts", ["open:trunk+cabin"]), ("acts", []),
                              ("longest_window", 60), ("list_age", 30), ("clock_error", 0.05), ("challenge_life", 5)])  # fmt: skip
    draft.context["policy"][name] = value
    if rng.random() < 0.5:
        draft.key.claims["act"] = draft.proof.claims["act"] = "open:trunk+cabin"


def owner(draft: Draft, rng: Random) -> None:
    draft.context["policy"]["require_owner"] = rng.random() < 0.6
    if rng.random() < 0.85:
        draft.owner.kind = rng.choice(["es256", "ed25519", "es256", "ed25519", "unpaired"])


def owner_otherwise(draft: Draft, rng: Random) -> None:
    owner(draft, rng)
    one = draft.owner
    one.kind = one.kind or "es256"
    match rng.randrange(7):
        case 0:
            name = rng.choice(["type", "origin", "crossOrigin", "challenge", "topOrigin"])
            one.client[name] = rng.choice(
                [
                    "webauthn.create",
                    "https://trunkline.example",
                    True,
                    None,
                    "A" * 43,
                    Raw("0"),
                    Raw('"\\ud800"'),
                    [],
                ]
            )
        case 1:
            one.client.pop(rng.choice(["type", "origin", "crossOrigin"]), None)
        case 2:
            flags = rng.choice([0x00, 0x01, 0x04, 0x05, 0x45, 0x1D, 0xFF])
            one.auth = one.auth[:32] + bytes([flags]) + one.auth[33:] + rng.choice([b"", b"\xa0"])
        case 3:
            one.auth = rng.choice([one.auth[:36], one.auth[:37], bytes(37), one.auth[1:] + b"\x00", b"\x00"])
        case 4:
            one.signed_by = rng.choice(["es256", "ed25519", "unpaired"])
        case 5:
            seed = rng.random()
            one.client_text = lambda text: escaped(Random(seed), text) if seed < 0.3 else (
                twin(Random(seed), text) if seed < 0.5 else broken(Random(seed), text))  # fmt: skip
        case _:
            name, seed = rng.choice(["cid", "authData", "clientData", "sig", "extra"]), rng.random()

            def change(own: dict[str, str]) -> dict[str, Any]:
                was = own.get(name, "")
                made = [
                    was + "A",
                    was[:-1],
                    was + "=",
                    "",
                    "A" * 700,
                    "A" * 701,
                    None,
                    7,
                    was.swapcase(),
                    "AB",
                ]
                return {**own, name: Random(seed).choice(made)}

            one.compact = change
