"""``trunkline owner passkey``: a person's passkey in a file, registered and used over the API without a browser."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show
from trunkline.commands.owner_keys import SoftwareKeyFile

app = typer.Typer(no_args_is_help=True, help="Passkeys in files, for trials: register one, show it, sign in.")

SessionFile = Annotated[
    Path,
    typer.Option(
        "--session", help="File with the answer of /v1/session, or only its token; never an argument."
    ),
]


def register(owners: typer.Typer) -> None:
    """Add the commands."""
    owners.add_typer(app, name="passkey")


@app.command("register")
def keep(
    session: SessionFile,
    key: SoftwareKeyFile,
    name: Annotated[str, typer.Option(help="What the person calls it.")] = "Software key",
    as_json: AsJson = False,
) -> None:
    """Register a software key as a passkey of the person in the session."""

    async def work(api: Any, hand: Any) -> Any:
        token = _token(session)
        begun = await api.call("POST", "/v1/me/passkeys/options", token=token)
        answer = {"name": name, "credential": hand.registration(_challenge(begun))}
        return await api.call("POST", "/v1/me/passkeys", answer, token=token)

    show(asyncio.run(_over_the_api(key, work)), as_json=as_json)


@app.command("prove")
def prove(session: SessionFile, key: SoftwareKeyFile, as_json: AsJson = False) -> None:
    """Show the passkey in the session: for some minutes it may do what asks for one."""

    async def work(api: Any, hand: Any) -> Any:
        token = _token(session)
        begun = await api.call("POST", "/v1/session/passkey/options", token=token)
        answer = {"credential": hand.answer(_challenge(begun))}
        return await api.call("POST", "/v1/session/passkey", answer, token=token)

    show(asyncio.run(_over_the_api(key, work)), as_json=as_json)


@app.command("sign-in")
def sign_in(
    person: Annotated[str, typer.Argument(help="Id of the person whose passkey it is (per_...).")],
    key: SoftwareKeyFile,
    as_json: AsJson = False,
) -> None:
    """Sign in with the passkey alone and print the session: keep it in a file of mode 0600."""

    async def work(api: Any, hand: Any) -> Any:
        begun = await api.call("POST", "/v1/sign-in/passkey/options")
        answer = {"credential": hand.answer(_challenge(begun), person=person)}
        return await api.call("POST", "/v1/sign-in/passkey", answer)

    show(asyncio.run(_over_the_api(key, work)), as_json=as_json)


async def _over_the_api(file: Path, work: Any) -> Any:
    """Talk to the place whose pages the key belongs to."""
    from trunkline.play import Api
    from trunkline.software_key import SoftwareKey

    hand = SoftwareKey.load(file)
    async with Api(hand.origin) as api:
        return await work(api, hand)


def _challenge(begun: dict[str, Any]) -> bytes:
    from keys.car.jwk import unb64

    return unb64(begun["options"]["challenge"])


def _token(file: Path) -> str:
    text = file.read_text("utf-8").strip()
    if text.startswith("{"):
        return str(json.loads(text)["token"])
    return text
