"""``trunkline keys ceremony | rotate | remove | show`` and ``keys bundle make | sign | publish``: whom the cars trust.

``ceremony`` and ``bundle sign`` need the base install only and no network: they are for the roots' own machines.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import DRAWN, AsJson, read_document, say, show
from trunkline.commands.keys import restored

if TYPE_CHECKING:
    from trunkline.desk import Desk
    from trunkline.roots import Draft
    from trunkline.trust import Made

app = typer.Typer(help="The service's keys and the roots that vouch for them.", no_args_is_help=True)
bundle_app = typer.Typer(
    help="Trust bundles: made here, signed on the roots' machines, published here.", no_args_is_help=True
)
app.add_typer(bundle_app, name="bundle")
app.command()(restored)

DraftFile = Annotated[Path, typer.Argument(help="The draft of a bundle, a JSON file; rewritten when signed.")]
Out = Annotated[Path, typer.Option(help="Where the draft is written if it still needs signatures.")]


@app.command()
def ceremony(
    directory: Annotated[
        Path, typer.Option("--dir", help="A new folder, best on a machine without network.")
    ],
    keys: Annotated[
        Path | None,
        typer.Option(
            help="The service's public keys (roots/service-keys.json); default: this installation's."
        ),
    ] = None,
    roots_only: Annotated[
        bool, typer.Option("--roots-only", help="No first bundle: these roots shall replace others.")
    ] = False,
    days: Annotated[int, typer.Option(help="How long the first bundle counts.")] = 1095,
    as_json: AsJson = False,
) -> None:
    """Make three roots for three people, and sign the first bundle with two of them."""
    from datetime import timedelta

    from keys.car.bundle import Roots
    from keys.car.trust import PublishedKey
    from spine.clock import SystemClock
    from trunkline.commands.places import default_roots
    from trunkline.roots import THRESHOLD, draft_bundle, make_roots, root_file

    found: list[PublishedKey] = []
    if not roots_only:
        file = keys or ((default_roots() or Path()) / "service-keys.json")
        found = [PublishedKey.model_validate(key) for key in read_document(str(file))["keys"]]
    made = make_roots(directory)
    roots = Roots.of_keys(made, threshold=THRESHOLD)
    (directory / "roots.json").write_text(json.dumps(roots.wire(), indent=2), "utf-8")
    files = [str(root_file(directory, number)) for number in range(1, len(made) + 1)]
    told: dict[str, Any] = {"roots": files, "public": str(directory / "roots.json")}
    if found:
        draft = draft_bundle(found, roots, version=1, now=SystemClock().now(), life=timedelta(days=days))
        for root in made[:THRESHOLD]:
            draft = draft.signed_by(root)
        told["bundle"] = str(directory / "bundle.json")
        _write(directory / "bundle.json", draft)
    for number, name in enumerate(files, 1):
        say(f"person {number}: take {name} away on a stick of your own, keep it where no other root is, and")
        say("          delete it here. Two of the three together decide whom every car believes.")
    if found:
        say(f"then, on the operator's host: trunkline keys bundle publish {directory / 'bundle.json'}")
    show(told, as_json=as_json)


@app.command("show")
def show_trust(as_json: AsJson = False) -> None:
    """Show the bundle in force: its version, its end, its keys and roots."""
    from trunkline.trust import NoTrust, Trust

    async def work(desk: "Desk") -> dict[str, Any]:
        found = await Trust(desk.store, desk.settings).in_force()
        if found is None:
            raise NoTrust("no trust bundle was published")
        return {**found.claims.wire(), "least": dict(found.least)}

    show(_at_desk(work), as_json=as_json)


@app.command()
def rotate(
    purpose: Annotated[str, typer.Argument(help="key, fresh, cmd or log")],
    module: Annotated[
        Path | None,
        typer.Option("--pkcs11", help="Library of a PKCS #11 token that shall draw and keep the key."),
    ] = None,
    label: Annotated[str, typer.Option("--token", help="Label of that token.")] = "trunkline",
    pin_variable: Annotated[
        str, typer.Option(help="Environment variable that holds its PIN, here and in the process that signs.")
    ] = "TRUNKLINE_TOKEN_PIN",
    out: Out = Path("trust-draft.json"),
    as_json: AsJson = False,
) -> None:
    """Draw the next key of a purpose and publish it a week before its first use (setting keys.rotate_ahead)."""
    import secrets

    from keys.car.trust import PURPOSES
    from keys.custody import OnToken
    from trunkline.trust import Trust

    known = next((one for one in PURPOSES if one == purpose), None)
    if known is None:
        raise typer.BadParameter(f"no purpose {purpose!r}; there are {', '.join(PURPOSES)}")

    place = None
    if module is not None:
        name = f"{known}-{secrets.token_hex(8)}"
        place = OnToken(module=module.absolute(), token=label, label=name, pin_variable=pin_variable)

    async def work(desk: "Desk") -> dict[str, Any]:
        made = await Trust(desk.store, desk.settings).rotate(known, desk.clock.now(), place)
        return _tell(made, out)

    show(_at_desk(work), as_json=as_json)


@app.command(context_settings=DRAWN)
def remove(
    kid: Annotated[str, typer.Argument(help="The key's thumbprint, as `keys show` names it.")],
    out: Out = Path("trust-draft.json"),
    as_json: AsJson = False,
) -> None:
    """Take a key away at once, as when it was stolen: cars refuse it, and what needs it, from the next bundle on."""
    from trunkline.trust import Trust

    async def work(desk: "Desk") -> dict[str, Any]:
        return _tell(await Trust(desk.store, desk.settings).remove(kid, desk.clock.now()), out)

    show(_at_desk(work), as_json=as_json)


@bundle_app.command("make")
def make(
    out: Out = Path("trust-draft.json"),
    roots: Annotated[
        Path | None, typer.Option(help="Replace the roots by these (roots.json of a ceremony).")
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(help="UNIT=SECONDS: lower this unit's clock floor, once, to a Unix time."),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="Jump to this version: cars may hold later ones than a restored backup remembers."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the next bundle with the keys as they are: to live longer, to change roots, to mend a unit's clock."""
    from keys.car.bundle import Roots
    from trunkline.trust import Trust

    replaced = Roots.of(read_document(str(roots))) if roots else None
    floors = dict(_floor(one) for one in floor or ()) or None

    async def work(desk: "Desk") -> dict[str, Any]:
        trust = Trust(desk.store, desk.settings)
        now = desk.clock.now()
        return _tell(await trust.next_draft(now, roots=replaced, floors=floors, version=version), out)

    show(_at_desk(work), as_json=as_json)


@bundle_app.command("sign")
def sign(
    draft: DraftFile,
    root: Annotated[Path, typer.Option(help="The root's private key, a file of mode 0600.")],
    yes: Annotated[bool, typer.Option("--yes", help="Sign what is shown without being asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a draft, ask, and add one root's signature to it. Exit 1 where the answer is no. Needs no network."""
    from keys.custody import read_private_key
    from trunkline.roots import Draft, told

    found = Draft.model_validate_json(draft.read_bytes())
    for line in told(found):
        say(line)
    if not yes and not _agreed("Sign this? [y/N]"):
        raise typer.Exit(1)
    signed = found.signed_by(read_private_key(root))
    _write(draft, signed)
    document = {"file": str(draft), "version": signed.claims.version, "signers": sorted(signed.signers)}
    show(document, as_json=as_json)


@bundle_app.command("publish")
def publish(draft: DraftFile, as_json: AsJson = False) -> None:
    """Put a signed bundle in force: on the web, in every car's mail box, in `work` and `gateway` within a minute."""
    from trunkline.roots import Draft
    from trunkline.trust import Trust

    document = Draft.model_validate_json(draft.read_bytes()).document

    async def work(desk: "Desk") -> dict[str, Any]:
        found = await Trust(desk.store, desk.settings).publish(document, desk.clock.now())
        return {"version": found.claims.version, "in_force": True}

    show(_at_desk(work), as_json=as_json)


def _tell(made: "Made", out: Path) -> dict[str, Any]:
    """What became of a new bundle: in force, or a file that has to go to the roots."""
    told: dict[str, Any] = {"version": made.draft.claims.version, "in_force": made.in_force is not None}
    if made.in_force is None:
        _write(out, made.draft)
        told["draft"] = str(out)
        say(f"take {out} to each root's machine: trunkline keys bundle sign {out.name} --root root-N.pem")
        say(f"then here: trunkline keys bundle publish {out}")
    return told


def _agreed(question: str) -> bool:
    """Whether the person says yes; the end of the input is a no."""
    say(question)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _floor(text: str) -> tuple[str, int]:
    unit, _, seconds = text.partition("=")
    if not seconds.isdecimal():
        raise typer.BadParameter(f"{text!r} is not UNIT=SECONDS")
    return unit, int(seconds)


def _write(path: Path, draft: "Draft") -> None:
    path.write_text(draft.model_dump_json(indent=2), "utf-8")


def _at_desk(work: "Callable[[Desk], Awaitable[dict[str, Any]]]") -> dict[str, Any]:
    from trunkline.desk import desk

    async def inside() -> dict[str, Any]:
        async with desk() as opened:
            return await work(opened)

    return asyncio.run(inside())
