"""``trunkline owner software-key | approve``: an owner with a passkey in a file, for trials without a browser."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from trunkline.commands.exchange import AsJson, say, show

SoftwareKeyFile = Annotated[
    Path,
    typer.Option("--with-software-key", help="File of a software key: for trials, never for a real car."),
]


def register(owners: typer.Typer) -> None:
    """Add the commands."""
    owners.command("software-key")(software_key)
    owners.command("approve")(approve)


def software_key(
    file: Annotated[Path, typer.Argument(help="Where the private key is kept (mode 0600); must be new.")],
    url: Annotated[
        str, typer.Option(help="Address of the pages; default: this installation's public_url.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a passkey in a file (for trials) and print what `trunkline unit pair-owner` takes."""
    from keys.car.jws import Unacceptable
    from keys.car.owner_keys import PairedKey
    from trunkline.settings import Settings
    from trunkline.software_key import SoftwareKey

    parts = urlsplit(url or Settings().public_url)
    made = SoftwareKey.draw(origin=f"{parts.scheme}://{parts.netloc}", rp_id=parts.hostname or "")
    try:
        PairedKey.of(made.pairing())
    except Unacceptable as cause:
        raise typer.BadParameter(
            "a passkey belongs to a domain's pages over https, or to http://localhost: give --url"
        ) from cause
    made.save(file)
    show(made.pairing(), as_json=as_json)


def approve(
    link: Annotated[str, typer.Argument(help="The link of the question's mail.")],
    key: SoftwareKeyFile,
    as_json: AsJson = False,
) -> None:
    """Say yes to a question as its owner would on its page, signing with a software key where the car wants it."""
    show(asyncio.run(_approve(link, key)), as_json=as_json)


async def _approve(link: str, file: Path) -> Any:
    from keys.car.jwk import unb64
    from trunkline.play import Api
    from trunkline.software_key import SoftwareKey

    parts, key = urlsplit(link), SoftwareKey.load(file)
    if not parts.netloc or not parts.fragment:
        raise typer.BadParameter("not the link of a question's mail")
    async with Api(f"{parts.scheme}://{parts.netloc}") as api:
        asked = await api.call("POST", "/v1/questions/open", {"token": parts.fragment})
        answer = {"token": parts.fragment, "decision": "approve", "shown": asked["shown"]}
        if "sign" in asked["content"]:
            answer["own"] = key.assertion(unb64(asked["content"]["sign"]["challenge"]))
        else:
            say("this car wants no signature of a passkey: none was made")
        return await api.call("POST", "/v1/questions/decide", answer)
