"""``trunkline courier open | bring``: a phone at a car over the local link, and its receipts to the service."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.commands.exchange import AsJson, say, show

if TYPE_CHECKING:
    from keys.car.jws import SigningKey
    from trunkline.link_phone import LinkPhone

DeviceKey = Annotated[Path, typer.Option("--device-key", help="File of the device's ES256 private key.")]
Service = Annotated[
    str, typer.Option("--api", help="Address of the service; empty: the phone has no network.")
]
CourierName = Annotated[str, typer.Option("--courier", help="Id of the courier, cou_...; needed with --api.")]
DeliveryName = Annotated[
    str, typer.Option("--delivery", help="Id of the delivery; default: the key names it.")
]


def register(couriers: typer.Typer) -> None:
    """Add the commands."""
    couriers.command("open")(open_)
    couriers.command("bring")(bring)


def open_(  # noqa: PLR0917 - each is an option of the command line
    link: Annotated[str, typer.Option(help="HOST:PORT where the car listens for phones.")],
    key_file: Annotated[Path, typer.Option(help="File with the delivery key, as the service gave it.")],
    device_key: DeviceKey,
    api: Service = "",
    delivery: DeliveryName = "",
    courier: CourierName = "",
    receipts: Annotated[
        Path | None, typer.Option(help="Where the car's receipts are kept; default: beside the key.")
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to stay until the boot is locked again.", min=0, max=600)
    ] = 180,
    as_json: AsJson = False,
) -> None:
    """Open the car over its local link. Exit 1 where the car says no, 2 where it cannot be known."""
    from spine.clock import SystemClock
    from trunkline.link_phone import (
        MAY_HAVE_OPENED,
        WORDS,
        LinkPhone,
        PerhapsOpened,
        device_of,
        keep_receipts,
        key_of,
    )

    host, port = _address(link)
    token, named = key_of(key_file)
    if delivery not in {"", named.dlv}:
        raise typer.BadParameter(f"the key is for {named.dlv}", param_hint="--delivery")
    device = device_of(device_key)
    _needs_courier(api, courier)

    async def fresh(challenge: str) -> str | None:
        return await _fresh(api, courier, device, named.dlv, challenge)

    async def bundle() -> tuple[str, ...] | None:
        return await _bundle(api, courier, device)

    phone = LinkPhone(token, device, SystemClock(), fresh, bundle, timedelta(seconds=wait))
    file = receipts or key_file.with_suffix(".receipts.json")
    kept: tuple[str, ...] = ()

    def keep(new: Sequence[str]) -> None:
        nonlocal kept
        kept = keep_receipts(file, named.dlv, new)

    code = asyncio.run(_open(phone, host, port, keep))
    told = asyncio.run(_brought(api, courier, device, named.dlv, kept)) if kept and api else None
    if kept and told is None:
        say(f"The service does not know yet: bring {file} when there is network (trunkline courier bring).")
    if code == MAY_HAVE_OPENED:
        raise PerhapsOpened(WORDS[code])
    document = {
        "outcome": "refused" if code else "opened",
        "code": code,
        "delivery": named.dlv,
        "receipts": len(kept),
        "file": str(file) if kept else None,
        "brought": told is not None,
    }
    show(document, as_json=as_json)
    if code:
        raise typer.Exit(1)


def bring(
    receipts: Annotated[Path, typer.Argument(help="The file that `trunkline courier open` wrote.")],
    device_key: DeviceKey,
    api: Service,
    courier: CourierName,
    as_json: AsJson = False,
) -> None:
    """Bring a car's receipts to the service; again changes nothing. Exit 1 where it does not take them."""
    from trunkline.link_phone import device_of, kept_receipts

    delivery, kept = kept_receipts(receipts)
    new = asyncio.run(_brought(api, courier, device_of(device_key), delivery, kept))
    if new is None:
        raise typer.Exit(1)
    show({"delivery": delivery, "receipts": len(kept), "new": new}, as_json=as_json)


async def _open(phone: "LinkPhone", host: str, port: int, keep: Callable[[Sequence[str]], None]) -> str:
    """Tap, tell at once what came of it, then keep what the car says until it is shut again."""
    from trunkline.link_phone import WORDS, UnitLink

    async with UnitLink.to(host, port, patience=timedelta(seconds=10)) as link:
        code = await phone.open(link)
        say(WORDS.get(code, code) if code else "The boot is open.")
        async for new in phone.receipts(link, until_shut=not code):
            keep(new)
    return code


async def _fresh(api: str, courier: str, device: "SigningKey", delivery: str, challenge: str) -> str | None:
    """News for the challenge, None without network: then the car decides with what it knows."""
    if not api:
        say("The car asks for news of the service, and there is no --api to get it from.")
        return None
    from trunkline.link_api import NoNetwork, PhoneApi

    try:
        return await PhoneApi(api, courier, device).fresh(delivery, challenge)
    except NoNetwork as cause:
        say(f"The car asks for news of the service: {cause}")
        return None


async def _bundle(api: str, courier: str, device: "SigningKey") -> tuple[str, ...] | None:
    """The newest trust bundle, None without network or where the service has none."""
    if not api:
        return None
    from trunkline.link_api import NoNetwork, PhoneApi

    try:
        return await PhoneApi(api, courier, device).bundle()
    except NoNetwork:
        return None


async def _brought(
    api: str, courier: str, device: "SigningKey", delivery: str, kept: tuple[str, ...]
) -> int | None:
    """How many were new to the service; None where it does not take them now."""
    from trunkline.link_api import NoNetwork, PhoneApi

    try:
        return await PhoneApi(api, courier, device).bring(delivery, kept)
    except NoNetwork as cause:
        say(f"The receipts were not taken: {cause}")
        return None


def _needs_courier(api: str, courier: str) -> None:
    if api and not courier:
        raise typer.BadParameter("--api needs the courier's id", param_hint="--courier")


def _address(link: str) -> tuple[str, int]:
    host, _, port = link.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise typer.BadParameter("HOST:PORT is needed", param_hint="--link")
    return host.strip("[]"), int(port)
