"""A courier's phone on the local link: greet the car, sign its challenge, present the key, keep the car's receipts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.car import local
from keys.car.claims import KeyClaims
from keys.car.frames import BrokenStream, Frames, TooLong
from keys.car.jws import KEY, RECEIPT, SigningKey, Unacceptable, read
from keys.car.local import Malformed, Said
from keys.car.proof import make_proof
from spine.clock import Clock
from spine.problems import Kind, Problem
from vehicle_unit.disk import FolderDisk

_PIECE: Final = 4_096
_MOST: Final = 64
"""Receipts taken from a car at most: what calls itself a car may not be one."""
_OLD_TRUST: Final = frozenset({"refused", "stale_trust"})
_SHUT: Final = frozenset({"locked", "not_lifted"})
_LOOK_AGAIN: Final = timedelta(seconds=1)

MAY_HAVE_OPENED: Final = "may_have_opened"
WORDS: Final = {
    "busy": "The car is busy; wait a moment and try again.",
    "refused": "The car did not take this key; perhaps it is another car.",
    "stale_trust": "The car has not heard for too long which keys were taken back, and neither you nor it has "
    "network. Go where your phone has network and try again, or use the fallback of this delivery.",
    "clock_untrusted": "The car does not know the time, and your phone has no network to tell it. Go where your "
    "phone has network and try again, or use the fallback of this delivery.",
    "too_early": "This key is not good yet.",
    "expired": "This key is over.",
    "bad_window": "This key is good for too long; the car takes none like it.",
    "revoked": "This key was taken back.",
    "blocked_by_owner": "The owner has blocked deliveries into this car.",
    "already_used": "This key was used before. Its receipts are kept; look at the boot.",
    "owner_signature": "This car asks for its owner's own signature, and the key has none that holds.",
    "not_allowed": "This car does not let a key open that.",
    "vehicle_state": "The car is not parked with ignition off and all doors shut.",
    "wrong_place": "The car does not stand where the owner allowed it.",
    "internal": "The car could not do it. Nothing was opened.",
    MAY_HAVE_OPENED: "The car could not say whether it opened. Look at the boot.",
    "version": "This car speaks another version of the local link.",
}
"""What a courier is told for each code of the car."""


class LinkLost(Problem):
    """The car cannot be reached, or went away before it was asked to open. Nothing was opened."""

    code: ClassVar[str] = "link.lost"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True


class NotThisFile(Exception):
    """A file that holds something else than it is taken for; the message says which."""


class PerhapsOpened(Problem):
    """The key was presented and it is not known what came of it."""

    code: ClassVar[str] = "link.perhaps_opened"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    may_have_happened: ClassVar[bool] = True


class UnitLink:
    """A connection to a unit: one question after the other."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: timedelta
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience.total_seconds()
        self._frames = Frames()
        self._heard: list[bytes] = []

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int, *, patience: timedelta) -> AsyncIterator["UnitLink"]:
        """Connect and greet. ``patience``: for connecting, and for each answer. Raises ``LinkLost``."""
        try:
            async with asyncio.timeout(patience.total_seconds()):
                reader, writer = await asyncio.open_connection(host, port, limit=_PIECE)
        except (OSError, TimeoutError) as cause:
            raise LinkLost(f"no car answers at {host}:{port}") from cause
        link = cls(reader, writer, patience)
        try:
            greeted = await link.ask(local.hello())
            if greeted.ok is None:
                raise LinkLost(WORDS.get(greeted.no, greeted.no))
            yield link
        finally:
            writer.close()

    async def ask(self, frame: bytes) -> Said:
        """The car's answer to one frame. Raises ``LinkLost``."""
        try:
            async with asyncio.timeout(self._patience):
                self._writer.write(frame)
                await self._writer.drain()
                while not self._heard:
                    piece = await self._reader.read(_PIECE)
                    if not piece:
                        raise LinkLost("the car has ended the connection")
                    self._heard += self._frames.feed(piece)
            return local.read_answer(self._heard.pop(0))
        except (OSError, TimeoutError, BrokenStream, Malformed) as cause:
            raise LinkLost("the car has gone away, or is none") from cause


@dataclass
class LinkPhone:
    """A phone with a key and the device key that it is for.

    ``fresh``: fetches the key service's news for a challenge, None where that cannot be; it is called only
    where the car asks for it. ``bundle``: fetches the newest trust bundle, None where that cannot be; called
    only where the car does not know the key's signer, or wants newer trust. ``wait``: how long to stay for the
    receipts until the boot is locked again.
    """

    key: str = field(repr=False)
    device: SigningKey
    clock: Clock
    fresh: Callable[[str], Awaitable[str | None]]
    bundle: Callable[[], Awaitable[tuple[str, ...] | None]]
    wait: timedelta

    async def open(self, link: UnitLink) -> str:
        """The tap: the car's code, empty where it opened.

        Where a newer trust bundle may help, the car gets one, and if it took it the key is presented again:
        nothing was opened before. Raises ``LinkLost`` (nothing was opened) or ``PerhapsOpened``.
        """
        code = await self._present(link)
        if code in _OLD_TRUST and (signed := await self.bundle()) and await self._bring(link, signed):
            code = await self._present(link)
        return code

    async def _bring(self, link: UnitLink, signed: tuple[str, ...]) -> bool:
        try:
            said = await link.ask(local.bring_bundle(signed))
        except TooLong:
            return False
        return said.ok is not None and said.ok.get("taken") is True

    async def _present(self, link: UnitLink) -> str:
        asked = await link.ask(local.ask_challenge("phone"))
        if asked.ok is None:
            return asked.no
        challenge = asked.ok.get("challenge")
        if not isinstance(challenge, str):
            raise LinkLost("the car has gone away, or is none")
        news = await self.fresh(challenge) if asked.ok.get("fresh") is True else None
        try:
            frame = local.present(self.key, self._proof(challenge), news)
        except (Unacceptable, ValueError, TooLong) as cause:
            raise LinkLost("this key, or what the car asks to sign, is not what it must be") from cause
        try:
            answer = await link.ask(frame)
        except LinkLost as cause:
            raise PerhapsOpened(
                "The car did not answer. Look at the boot; present the key again to get its receipts."
            ) from cause
        return answer.no

    def _proof(self, challenge: str) -> str:
        """Possession of the device key, for the car and the action that the key names."""
        named = KeyClaims.of(read(self.key, KEY).claims)
        return make_proof(
            self.device,
            key_token=self.key,
            challenge=challenge,
            unit=named.aud,
            act=named.act,
            now=self.clock.now(),
        )

    async def receipts(self, link: UnitLink, *, until_shut: bool) -> AsyncIterator[Sequence[str]]:
        """What the car says of this key, as it comes. A car that has gone away has said what it said before."""
        ends = asyncio.get_running_loop().time() + self.wait.total_seconds()
        after = count = 0
        shut = False
        while count < _MOST:
            try:
                said = await link.ask(local.ask_receipts(after))
            except LinkLost:
                return
            brought = said.ok.get("receipts") if said.ok is not None else None
            new = brought if isinstance(brought, list) else []
            numbers = [n for one in new if (n := number_of(one)) is not None and n > after]
            if len(numbers) != len(new):
                return
            if new:
                yield new
            after, count = max(numbers, default=after), count + len(new)
            shut = shut or any(out_of(one) in _SHUT for one in new)
            if said.ok is not None and said.ok.get("more") is True and new:
                continue
            if not until_shut or shut or asyncio.get_running_loop().time() >= ends:
                return
            await asyncio.sleep(_LOOK_AGAIN.total_seconds())


def number_of(receipt: object) -> int | None:
    """The chain number that a receipt gives itself; None where it is none. The phone cannot verify it."""
    n = _claims(receipt).get("n")
    return n if isinstance(n, int) else None


def out_of(receipt: object) -> str:
    """What a receipt says, unverified."""
    return str(_claims(receipt).get("out", ""))


def _claims(receipt: object) -> dict[str, Any]:
    try:
        return dict(read(receipt, RECEIPT).claims)
    except Unacceptable:
        return {}


def key_of(file: Path) -> tuple[str, KeyClaims]:
    """A delivery key from its file, with what it says. Raises ``NotThisFile`` and ``OSError``."""
    try:
        token = file.read_text("utf-8").strip()
        return token, KeyClaims.of(read(token, KEY).claims)
    except (Unacceptable, UnicodeDecodeError) as cause:
        raise NotThisFile(f"{file} holds no delivery key") from cause


def device_of(file: Path) -> SigningKey:
    """The device key of a PEM file. Raises ``NotThisFile`` and ``OSError``."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError) as cause:
        raise NotThisFile(f"{file} holds no private key") from cause
    if not isinstance(key, EllipticCurvePrivateKey):
        raise NotThisFile(f"{file} is not an ES256 key")
    return SigningKey.of(key)


def keep_receipts(file: Path, delivery: str, receipts: Sequence[str]) -> tuple[str, ...]:
    """Add receipts to the file of a delivery; gives all that it holds now, in the order of the car's chain.

    Raises ``NotThisFile`` where the file is of another delivery, or not of this kind.
    """
    kept = kept_receipts(file)[1] if file.exists() else ()
    if file.exists() and kept_receipts(file)[0] != delivery:
        raise NotThisFile(f"{file} holds receipts of another delivery")
    together = sorted({*kept, *receipts}, key=lambda one: (number_of(one) or 0, one))
    text = json.dumps({"delivery": delivery, "receipts": together}, indent=1) + "\n"
    disk = FolderDisk(file.parent)
    try:
        disk.replace(file.name, text.encode())
    finally:
        disk.close()
    return tuple(together)


def kept_receipts(file: Path) -> tuple[str, tuple[str, ...]]:
    """The delivery and the receipts of a file. Raises ``NotThisFile`` and ``OSError``."""
    try:
        document = json.loads(file.read_text("utf-8"))
        delivery, receipts = document["delivery"], document["receipts"]
    except (KeyError, TypeError, ValueError) as cause:
        raise NotThisFile(f"{file} holds no receipts") from cause
    known = isinstance(delivery, str) and isinstance(receipts, list)
    if not known or not all(isinstance(one, str) for one in receipts):
        raise NotThisFile(f"{file} holds no receipts")
    return delivery, tuple(receipts)
