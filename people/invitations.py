"""Invitations to a car: by an owner, to an e-mail; a second owner waits 72 h or shows presence."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from people import presence, roles, states
from people.cars import people_in, subject_of, write
from people.limits import PeopleLimits
from people.mail_links import Mailer, MailKind
from people.model import CarPeopleBody, Email, InvitationBody, InvitationView, Role, body_of
from people.persons import Persons
from people.presence import Presence
from people.problems import NotFound, NotYours, TooMany
from people.states import Invitation, InvitationStep, step
from spine.facts.people import CarClaimed
from spine.ids import PersonId, VehicleId, named_after, prefix_of
from spine.store import Change, Saved, Store, Write

_DAY: Final = timedelta(days=1)


class Invitations:
    """Subjects ``inv_<vehicle body>.<n>`` in the vehicle's partition."""

    def __init__(
        self, store: Store, persons: Persons, codes: Presence, mailer: Mailer, limits: PeopleLimits
    ) -> None:
        self._store = store
        self._persons = persons
        self._codes = codes
        self._mailer = mailer
        self._limits = limits

    async def offer(
        self, vehicle: VehicleId, email: Email, role: Role, *, by: PersonId, may_approve: bool, now: datetime
    ) -> InvitationView:
        """An owner invites whoever has this e-mail. All owners are told. Raises ``NotYours``, ``TooMany``."""
        view = await self._persons.view(by)
        crew = subject_of(vehicle)
        if by not in roles.owners(people_in(await self._store.load(crew)), now):
            raise NotYours("Only an owner invites people to a car.")
        invited = await self._persons.ask(email, language=view.language if view else "", now=now)
        before = people_in(await self._store.load(crew))
        invitation = named_after("inv", vehicle, before.invitations + 1)

        def decide(saved: Mapping[str, Saved]) -> Change:
            people = people_in(saved[crew])
            if by not in roles.owners(people, now):
                raise NotYours("Only an owner invites people to a car.")
            recent = [at for at in people.invited_at if now - at < _DAY]
            if len(recent) >= self._limits.invitations_per_car:
                raise TooMany(
                    "Too many invitations to this car today.", retry_after=int(_DAY.total_seconds())
                )
            body = InvitationBody(
                vehicle=vehicle, person=invited, role=role, by=by, era=people.era, may_approve=may_approve,
                offered_at=now, ripe_at=now + self._notice(role),
                expires_at=now + self._limits.invitation_life,
            )  # fmt: skip
            after = step(states.INVITATION, Invitation(saved[invitation].state), InvitationStep.OFFERED)
            counted = people.model_copy(
                update={"invitations": people.invitations + 1, "invited_at": [*recent, now]}
            )
            return Change(
                {
                    invitation: Write(after, body.model_dump_json(), body.expires_at),
                    crew: write(counted, limits=self._limits, now=now),
                }
            )

        done = await self._store.change([invitation, crew], decide)
        await self._mailer.mail(invited, MailKind.INVITATION, invitation)
        for owner in roles.owners(people_in(done.saved[crew]), now):
            await self._mailer.mail(owner, MailKind.INVITATION_NOTICE, invitation)
        return _view(done.saved[invitation])

    def _notice(self, role: Role) -> timedelta:
        return self._limits.notice if role is Role.OWNER else timedelta(0)

    async def view(self, invitation: str) -> InvitationView | None:
        """One invitation; None where there is none or it is over and erased."""
        if prefix_of(invitation) != "inv":
            return None
        saved = await self._store.load(invitation)
        return None if not saved.version or saved.ended else _view(saved)

    async def of_car(self, vehicle: VehicleId) -> list[InvitationView]:
        """The open invitations of a car, oldest first."""
        people = people_in(await self._store.load(subject_of(vehicle)))
        first = max(1, people.invitations - 2 * self._limits.invitations_per_car)
        ids = [named_after("inv", vehicle, n) for n in range(first, people.invitations + 1)]
        found = await self._store.load_many(ids)
        open_ = [
            saved
            for saved in (found[one] for one in ids)
            if saved.state in {Invitation.OFFERED, Invitation.ACCEPTED}
        ]
        return [_view(saved) for saved in open_]

    async def accept(
        self, invitation: str, *, person: PersonId, code: str | None, now: datetime
    ) -> InvitationView:
        """The invited person says yes. ``code``: of the car's unit, which makes an owner at once.

        Raises ``NotFound`` (also for another's invitation), ``CodeRefused``, ``NotNow``, ``TooFull``.
        """
        vehicle = await self._vehicle_for(invitation, person)
        crew, clm = subject_of(vehicle), presence.subject_of(vehicle)
        hashed = ""
        if code is not None:
            shown_by, hashed = await self._codes.vehicle_of(person, code, now=now)
            if shown_by != vehicle:
                raise NotFound("This is a code of another car.")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = body_of(saved[invitation], InvitationBody)
            state = Invitation(saved[invitation].state)
            if state is Invitation.BOUND or (state is Invitation.ACCEPTED and not hashed):
                return None
            if now >= body.expires_at or not _holds(body, people_in(saved[crew]), now):
                raise NotFound("This invitation is over.")
            taken = presence.take(saved[clm], hashed, person, now) if hashed else None
            if not hashed and now < body.ripe_at:
                after = step(states.INVITATION, state, InvitationStep.ACCEPTED)
                return Change({invitation: Write(after, body.model_dump_json(), body.ripe_at)})
            change = self._bound(saved[invitation], saved[crew], body, now)
            return Change({**change.writes, **({clm: taken} if taken else {})}, change.facts)

        done = await self._store.change([invitation, crew, clm], decide)
        return _view(done.saved[invitation])

    def _bound(self, invitation: Saved, crew: Saved, body: InvitationBody, now: datetime) -> Change:
        after = step(states.INVITATION, Invitation(invitation.state), InvitationStep.BOUND)
        people, bound = roles.bind(
            people_in(crew),
            body.person,
            body.role,
            may_approve=body.may_approve,
            limits=self._limits,
            now=now,
        )
        writes = {invitation.id: Write(after, body.model_dump_json())}
        if not bound:
            return Change(writes)
        claimed = CarClaimed(
            at=now, vehicle=VehicleId(body.vehicle), person=PersonId(body.person), role=body.role.value
        )
        return Change({**writes, crew.id: write(people, limits=self._limits, now=now)}, [claimed])

    async def cancel(self, invitation: str, *, by: PersonId, now: datetime) -> None:
        """Any owner of the car, or the invited person, takes it back while nobody is bound by it."""
        saved = await self._store.load(invitation) if prefix_of(invitation) == "inv" else Saved(invitation)
        if not saved.version or saved.ended:
            raise NotFound("There is no such invitation.")
        crew = subject_of(body_of(saved, InvitationBody).vehicle)

        def decide(found: Mapping[str, Saved]) -> Change | None:
            body = body_of(found[invitation], InvitationBody)
            if by != body.person and by not in roles.owners(people_in(found[crew]), now):
                raise NotFound("There is no such invitation.")
            if found[invitation].state == Invitation.CANCELLED:
                return None
            after = step(states.INVITATION, Invitation(found[invitation].state), InvitationStep.CANCELLED)
            return Change({invitation: Write(after, body.model_dump_json())})

        await self._store.change([invitation, crew], decide)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``inv_``: an accepted one whose notice has passed binds, an unanswered one lapses."""
        invitation = saved.id
        crew = subject_of(body_of(saved, InvitationBody).vehicle)

        def decide(found: Mapping[str, Saved]) -> Change | None:
            due = found[invitation]
            body, state = body_of(due, InvitationBody), Invitation(due.state)
            if state is Invitation.OFFERED and now >= body.expires_at:
                return Change(
                    {invitation: Write(step(states.INVITATION, state, InvitationStep.DUE), due.body)}
                )
            if state is not Invitation.ACCEPTED or now < body.ripe_at:
                return None
            if not _holds(body, people_in(found[crew]), now):
                after = step(states.INVITATION, state, InvitationStep.CANCELLED)
                return Change({invitation: Write(after, due.body)})
            return self._bound(due, found[crew], body, now)

        await self._store.change([invitation, crew], decide)

    async def _vehicle_for(self, invitation: str, person: PersonId) -> VehicleId:
        saved = await self._store.load(invitation) if prefix_of(invitation) == "inv" else Saved(invitation)
        if not saved.version or saved.ended or body_of(saved, InvitationBody).person != person:
            raise NotFound("There is no such invitation.")
        return VehicleId(body_of(saved, InvitationBody).vehicle)


def _holds(body: InvitationBody, people: CarPeopleBody, now: datetime) -> bool:
    """An invitation is as good as its inviter: still owner, in the same era."""
    return people.era == body.era and body.by in roles.owners(people, now)


def _view(saved: Saved) -> InvitationView:
    body = body_of(saved, InvitationBody)
    return InvitationView(
        saved.id, VehicleId(body.vehicle), PersonId(body.person), body.role, Invitation(saved.state),
        body.offered_at, body.ripe_at, body.expires_at,
    )  # fmt: skip
