"""``trunkline carrier | courier | owner``: enrol and freeze carriers, and sign what their programs and devices sign."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import DRAWN, AsJson, read_document, show

if TYPE_CHECKING:
    from trunkline.desk import Desk

carriers = typer.Typer(help="Carriers: enrol, freeze; sign as one.", no_args_is_help=True)
couriers = typer.Typer(help="Sign as a courier's device.", no_args_is_help=True)
owners = typer.Typer(help="Owners: show, erase.", no_args_is_help=True)

CarrierName = Annotated[str, typer.Argument(help="Id of the carrier, car_...")]
CourierName = Annotated[str, typer.Argument(help="Id of the courier, cou_...")]
PersonName = Annotated[str, typer.Argument(help="Id of the person, per_...")]
NewKeyFile = Annotated[
    Path, typer.Argument(help="Where the private key is kept (mode 0600); one that is there stays.")
]
KeyFile = Annotated[Path, typer.Option("--key", help="File of the ES256 private key.")]
Url = Annotated[str, typer.Option(help="Address of the API; default: this installation's public_url.")]


def _run(work: "Callable[[Desk], Awaitable[Any]]", *, as_json: bool) -> None:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    show(asyncio.run(inside()), as_json=as_json)


def _url(given: str) -> str:
    from trunkline.settings import Settings

    return given or Settings().public_url


@carriers.command("key")
def carrier_key(file: NewKeyFile, as_json: AsJson = False) -> None:
    """Make the carrier's own signing key (its program's, for `private_key_jwt`) and print the public JWK."""
    from trunkline.devices import make_key

    show(make_key(file), as_json=as_json)


@carriers.command("enrol")
def carrier_enrol(
    name: Annotated[str, typer.Argument(help="What owners read.")],
    public_jwk: Annotated[
        str, typer.Option(help="Public JWK of its signing key, a file or -: allows it to enrol couriers.")
    ] = "",
    test: Annotated[
        bool, typer.Option("--test", help="A test carrier: livemode false, test addresses only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enrol a carrier; the secret is printed here and never again."""
    jwk: Any = read_document(public_jwk) if public_jwk else None

    async def work(desk: "Desk") -> dict[str, str]:
        from people.carriers import Carriers

        made = await Carriers(desk.store, desk.settings.people).enrol(
            name, public_jwk=jwk, livemode=not test, now=desk.clock.now()
        )
        return {"client_id": made.client_id, "client_secret": made.client_secret}

    _run(work, as_json=as_json)


@carriers.command("freeze")
def carrier_freeze(carrier: CarrierName, as_json: AsJson = False) -> None:
    """Revoke a carrier's tokens, rules and live keys in one step."""

    async def work(desk: "Desk") -> dict[str, str]:
        from people.carriers import Carriers
        from spine.ids import CarrierId

        await Carriers(desk.store, desk.settings.people).freeze(CarrierId(carrier), now=desk.clock.now())
        return {"carrier": carrier, "state": "frozen"}

    _run(work, as_json=as_json)


@carriers.command("thaw")
def carrier_thaw(carrier: CarrierName, as_json: AsJson = False) -> None:
    """Let a frozen carrier work again; its former tokens and keys stay dead."""

    async def work(desk: "Desk") -> dict[str, str]:
        from people.carriers import Carriers
        from spine.ids import CarrierId

        await Carriers(desk.store, desk.settings.people).thaw(CarrierId(carrier), now=desk.clock.now())
        return {"carrier": carrier, "state": "active"}

    _run(work, as_json=as_json)


@carriers.command("assertion")
def carrier_assertion(client: CarrierName, key: KeyFile, url: Url = "") -> None:
    """Print a `client_assertion` for POST /v1/oauth/token; good once, for less than a minute."""
    from spine.clock import SystemClock
    from trunkline.devices import client_assertion, load_key

    print(client_assertion(load_key(key), client=client, url=_url(url), now=SystemClock().now()))


@couriers.command("key")
def courier_key(file: NewKeyFile, as_json: AsJson = False) -> None:
    """Make a device key and print its public JWK."""
    from trunkline.devices import make_key

    show(make_key(file), as_json=as_json)


@couriers.command("enrolment")
def courier_enrolment(
    code: Annotated[str, typer.Argument(help="The code that the carrier was given for this courier.")],
    key: KeyFile,
    url: Url = "",
) -> None:
    """Print the body for POST /v1/courier/enrolment: the code, the public key and the proof that it is held."""
    from spine.clock import SystemClock
    from trunkline.devices import enrolment, load_key

    show(enrolment(load_key(key), code=code, url=_url(url), now=SystemClock().now()), as_json=True)


@couriers.command("assertion")
def courier_assertion(courier: CourierName, key: KeyFile, url: Url = "") -> None:
    """Print the assertion for POST /v1/courier/session; good once, for less than a minute."""
    from spine.clock import SystemClock
    from trunkline.devices import courier_assertion as sign
    from trunkline.devices import load_key

    print(sign(load_key(key), courier=courier, url=_url(url), now=SystemClock().now()))


@couriers.command("prove", context_settings=DRAWN)
def courier_prove(
    challenge: Annotated[str, typer.Argument(help="The car's challenge.")],
    token: Annotated[str, typer.Option(help="The delivery key, or @FILE.")],
    key: KeyFile,
) -> None:
    """Print the proof of possession over the car's challenge, for POST .../open."""
    from spine.clock import SystemClock
    from trunkline.devices import load_key, proof

    text = Path(token[1:]).read_text("utf-8").strip() if token.startswith("@") else token
    print(proof(load_key(key), token=text, challenge=challenge, now=SystemClock().now()))


@owners.command("show")
def owner_show(person: PersonName, as_json: AsJson = False) -> None:
    """Show a person as the installation knows them. Exit 1 where there is none."""

    async def work(desk: "Desk") -> Any:
        from trunkline.compose import people_of

        view = await people_of(desk).persons.view(_person(person))
        if view is None:
            raise typer.Exit(1)
        return {"id": view.id, "email": view.email, "name": view.name}

    _run(work, as_json=as_json)


@owners.command("erase")
def owner_erase(person: PersonName, as_json: AsJson = False) -> None:
    """Erase a person: name, e-mail, sessions; their roles on cars end."""

    async def work(desk: "Desk") -> Any:
        from trunkline.compose import people_of

        await people_of(desk).persons.erase(_person(person), now=desk.clock.now())
        return {"person": person, "state": "erased"}

    _run(work, as_json=as_json)


def _person(text: str) -> Any:
    from spine.ids import PersonId

    return PersonId(text)
