"""The command line: groups of commands, one table of exit codes, and what a missing extra is called."""

import sys
from typing import Final, NoReturn

import typer

from trunkline.commands import (
    cars,
    demo,
    evidence,
    install,
    logs,
    people,
    services,
    states,
    units,
)

EXIT_OK: Final = 0
EXIT_NO: Final = 1  # asked and answered with no: refused, not verified, not found, unhealthy
EXIT_ERROR: Final = 2  # it could not be tried: store down, broken file
EXIT_USAGE: Final = 64  # the command line itself is wrong, or an extra is missing

app = typer.Typer(
    name="trunkline",
    help="In-car delivery and connected-car service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for group in (install, demo, services, units, states):
    group.register(app)
app.add_typer(cars.app, name="vehicle")
app.add_typer(people.carriers, name="carrier")
app.add_typer(people.couriers, name="courier")
app.add_typer(people.owners, name="owner")
app.add_typer(evidence.app, name="evidence")
app.add_typer(logs.app, name="log")


def main() -> NoReturn:
    """Run a command and translate what it raises: a Problem, a missing extra, Ctrl-C."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as missing:
        _say(
            f"This command needs a package that is not installed ({missing.name}): pip install 'trunkline[server]'"
        )
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - the last door: everything becomes a sentence and an exit code
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else EXIT_OK)


def _explain(error: Exception) -> int:
    from spine.problems import Kind, Problem

    if isinstance(error, Problem):
        again = " Try again." if error.try_again else ""
        perhaps = " It may have happened all the same." if error.may_have_happened else ""
        _say(f"{error.code}: {error.detail}{perhaps}{again}")
        return EXIT_ERROR if error.kind is Kind.UNAVAILABLE else EXIT_NO
    if type(error).__module__.startswith(("click", "typer")):
        _say(str(getattr(error, "format_message", lambda: error)()))
        return EXIT_USAGE
    import traceback

    traceback.print_exception(error)
    return EXIT_ERROR


def _say(sentence: str) -> None:
    sys.stderr.write(f"trunkline: {sentence}\n")
