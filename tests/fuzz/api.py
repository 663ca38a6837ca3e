"""schemathesis over the OpenAPI document against the running API: no 500, and every answer as it is declared."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis import openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from tests.fuzz.cast import People

_OWN_FORM: Final = {("POST", "/v1/oauth/token"): {400, 401}}
"""Errors of RFC 6749 instead of problems."""
_ENDING: Final = {
    ("DELETE", "/v1/session"), ("DELETE", "/v1/sessions"), ("DELETE", "/v1/sessions/{session}"), ("DELETE", "/v1/me"),
    ("POST", "/v1/invitations/{invitation}/acceptance"),
}  # fmt: skip
"""What would end the session everything else is asked in."""
_LASTING: Final = {
    ("POST", "/v1/owner/cars/{vehicle}/release"),
    ("POST", "/v1/operator/cars/{vehicle}/release"),
}
"""What would take away the car everything else is about: asked about other cars only."""
_CHECKS: Final = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance",
)  # fmt: skip
_NEEDED: Final = {"type", "title", "status", "code", "detail", "may_have_happened", "try_again"}


@dataclass
class Findings:
    """What came of it. ``faults``: operation and what was wrong with an answer, each once."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    operations: set[str] = field(default_factory=set)

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())


@dataclass
class Player:
    """Asks each operation mostly as who may, mostly about what is there; sometimes as others, about nothing."""

    people: People
    dice: random.Random
    findings: Findings = field(default_factory=Findings)

    def before_call(self, context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        operation = (case.method, case.operation.path)
        case.headers = {
            name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"
        }
        token = self._token(case, operation)
        if token is not None:
            case.headers["Authorization"] = f"Bearer {token}"
        about = case.path_parameters if isinstance(case.path_parameters, dict) else {}
        # An event stream of something that is there would never end.
        if operation not in _LASTING and not case.operation.path.endswith(("/events", "/events/stream")):
            for name in about:
                if name in self.people.known and self.dice.random() < 0.7:
                    about[name] = self.dice.choice(self.people.known[name])
        if isinstance(case.body, dict):
            self._fill(case.body)

    def _token(self, case: Any, operation: tuple[str, str]) -> str | None:
        schemes = [name for one in case.operation.definition.raw.get("security", []) for name in one]
        roll = self.dice.random()
        if not schemes or roll < 0.05:
            return None
        if roll < 0.1 and operation not in _ENDING:
            return self.dice.choice([*self.people.tokens.values(), "tls_0000000000000000." + "A" * 43, "é"])
        return self.people.spare if operation in _ENDING else self.people.tokens[schemes[0]]

    def _fill(self, body: dict[str, Any]) -> None:
        for member, name in (("courier", "courier"), ("address", "text"), ("token", "link")):
            if member in body and self.dice.random() < 0.5:
                body[member] = self.dice.choice(self.people.known[name])

    def after_call(self, context: Any, case: Any, response: Any) -> None:
        status = response.status_code
        self.findings.statuses[status] += 1
        self.findings.operations.add(case.operation.label)
        if status in _OWN_FORM.get((case.method, case.operation.path), ()):
            return
        media = "".join(response.headers.get("content-type", [""]))
        if why := fault_of(status, media, response.content):
            self.findings.faults.setdefault(f"{case.operation.label}: {status} {why}", response.text[:300])


def fault_of(status: int, media: str, content: bytes) -> str:
    """What is wrong with an answer as an answer; nothing where it is fine."""
    if status < 400:
        return ""
    if status >= 500 and status != 503:
        return "is our mistake"
    media = media.split(";", maxsplit=1)[0]
    if media != "application/problem+json":
        return f"is {media or 'empty'}, no problem"
    said = json.loads(content)
    missing = _NEEDED - said.keys()
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    return "" if said["status"] == status else "says another status"


def play(url: str, people: People, *, examples: int, coverage: bool, seed: int, one_in: int = 1) -> Findings:
    """Ask every operation, or one drawn out of so many, ``examples`` times (``coverage``: and at each bound)."""
    wanted: dict[str, Any] = {
        "seed": seed,
        "base-url": url,
        "request-timeout": 15,
        "continue-on-failure": True,
        "suppress-health-check": ["all"],
        "generation": {"no-shrink": True, "database": "none", "max-examples": examples},
        "checks": {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}},
        "phases": {
            "examples": {"enabled": False},
            "stateful": {"enabled": False},
            "coverage": {"enabled": coverage},
            "fuzzing": {"enabled": True},
        },
    }
    schema = openapi.from_url(url + "/v1/openapi.json", config=SchemathesisConfig.from_dict(wanted))
    if one_in > 1:
        schema = schema.include(
            lambda one: random.Random(f"{seed} {one.operation.label}").random() < 1 / one_in
        )
    player = Player(people, random.Random(seed))
    with _hooked(player):
        for event in from_schema(schema).execute():
            _note(event, player.findings)
    return player.findings


@contextmanager
def _hooked(player: Player) -> Iterator[None]:
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        player.before_call(context, case, kwargs)

    def after_call(context: Any, case: Any, response: Any) -> None:
        player.after_call(context, case, response)

    hooks = [schemathesis.hook(before_call), schemathesis.hook(after_call)]
    try:
        yield
    finally:
        for each in hooks:
            GLOBAL_HOOK_DISPATCHER.unregister(each)


def _note(event: Any, findings: Findings) -> None:
    if isinstance(event, events.ScenarioFinished):
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    about = f"{event.recorder.label}: {failure.title}: {failure.message[:200]}"
                    findings.faults.setdefault(about, check.failure_info.code_sample[:1000])
    elif isinstance(event, events.NonFatalError | events.FatalError):
        findings.faults.setdefault(f"schemathesis: {event}"[:400], "")
