"""Both transports against receivers that misbehave; and what the sender itself promises, on real sockets."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests import far_ends
from tests.far_ends import BODY, FAR_ENDS, HEADERS, OK, TRANSPORTS, WITHIN, Certificates, FarEnd, says
from tests.service.conftest import until
from webhooks.answer import NoAnswer
from webhooks.guard import Guard
from webhooks.sender import HttpSender

both = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@both
@pytest.mark.parametrize("far", FAR_ENDS, ids=lambda far: far.name)
async def test_a_far_end(far: FarEnd, transport: str, certificates: Certificates, tmp_path: Path) -> None:
    answers, seen = await far_ends.post(far, transport, certificates, str(tmp_path))
    assert far_ends.fine(far, answers, seen) == ""


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_far_ends_on_the_loop_of_the_product(
    transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    """The processes run on uvloop, whose sockets and TLS are its own."""

    async def all_at_once() -> list[str]:
        async def one(number: int, far: FarEnd) -> str:
            folder = tmp_path / str(number)
            folder.mkdir()
            wrong = far_ends.fine(far, *await far_ends.post(far, transport, certificates, str(folder)))
            return f"{far.name}: {wrong}" if wrong else ""

        return await asyncio.gather(*(one(*each) for each in enumerate(FAR_ENDS)))

    found = await asyncio.to_thread(uvloop.run, all_at_once())
    assert [each for each in found if each] == []


@both
async def test_nobody_listens_or_nobody_is_called_so(transport: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        async with HttpSender(far_ends.limits(transport), Guard(dev=True), lookup=_unknown) as sender:
            refused = await sender.post(closed, HEADERS, BODY, within=WITHIN)
            unknown = await sender.post("http://shop.example/", HEADERS, BODY, within=WITHIN)
    assert refused.none is NoAnswer.CONNECT
    assert unknown.none is NoAnswer.NAME


async def _unknown(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
    raise socket.gaierror(socket.EAI_NONAME, "no such name")


@both
@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://shop.example/",
        "https://shop.example:25/",
        "http://shop.example/",
        "https://user:pass@shop.example/",
        "file:///etc/passwd",
    ],
)
async def test_no_socket_is_made_to_what_the_guard_refuses(transport: str, url: str) -> None:
    made: list[Any] = []

    class Counting(Guard):
        def make_socket(self, info: Any) -> socket.socket:
            made.append(super().make_socket(info))
            return made[-1]  # type: ignore[no-any-return]

    async def inside(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, "192.168.1.1"), (socket.AF_INET6, "fd00::1")]

    async with HttpSender(far_ends.limits(transport), Counting(), lookup=inside) as sender:
        answer = await sender.post(url, HEADERS, BODY, within=WITHIN)
    assert (answer.none, answer.status, made) == (NoAnswer.BLOCKED, None, [])


@both
async def test_a_name_may_have_one_good_address_among_bad_ones(
    transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    async def several(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, "10.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]

    async with (
        far_ends.listening(FarEnd("", says(OK)), certificates, str(tmp_path)) as (url, _),
        HttpSender(far_ends.limits(transport), Guard(dev=True), lookup=several) as sender,
    ):
        answer = await sender.post(url.replace("127.0.0.1", "shop.example"), HEADERS, BODY, within=WITHIN)
    assert answer.accepted
    assert answer.dns_ms is not None
    assert answer.connect_ms is not None
    assert not answer.reused


@both
@pytest.mark.parametrize("name", ["x-a", "x-b\r\nx-evil"])
async def test_a_header_never_ends_its_line(
    transport: str, name: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        far_ends.listening(FarEnd("", says(OK)), certificates, str(tmp_path)) as (url, seen),
        HttpSender(far_ends.limits(transport), Guard(dev=True)) as sender,
    ):
        answer = await sender.post(url, {name: "1\r\nx-evil: 2"}, BODY, within=WITHIN)
    assert answer.none is NoAnswer.BROKEN
    assert seen.requests == 0


@both
async def test_connections_are_kept_and_counted(
    transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    limits = far_ends.limits(transport).model_copy(update={"idle_connections": 4})
    async with (
        far_ends.listening(FarEnd("", says(OK, wait=0.05)), certificates, str(tmp_path)) as (url, seen),
        HttpSender(limits, Guard(dev=True)) as sender,
    ):
        for _ in range(3):
            answers = await asyncio.gather(
                *(sender.post(url, HEADERS, BODY, within=WITHIN) for _ in range(4))
            )
            assert all(each.accepted for each in answers)
        assert (sender.posts, sender.reused, seen.connections) == (12, 8, 4)


@both
async def test_a_connection_that_nobody_needs_is_given_up(
    transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    limits = far_ends.limits(transport).model_copy(update={"idle_for": timedelta(milliseconds=150)})
    async with (
        far_ends.listening(FarEnd("", says(OK)), certificates, str(tmp_path)) as (url, seen),
        HttpSender(limits, Guard(dev=True)) as sender,
    ):
        assert (await sender.post(url, HEADERS, BODY, within=WITHIN)).accepted
        assert seen.connections == 1
        await until(lambda: seen.open == 0)
        assert not (await sender.post(url, HEADERS, BODY, within=WITHIN)).reused


async def test_no_more_connections_are_kept_than_allowed(certificates: Certificates, tmp_path: Path) -> None:
    limits = far_ends.limits("sockets").model_copy(update={"idle_connections": 2})
    async with (
        far_ends.listening(FarEnd("", says(OK, wait=0.05)), certificates, str(tmp_path)) as (url, seen),
        HttpSender(limits, Guard(dev=True)) as sender,
    ):
        for _ in range(2):
            await asyncio.gather(*(sender.post(url, HEADERS, BODY, within=WITHIN) for _ in range(6)))
    assert (sender.reused, seen.connections) == (2, 10)


@both
async def test_a_try_that_is_cancelled_leaves_no_half_answer_to_the_next(
    transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    """The connection of a try that was given up is never used again: its late answer would be another's."""
    slow = FarEnd("", says(OK, wait=0.4))
    async with (
        far_ends.listening(slow, certificates, str(tmp_path)) as (url, seen),
        HttpSender(far_ends.limits(transport), Guard(dev=True)) as sender,
    ):
        assert (await sender.post(url, HEADERS, BODY, within=WITHIN)).accepted
        late = await sender.post(url, HEADERS, BODY, within=0.03)
        assert (late.none, late.reused) == (NoAnswer.TIMEOUT, True)
        trying = asyncio.create_task(sender.post(url, HEADERS, BODY, within=WITHIN))
        await asyncio.sleep(0)
        trying.cancel()
        await asyncio.wait([trying])
        assert trying.cancelled()
        last = await sender.post(url, HEADERS, BODY, within=WITHIN)
        assert (last.accepted, last.reused) == (True, False)
        assert seen.connections in (2, 3)
