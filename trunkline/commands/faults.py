"""``trunkline faults explain``: a fault code in plain words."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show

app = typer.Typer(help="Fault codes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Fault codes."""


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="Such as P0301, C0035 or SPN3031-FMI9.")],
    lang: Annotated[str, typer.Option(help="en, nl, de or sv.")] = "en",
    as_json: AsJson = False,
) -> None:
    """What a code means, whether one may drive on, and what happens next."""
    from maintenance.explaining import LANGUAGES
    from maintenance.explaining import explain as in_words
    from maintenance.severity import by_rule
    from maintenance.systems import system_of

    chosen = next((each for each in LANGUAGES if each == lang), None)
    if chosen is None:
        raise typer.BadParameter(f"{lang!r} is not one of {', '.join(LANGUAGES)}")
    name = code.strip().upper()
    judged = by_rule(name)
    told: dict[str, Any] = {
        "code": name, "system": system_of(name), "severity": judged.severity.word, "severity_source": judged.source,
        **asdict(in_words(name, judged, chosen)),
    }  # fmt: skip
    show(told, as_json=as_json)
