"""A mail's text stands in its file as it is read: a link can be copied from it."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from spine.ids import PersonId
from webhooks.mail import Letter, Link, Mail

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
URL = "http://127.0.0.1:8080/decide#" + "a" * 120


class Kept:
    """A door that keeps what goes through it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def deliver(self, mail: EmailMessage, name: str) -> int | None:
        self.mails.append(mail)
        return None


async def mint(link: Link) -> str:
    return URL


async def written(*paragraphs: str) -> bytes:
    door = Kept()
    link = Link("Look and answer", "decide", PersonId("per_5aaaaaaaaaaaaaaa"), {}, NOW + timedelta(hours=1))
    letter = Letter("zoe@example.com", "May they?", paragraphs, link)
    await Mail(door, mint, sender="Trunkline <no-reply@example.org>").send(letter, "msg_1", now=NOW)
    return bytes(door.mails[0])


async def test_a_link_stands_unbroken_in_the_file() -> None:
    assert (await written("The courier is Sam.")).count(URL.encode()) == 2


@pytest.mark.parametrize("paragraph", ["The courier is Zoë.", "x" * 1200])
async def test_what_mail_does_not_carry_plainly_is_encoded(paragraph: str) -> None:
    assert max(map(len, (await written(paragraph)).splitlines())) <= 998
