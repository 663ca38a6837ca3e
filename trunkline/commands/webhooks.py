"""``trunkline webhooks ...``: requests judged, sent and received by hand; addresses and what became of their news."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="News out, decisions in: try, verify, look after.", no_args_is_help=True)

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
    from webhooks.signature import SecretMalformed, read_checker

    try:
        checkers = [read_checker(text) for text in (*secret, *([] if secret2 is None else [secret2]))]
    except SecretMalformed as malformed:
        raise typer.BadParameter(f"this is no secret: {malformed}") from None
    at, limits = _moment(now), WebhooksLimits()
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


def _moment(text: str | None) -> datetime:
    from spine.clock import SystemClock

    if text is None:
        return SystemClock().now()
    try:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        read = datetime.fromisoformat(text)
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            "--now is unix seconds, or such as 2026-01-31T12:00:00Z", param_hint="--now"
        ) from None
