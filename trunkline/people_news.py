"""News of a person's account for the systems linked to it: a recovery of lost passkeys, from its beginning to its end."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from people.recovery import Recoveries, number_of
from spine.ids import PersonId
from webhooks.catalogue import EventType, Heard, Hearer
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.mail import Letter

_SAYS: Final[Mapping[str, str]] = {
    "recovery.asked": "Somebody says that all passkeys are lost; they end at `ripe_at` unless that is taken back.",
    "recovery.reminded": "The same once more, while there is time to take it back.",
    "recovery.cancelled": "A recovery was taken back: the passkeys stay.",
    "recovery.done": "A recovery is done: the passkeys so far have ended, and so have the sessions.",
}
_WAITING: Final = frozenset({"recovery.asked", "recovery.reminded"})
_PERSON: Final = "per_5c2h8tq4n6w0rj3v"


class RecoveryEventOut(BaseModel):
    """``ripe_at``: when the passkeys end, while it waits. ``page``: where the person takes it back, signed in."""

    model_config = ConfigDict(frozen=True)

    person: PersonId
    ripe_at: AwareDatetime | None
    page: str


def types() -> Iterator[EventType]:
    """Every type of a person's account."""
    for name, says in _SAYS.items():
        example = {
            "person": _PERSON,
            "ripe_at": "2030-05-09T09:00:00Z" if name in _WAITING else None,
            "page": "https://trunkline.example/passkeys",
        }
        yield EventType(name, says, _PERSON, {Hearer.OWNER: Heard(RecoveryEventOut, example)})


class PeopleComposing:
    """The composer of everything whose type begins with ``recovery``."""

    def __init__(self, recoveries: Recoveries, *, public_url: str) -> None:
        self._recoveries = recoveries
        self._public_url = public_url

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now, to the person's own systems only; None where it does not wait any more."""
        person = PersonId(brief.reference["person"])
        if brief.subscriber != person:
            return None
        waits = await self._recoveries.waiting(person)
        same = waits is not None and waits.n == number_of(brief.reference["recovery"])
        if brief.type in _WAITING and not same:
            return None
        said = RecoveryEventOut(
            person=person,
            ripe_at=waits.ripe_at if waits is not None and brief.type in _WAITING else None,
            page=f"{self._public_url}/passkeys",
        )
        return News(said.model_dump(mode="json"), person, sequence_of(brief.reference["position"]))
