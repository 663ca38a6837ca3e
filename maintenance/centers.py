"""Which cases go to a contact center that has a system of its own: a file that an operator writes, read once. Pure."""

import tomllib
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from maintenance.calls import may_call
from maintenance.model import Calls, CaseBody, Frozen
from spine.facts.maintenance import Level
from spine.problems import Kind, Problem
from webhooks.sources import SourceId

Via = Literal["webhook", "connect", "twilio"]


class CentersUnreadable(Problem):
    """The file that says which cases go to which contact center cannot be used; it says why."""

    code: ClassVar[str] = "centers.unreadable"
    kind: ClassVar[Kind] = Kind.INVALID


class ConnectInstance(Frozen):
    """An Amazon Connect instance; credentials are found where AWS's own tools find them.

    Tasks start by a flow or by a task template that has one, never both.
    """

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    instance_id: Annotated[str, Field(min_length=1, max_length=100)]
    contact_flow_id: Annotated[str, Field(max_length=500)] | None = None
    task_template_id: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_flow(self) -> Self:
        if (self.contact_flow_id is None) == (self.task_template_id is None):
            raise ValueError("contact_flow_id or task_template_id, exactly one")
        return self


class TwilioWorkspace(Frozen):
    """A TaskRouter workspace. ``auth_token_file``: the account's token, which also signs Twilio's callbacks."""

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")]
    workspace_sid: Annotated[str, Field(pattern=r"^WS[0-9a-f]{32}$")]
    workflow_sid: Annotated[str, Field(pattern=r"^WW[0-9a-f]{32}$")]
    task_channel: Annotated[str, Field(max_length=64)] = "default"
    auth_token_file: Path
    api: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")] = "https://taskrouter.twilio.com"

    def auth_token(self) -> SecretStr:
        """Raises ``CentersUnreadable``."""
        try:
            return SecretStr(self.auth_token_file.read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError) as cause:
            raise CentersUnreadable(f"auth_token_file cannot be read: {type(cause).__name__}") from cause


class Center(Frozen):
    """One contact center, named by the ``src_`` it was registered under, and the cases that go to it.

    Empty ``countries`` or ``languages``: all. Low cases are never dialled, by whomever.
    """

    source: Annotated[SourceId, Field(pattern=r"^src_[0-9a-hjkmnp-tv-z]{16}$")]
    via: Via = "webhook"
    severities: Annotated[tuple[Literal["medium", "high", "critical"], ...], Field(min_length=1)] = ("high",)
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
    languages: tuple[Literal["en", "nl", "de", "sv"], ...] = ()
    script: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "fault"
    connect: ConnectInstance | None = None
    twilio: TwilioWorkspace | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.connect is not None) != (self.via == "connect"):
            raise ValueError('[center.connect] goes with via = "connect"')
        if (self.twilio is not None) != (self.via == "twilio"):
            raise ValueError('[center.twilio] goes with via = "twilio"')
        return self

    def takes(self, severity: Level, country: str, language: str) -> bool:
        """Whether such a case goes here."""
        return (
            severity in self.severities
            and (not self.countries or country in self.countries)
            and (not self.languages or language in self.languages)
        )


class Centers(Frozen):
    """Every contact center with a system of its own; none: every call is the own desk's."""

    center: tuple[Center, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({each.source for each in self.center}) != len(self.center):
            raise ValueError("a source stands here twice")
        return self

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """From TOML: one ``[[center]]`` each. Raises ``CentersUnreadable``."""
        if file is None:
            return cls()
        try:
            return cls.model_validate(tomllib.loads(file.read_text("utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
            raise CentersUnreadable(f"{file.name}: {type(cause).__name__}") from cause
        except ValidationError as cause:
            wrong = "; ".join(
                f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in cause.errors()
            )
            raise CentersUnreadable(f"{file.name}: {wrong}") from None

    def of(self, source: str | None) -> Center | None:
        """The center registered under this name."""
        return next((each for each in self.center if each.source == source), None)

    def for_case(self, case: CaseBody, calls: Calls | None) -> Center | None:
        """The first that takes it; None: it stays with the own desk.

        Only faults, and only of owners who want to be called: help with a delivery is looked at here.
        """
        if case.what != "fault" or case.trigger.supervisor or calls is None or not may_call(calls):
            return None
        spoken = case.trigger.language or calls.language
        return next((each for each in self.center if each.takes(case.severity, calls.country, spoken)), None)
