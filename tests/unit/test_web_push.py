"""Web push on the wire: RFC 8291's own example byte for byte, http_ece as a second reader, and what is refused."""

import json
import os
import struct
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from webhooks.answer import Answer
from webhooks.attempts import Outcome, Result
from webhooks.health import Seen
from webhooks.mail import Letter
from webhooks.web_push import (
    PAYLOAD_MOST,
    Subscription,
    SubscriptionRefused,
    b64,
    origin_of,
    point_of,
    read_subscription,
    seal,
    topic_of,
    vouched,
)
from webhooks.web_push_notice import Notice, payload
from webhooks.web_push_pages import MANIFEST
from webhooks.web_push_sending import GONE, push_result

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
ENDPOINT = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


class Browser:
    """A browser's half of it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.p256dh = point_of(self.key.public_key())

    def subscription(self, endpoint: str = ENDPOINT) -> Subscription:
        return read_subscription(endpoint, b64(self.p256dh), b64(self.auth))

    def opened(self, body: bytes) -> bytes:
        found = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return bytes(found)


def unb64(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_example_of_rfc_8291_appendix_a_byte_for_byte() -> None:
    private = unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
    body = seal(
        b"When I grow up, I want to be a watermelon",
        read_subscription(ENDPOINT, P256DH, AUTH),
        key=key,
        salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert b64(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBr"
        "u3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("size", [0, 1, 41, PAYLOAD_MOST])
def test_a_second_reader_opens_what_we_seal(size: int) -> None:
    browser, plain = Browser(), os.urandom(size)
    body = seal(plain, browser.subscription())
    assert browser.opened(body) == plain
    assert len(body) <= 4_096
    assert struct.unpack("!IB", body[16:21]) == (4_096, 65)
    assert seal(plain, browser.subscription())[:86] != body[:86], "salt and key are drawn anew each time"
    with pytest.raises(http_ece.ECEException):
        Browser().opened(body)


def test_what_a_second_writer_seals_has_our_shape() -> None:
    browser, sender = Browser(), ec.generate_private_key(ec.SECP256R1())
    salt = os.urandom(16)
    theirs = http_ece.encrypt(
        b"the same",
        private_key=sender,
        dh=browser.p256dh,
        auth_secret=browser.auth,
        salt=salt,
        version="aes128gcm",
    )
    assert bytes(theirs) == seal(b"the same", browser.subscription(), key=sender, salt=salt)


def test_more_than_a_push_service_takes_is_never_sealed() -> None:
    with pytest.raises(ValueError, match="3993"):
        seal(b"x" * (PAYLOAD_MOST + 1), Browser().subscription())


_FLIPPED = bytearray(unb64(P256DH))
_FLIPPED[-1] ^= 1


@pytest.mark.parametrize(
    ("endpoint", "p256dh", "auth"),
    [
        ("", P256DH, AUTH),
        ("https://push.example/" + "a" * 2_048, P256DH, AUTH),
        (ENDPOINT, P256DH + "=", AUTH),
        (ENDPOINT, P256DH[:-1], AUTH),
        (ENDPOINT, P256DH[:-1] + "5", AUTH),  # the same bytes in another spelling
        (ENDPOINT, P256DH.replace("_", "/"), AUTH),
        (ENDPOINT, b64(bytes(_FLIPPED)), AUTH),  # beside the curve
        (ENDPOINT, b64(b"\x04" + bytes(64)), AUTH),
        (ENDPOINT, b64(b"\x02" + unb64(P256DH)[1:]), AUTH),
        (ENDPOINT, b64(b"\x04" + b"\xff" * 64), AUTH),
        (ENDPOINT, "é" * 87, AUTH),
        (ENDPOINT, P256DH, b64(b"a" * 15)),
        (ENDPOINT, P256DH, b64(b"a" * 17)),
        (ENDPOINT, P256DH, AUTH + "\n"),
    ],
)
def test_what_no_browser_gives_is_refused(endpoint: str, p256dh: str, auth: str) -> None:
    with pytest.raises(SubscriptionRefused):
        read_subscription(endpoint, p256dh, auth)


def test_who_sends_is_said_to_this_push_service_alone_and_for_a_day_at_most() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    said = vouched(ENDPOINT, key, "mailto:ops@example.org", now=NOW, life=timedelta(days=3))
    token, public = (part.split("=", 1)[1] for part in said.removeprefix("vapid ").split(", "))
    assert unb64(public) == point_of(key.public_key())
    claims = jwt.decode(
        token,
        key.public_key(),
        algorithms=["ES256"],
        audience="https://push.example.net",
        options={"verify_exp": False},
    )
    assert claims == {
        "aud": "https://push.example.net",
        "exp": int((NOW + timedelta(hours=24)).timestamp()),
        "sub": "mailto:ops@example.org",
    }


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Push.Example.NET:443/a?b#c", "https://push.example.net"),
        ("https://push.example.net:8443/a", "https://push.example.net:8443"),
        ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_in_one_way(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_a_topic_tells_nothing_and_differs_by_device() -> None:
    one = topic_of("psh_5aaaaaaaaaaaaaaa", "dlv_7k3m9qxd4hwe2a5t")
    assert len(one) == 32
    assert one == topic_of("psh_5aaaaaaaaaaaaaaa", "dlv_7k3m9qxd4hwe2a5t")
    assert one != topic_of("psh_5bbbbbbbbbbbbbbb", "dlv_7k3m9qxd4hwe2a5t")
    assert "dlv" not in one


def test_whatever_a_name_holds_it_fits_in_one_message_and_in_two_lines() -> None:
    for odd in (
        "\N{MAN}" * 5_000,
        '"\\' * 5_000,
        "\x00\x1b\u2028" * 5_000,
        "a b\n\tc " * 5_000,
        "\ud800" * 900,
    ):
        raw = payload(odd, [odd, odd], Notice("/deliveries/x", "dlv_x"), at=NOW, language="en")
        assert len(raw) <= PAYLOAD_MOST
        said = json.loads(raw)
        assert all(each.isprintable() for each in said["title"] + said["body"])
    with pytest.raises(ValueError, match="page of ours"):
        payload("a", [], Notice("//elsewhere.example", "x"), at=NOW, language="en")


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (404, Outcome.HOPELESS, GONE),
        (410, Outcome.HOPELESS, GONE),
        (400, Outcome.HOPELESS, "status"),
        (413, Outcome.HOPELESS, "status"),
        (201, Outcome.ACCEPTED, ""),
        (403, Outcome.FAILED, "status"),
        (429, Outcome.FAILED, "status"),
        (503, Outcome.FAILED, "status"),
    ],
)
def test_what_a_push_service_says(status: int, outcome: Outcome, reason: str) -> None:
    def otherwise(answer: Answer) -> Result:
        assert answer.control is None, "a word of webhooks is none of push services"
        return Result(
            Outcome.ACCEPTED if answer.accepted else Outcome.FAILED, "" if answer.accepted else "status"
        )

    found = push_result(Answer(3, status, control="disable"), otherwise)
    assert (found.outcome, found.reason) == (outcome, reason)
    assert found.seen is not Seen.GONE


def test_secrets_do_not_print_themselves() -> None:
    browser = Browser()
    shown = repr(browser.subscription()) + repr(Letter("", "a", [], push=Notice("/", "x")))
    assert ENDPOINT not in shown
    assert str(browser.auth) not in shown


def test_every_icon_of_the_manifest_is_there_in_its_size() -> None:
    for icon in MANIFEST["icons"]:
        raw = files("trunkline").joinpath(icon["src"].removeprefix("/")).read_bytes()
        if icon["type"] == "image/png":
            assert struct.unpack("!II", raw[16:24]) == tuple(map(int, icon["sizes"].split("x")))
