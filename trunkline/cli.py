"""The command line: groups of commands, one table of exit codes, and what a missing extra is called."""

import json
import sys
from typing import Final, NoReturn

import typer

from trunkline.commands import (
    agents,
    at_the_car,
    cars,
    demo,
    evidence,
    faults,
    garages,
    install,
    linked,
    logs,
    maintenance,
    owner_keys,
    owner_passkeys,
    people,
    services,
    states,
    trust,
    units,
    webhooks,
)

EXIT_OK: Final = 0
EXIT_NO: Final = 1  # asked and answered with no: refused, not verified, not found, unhealthy
EXIT_ERROR: Final = 2  # it could not be tried: store down, broken file
EXIT_USAGE: Final = 64  # the command line or a setting is wrong, or an extra is missing

_OURS: Final = frozenset(
    {
        "spine",
        "keys",
        "people",
        "vehicle_gateway",
        "webhooks",
        "delivery",
        "maintenance",
        "vehicle_unit",
        "trunkline",
    }
)

_EXTRAS: Final = {"pkcs11": "hsm", "serial": "diag", "udsoncan": "diag", "doipclient": "diag"}
"""Which extra a missing package belongs to; all others are the server's."""

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
app.add_typer(trust.app, name="keys")
app.add_typer(people.carriers, name="carrier")
app.add_typer(people.couriers, name="courier")
app.add_typer(people.owners, name="owner")
at_the_car.register(people.couriers)
linked.register(people.owners)
owner_keys.register(people.owners)
owner_passkeys.register(people.owners)
app.add_typer(agents.app, name="agent")
app.add_typer(evidence.app, name="evidence")
app.add_typer(faults.app, name="faults")
app.add_typer(garages.app, name="garage")
app.add_typer(logs.app, name="log")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(webhooks.app, name="webhooks")


def main() -> NoReturn:
    """Run a command and translate what it raises: a Problem, a missing extra, Ctrl-C."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in _OURS:
            raise
        extra = _EXTRAS.get((missing.name or "").partition(".")[0], "server")
        needs = f"this command needs the package {missing.name}: pip install 'trunkline[{extra}]'"
        _say(needs, code="missing_extra")
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - the last door: everything becomes a sentence and an exit code
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else EXIT_OK)


def _explain(error: Exception) -> int:
    from spine.problems import Kind, Problem

    if isinstance(error, Problem):
        _say(error.detail, code=error.code, again=error.try_again, perhaps=error.may_have_happened)
        if error.code.startswith("settings."):
            return EXIT_USAGE
        return EXIT_ERROR if error.kind is Kind.UNAVAILABLE else EXIT_NO
    if type(error).__module__.startswith(("click", "typer")):
        _say(str(getattr(error, "format_message", lambda: error)()), code="usage")
        return EXIT_USAGE
    return _explain_other(error)


def _explain_other(error: Exception) -> int:
    """What lies outside: files, documents and settings that are not what they should be."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        # Where and why, never the value: it may be a secret.
        faults = [f"{'.'.join(map(str, one['loc'])) or 'together'}: {one['msg']}" for one in error.errors()]
        _say("; ".join(faults), code=f"{error.title.lower()}.invalid")
        return EXIT_USAGE if error.title == "Settings" else EXIT_ERROR
    if isinstance(error, OSError):
        _say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", code="file")
    elif isinstance(error, json.JSONDecodeError):
        _say(f"this is not JSON: {error}", code="document")
    elif type(error).__module__.partition(".")[0] in _OURS:
        _say(str(error), code=type(error).__name__)
        return EXIT_USAGE if type(error).__name__ == "BadAddress" else EXIT_ERROR
    else:
        import traceback

        traceback.print_exception(error)
    return EXIT_ERROR


def _say(sentence: str, *, code: str, again: bool = False, perhaps: bool = False) -> None:
    """One line on stderr; with ``--json`` on the command line, one JSON document."""
    if "--json" in sys.argv:
        problem = {"code": code, "detail": sentence, "may_have_happened": perhaps, "try_again": again}
        sys.stderr.write(json.dumps(problem) + "\n")
        return
    more = f"{' It may have happened all the same.' if perhaps else ''}{' Try again.' if again else ''}"
    sys.stderr.write(f"trunkline: {code}: {sentence}{more}\n")
