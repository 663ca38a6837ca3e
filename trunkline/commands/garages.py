"""``trunkline garage``: make a garage, list, change, give a new token or a link to its page, show its slots, remove."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from trunkline.commands.exchange import AsJson, show, show_line

if TYPE_CHECKING:
    from maintenance.composition import Maintenance
    from maintenance.garage_model import Garage

app = typer.Typer(help="Garages: make, change, token, link to their page, remove.", no_args_is_help=True)

GarageName = Annotated[str, typer.Argument(help="Id of the garage, gar_...")]
Hours = Annotated[
    list[str],
    typer.Option("--hours", help="Opening hours, such as `mon-fri 08:00-17:00`; several times for several."),
]
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def hours_of(given: list[str]) -> dict[str, list[dict[str, str]]]:
    """``mon-fri 08:00-12:00`` and ``sat 09:00-13:00`` as openings by day; ``fri-mon`` goes over the weekend.

    Raises ``typer.BadParameter``.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for text in given:
        try:
            days, times = text.lower().split()
            first, dash, last = days.partition("-")
            start, end = times.split("-")
            begin, finish = _DAYS.index(first), _DAYS.index(last if dash else first)
            over = len(_DAYS) if finish < begin else 0  # `fri-mon` goes on over the end of the week
            span = [_DAYS[day % len(_DAYS)] for day in range(begin, finish + over + 1)]
        except ValueError:
            raise typer.BadParameter(f"such as `mon-fri 08:00-17:00`, not {text!r}") from None
        if start >= end:
            raise typer.BadParameter(
                f"times such as `08:00-17:00`, the end later than the start, not {text!r}"
            )
        for day in span:
            found.setdefault(day, []).append({"start": start, "end": end})
    return found


def _run(work: "Callable[[Maintenance], Awaitable[Any]]") -> Any:
    from maintenance.composition import build
    from trunkline.compose import people_of
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            settings = opened.settings
            return await work(
                build(
                    opened.store,
                    clock=opened.clock,
                    limits=settings.maintenance,
                    people=people_of(opened),
                    public_url=settings.public_url,
                )
            )

    return asyncio.run(inside())


async def _filled(parts: "Maintenance", garage: "Garage") -> int:
    """Make what the opening hours say (so may the process `work` at this moment); how many slots there are ahead."""
    await parts.capacity.fill(garage)
    now, ahead = parts.clock.now(), parts.limits.garages.published_ahead
    return len(await parts.capacity.of_garage(garage, now, now + ahead))


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="What owners read.")],
    *,
    address: Annotated[str, typer.Option(help="Where to drive, on one line.")],
    mail: Annotated[str, typer.Option(help="Where invitations go.")],
    hours: Hours = [],  # noqa: B006 - typer reads it
    zone: Annotated[str, typer.Option(help="Of its clock.")] = "Europe/Amsterdam",
    country: Annotated[str, typer.Option(help="ISO 3166-1, two letters.")] = "NL",
    language: Annotated[
        list[str], typer.Option("--language", help="en, nl, de or sv; the first one is written.")
    ] = ["en"],  # noqa: B006
    system: Annotated[
        list[str], typer.Option("--system", help="A system of a car it works on; none: all.")
    ] = [],  # noqa: B006
    bays: Annotated[int, typer.Option(help="How many cars at once.")] = 1,
    minutes: Annotated[int, typer.Option(help="Length of an appointment.")] = 60,
    notice: Annotated[int, typer.Option(help="Nobody books later than so many minutes before.")] = 120,
    as_json: AsJson = False,
) -> None:
    """Make a garage and its slots; the token is printed here and never again."""
    from maintenance.garage_model import Details

    wanted = Details.model_validate(
        {
            "name": name, "address": address, "mail": mail, "hours": hours_of(hours), "zone": zone,
            "country": country, "languages": language, "systems": system, "bays": bays, "minutes": minutes,
            "notice_minutes": notice,
        }
    )  # fmt: skip

    async def work(parts: "Maintenance") -> dict[str, Any]:
        from spine.ids import GarageId

        token = await parts.garages.make(wanted, now=parts.clock.now())
        garage = GarageId(token.subject)
        slots = await _filled(parts, await parts.garages.read(garage))
        return {"garage": garage, "token": token.text, "slots": slots}

    show(_run(work), as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All garages, one a line."""

    async def work(parts: "Maintenance") -> list[dict[str, Any]]:
        every = await parts.garages.every()
        return [{"garage": one.id, "name": one.details.name, "mail": one.details.mail} for one in every]

    for one in _run(work):
        show_line(one, as_json=as_json, first=("garage", "name"))


@app.command("hours")
def hours_command(
    garage: GarageName,
    hours: Annotated[list[str], typer.Argument(help="Opening hours, such as `mon-fri 08:00-17:00`.")],
    as_json: AsJson = False,
) -> None:
    """Set other opening hours: free slots follow, whoever is booked stays."""
    from pydantic import TypeAdapter

    from maintenance.garage_model import Hours as Openings

    wanted = TypeAdapter(Openings).validate_python(hours_of(hours))

    async def work(parts: "Maintenance") -> dict[str, Any]:
        from spine.ids import GarageId

        changed = await parts.garages.set_hours(GarageId(garage), wanted, now=parts.clock.now())
        return {"garage": garage, "slots": await _filled(parts, changed)}

    show(_run(work), as_json=as_json)


@app.command("token")
def token(garage: GarageName, as_json: AsJson = False) -> None:
    """A new token; the former one, and every link in the garage's mails, ends at once."""

    async def work(parts: "Maintenance") -> dict[str, Any]:
        from spine.ids import GarageId

        made = await parts.garages.new_token(GarageId(garage), now=parts.clock.now())
        return {"garage": garage, "token": made.text}

    show(_run(work), as_json=as_json)


@app.command("link")
def link(garage: GarageName, as_json: AsJson = False) -> None:
    """Print a link to the garage's page with all its appointments, good for some hours: hand it to the garage alone."""

    async def work(parts: "Maintenance") -> dict[str, Any]:
        from maintenance.garage_links import wanted
        from spine.ids import GarageId

        until = parts.clock.now() + parts.limits.garages.garage_day_link_life
        url = await parts.garage_links.mint(wanted("", GarageId(garage), None, until))
        return {"garage": garage, "link": url, "until": until}

    show(_run(work), as_json=as_json)


@app.command("slots")
def slots(
    garage: GarageName,
    days: Annotated[int, typer.Option(min=1, max=31, help="So many days from now.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Its slots, one a line."""

    async def work(parts: "Maintenance") -> list[dict[str, Any]]:
        from datetime import timedelta

        from spine.ids import GarageId

        there, now = await parts.garages.read(GarageId(garage)), parts.clock.now()
        return [
            {"start": one.body.start, "bay": one.body.bay, "state": one.state.value, "slot": one.id}
            for one in await parts.capacity.of_garage(there, now, now + timedelta(days=days))
        ]

    for one in _run(work):
        show_line(one, as_json=as_json, first=("start", "bay", "state"))


@app.command("remove")
def remove(garage: GarageName, as_json: AsJson = False) -> None:
    """Remove a garage: its appointments to come are cancelled, and their owners told."""

    async def work(parts: "Maintenance") -> dict[str, Any]:
        from spine.ids import GarageId

        await parts.garages.remove(GarageId(garage), now=parts.clock.now())
        return {"garage": garage, "state": "removed"}

    show(_run(work), as_json=as_json)
