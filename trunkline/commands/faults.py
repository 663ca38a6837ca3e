"""``trunkline faults explain | coverage | import``: fault codes in plain words, and full tables for those who have one."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show

app = typer.Typer(help="Fault codes.", no_args_is_help=True)


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="Such as P0301, C0035 or SPN3031-FMI9.")],
    lang: Annotated[str, typer.Option(help="en, nl, de or sv.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Say what a code means, whether one may drive on, and what to do next."""
    from maintenance.code_table import kept
    from maintenance.explaining import LANGUAGES
    from maintenance.explaining import explain as in_words
    from maintenance.scans import Code
    from maintenance.severity import judge
    from maintenance.systems import system_of
    from trunkline.commands.places import default_data_directory

    chosen = next((each for each in LANGUAGES if each == lang), None)
    if chosen is None:
        raise typer.BadParameter(f"{lang!r} is not one of {', '.join(LANGUAGES)}")
    asked, table = Code(code=code.strip().upper(), status="confirmed"), kept(default_data_directory())
    judged = judge(asked, table.severities)
    told: dict[str, Any] = {
        "code": asked.code, "system": system_of(asked.code), "severity": judged.severity.word,
        "severity_source": judged.source, **asdict(in_words(asked.code, judged, chosen)),
    }  # fmt: skip
    if asked.code in table.descriptions:
        told["description"] = table.descriptions[asked.code]
    show(told, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header: code, description[, severity].")],
    as_json: AsJson = False,
) -> None:
    """Take a full code table, whole or not at all; it replaces the one before. Its severities count before our rules."""
    from maintenance.code_table import keep, read_csv
    from trunkline.commands.places import default_data_directory

    table = read_csv(file)
    keep(table, default_data_directory())
    show({"codes": len(table.descriptions), "with_severity": len(table.severities)}, as_json=as_json)


@app.command()
def coverage(
    file: Annotated[Path, typer.Argument(help="CSV with a header that names the column code.")],
    as_json: AsJson = False,
) -> None:
    """Count how a table's codes are explained (by code, family, default), how urgent they are, and who says so."""
    from maintenance.coverage import codes_of, covered

    show(covered(codes_of(file)).told(), as_json=as_json)
