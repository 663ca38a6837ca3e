"""``trunkline webhooks ...``: requests judged, sent and received by hand; addresses and what became of their news."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands import webhook_addresses
from trunkline.commands.exchange import AsJson, moment, read_document, say, show

if TYPE_CHECKING:
    from webhooks.signers import Checker, Signer

app = typer.Typer(help="News out, decisions in: try, verify, look after.", no_args_is_help=True)
webhook_addresses.register(app)

Secrets = Annotated[
    list[str],
    typer.Option("--secret", help="A whsec_ secret or a whpk_ public key; may be given again."),
]


@app.command()
def verify(
    file: Annotated[
        str,
        typer.Argument(
            help='JSON: {"headers": {...}, "payload": "..."} or a list of them; - for standard input.'
        ),
    ],
    secret: Secrets,
    secret2: Annotated[
        str | None, typer.Option("--secret2", help="One more, while they are exchanged.")
    ] = None,
    now: Annotated[
        str | None, typer.Option(help="The time to judge at: unix seconds or ISO 8601; default: now.")
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Say on stderr why each was refused.")] = False,
) -> None:
    """Judge requests as our door for decisions would: `accept` or `refuse`, one a line. Exit 1 unless all are accepted."""
    from webhooks.judging import refusal, requests_in
    from webhooks.limits import WebhooksLimits

    checkers = _checkers([*secret, *([] if secret2 is None else [secret2])])
    at, limits = moment(now, "--now"), WebhooksLimits()
    raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    refused = [
        refusal(each, checkers, now=at, body_most=limits.body_most, tolerance=limits.tolerance)
        for each in requests_in(raw)
    ]
    for number, reason in enumerate(refused, 1):
        print("accept" if reason is None else "refuse")
        if why and reason is not None:
            print(f"{number}: {reason}", file=sys.stderr)
    if any(refused):
        raise typer.Exit(1)


@app.command()
def send(
    url: Annotated[str, typer.Option(help="Where to.")],
    secret: Annotated[str, typer.Option(help="A whsec_ secret, or a whsk_ pair for v1a.")],
    type_: Annotated[str, typer.Option("--type", help="The event's type.")] = "trunkline.by_hand",
    data: Annotated[
        str | None, typer.Option(help="A JSON file with the event's data, - for standard input.")
    ] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Allow http and this machine's own addresses.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post one signed event to a receiver, as the engine would; prints status and ms. Exit 1 unless it says 2xx."""
    from spine.clock import SystemClock
    from trunkline import webhook_trying
    from webhooks.limits import WebhooksLimits

    signer = _signer(secret)
    document = {} if data is None else read_document(data)
    if not isinstance(document, dict):
        raise typer.BadParameter("--data is a JSON object", param_hint="--data")
    said = asyncio.run(
        webhook_trying.send(
            url, [signer], type_, document, clock=SystemClock(), dev=dev, limits=WebhooksLimits()
        )
    )
    if as_json:
        show(said, as_json=True)
    else:
        print(f"{said['status'] or said['reason']}  {said['ms']} ms  {said['id']}")
    if not said["accepted"]:
        raise typer.Exit(1)


@app.command()
def listen(
    secret: Secrets,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On this machine; 0: a free one.")] = 8_090,
    forward: Annotated[str | None, typer.Option(help="Pass on what was verified to this local URL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Receive events on this machine: verify and print each, until Ctrl-C."""
    from spine.clock import SystemClock
    from trunkline import webhook_trying
    from webhooks.guard import Guard
    from webhooks.limits import WebhooksLimits

    checkers = _checkers(secret)
    if forward is not None:
        Guard(dev=True).check(forward)

    def tell(said: Mapping[str, Any]) -> None:
        show(said, as_json=as_json)

    receiver = webhook_trying.Receiver(
        checkers, tell, clock=SystemClock(), limits=WebhooksLimits(), forward=forward
    )

    def ready(chosen: int) -> None:
        say(f"listening on http://127.0.0.1:{chosen}/")

    asyncio.run(webhook_trying.receive(receiver, port, ready))


def _checkers(texts: "Sequence[str]") -> "list[Checker]":
    from webhooks.signers import SecretMalformed, read_checker

    try:
        return [read_checker(text) for text in texts]
    except SecretMalformed as malformed:
        raise typer.BadParameter(f"this is no secret: {malformed}", param_hint="--secret") from None


def _signer(text: str) -> "Signer":
    from webhooks.signers import SecretMalformed, read_signer

    try:
        return read_signer(text)
    except SecretMalformed as malformed:
        raise typer.BadParameter(f"this is no secret: {malformed}", param_hint="--secret") from None
