"""Every duration and threshold of people, sign-in and access."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class PeopleLimits(BaseModel):
    """Read once by the settings; the defaults are those of delivery.md and webhooks.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mail_link_life: timedelta = Field(
        timedelta(minutes=15), description="How long a one-time sign-in link of a mail can be used."
    )
    notice_link_life: timedelta = Field(
        timedelta(hours=24), description="The same for the links of invitations and notices, read later."
    )
    session_life: timedelta = Field(timedelta(days=30), description="How long a person's session lasts.")
    operator_session_life: timedelta = Field(
        timedelta(minutes=30), description="How long an operator's session in a browser lasts."
    )
    sessions_per_person: int = Field(
        20, ge=1, le=100, description="Live sessions of one person; one more ends the oldest."
    )
    unconfirmed_life: timedelta = Field(
        timedelta(hours=24), description="When a person who never followed the first link is forgotten."
    )
    sign_ins_per_address: int = Field(5, ge=1, description="Sign-in mails to one e-mail address in an hour.")
    sign_ins_per_client: int = Field(
        60, ge=1, description="Sign-in requests of one network address in an hour."
    )
    redeems_per_client: int = Field(
        60, ge=1, description="Links, codes and assertions tried by one network address in ten minutes."
    )

    acts_per_session: int = Field(
        300, ge=1, description="What one session of a person may change in a minute, all routes together."
    )
    acts_per_carrier: int = Field(
        3000,
        ge=1,
        description="What one carrier may change in a minute, all its programs and routes together: a day's "
        "orders of a large one in minutes.",
    )
    acts_per_courier: int = Field(
        300,
        ge=1,
        description="What one courier may do in a minute, all jobs together: also what a phone kept while it "
        "had no network.",
    )
    requests_per_operator: int = Field(
        600, ge=1, description="Requests of one operator in a minute, API and pages together."
    )

    passkeys_per_person: int = Field(10, ge=2, le=50, description="Passkeys of one person.")
    passkey_challenge_life: timedelta = Field(
        timedelta(minutes=5), description="How long a passkey may take to answer what it was asked."
    )
    passkey_fresh: timedelta = Field(
        timedelta(minutes=5),
        description="How long after a gesture with a passkey its session may do what asks for one.",
    )
    passkey_tries: int = Field(
        30, ge=1, description="Questions to and answers of one person's passkeys in ten minutes."
    )
    device_life: timedelta = Field(
        timedelta(days=180), description="How long a device that nobody signs in on is remembered."
    )
    presence_after: timedelta = Field(
        default=timedelta(hours=72),
        description="how long a car must have been somebody's before presence in it counts for their account",
    )
    device_known_after: timedelta = Field(
        timedelta(hours=24),
        description="From then on a device signed in by a mail counts as known: two mails in a row do not.",
    )
    devices_per_person: int = Field(
        20, ge=1, le=100, description="Remembered devices of one person; one more forgets the oldest."
    )
    recovery_wait: timedelta = Field(
        timedelta(hours=72),
        description="Wait, with notice, before lost passkeys are dead without presence in the car.",
    )
    recovery_reminded_after: float = Field(
        0.5, gt=0, lt=1, description="Which part of that wait has passed when its person is told once more."
    )
    recoveries_per_person: int = Field(3, ge=1, description="Recoveries one person may ask for in a day.")

    claim_code_life: timedelta = Field(
        timedelta(minutes=10), description="Longest life of the code that a unit shows with ignition on."
    )
    claims_per_person: int = Field(10, ge=1, description="Claim codes one person may try in ten minutes.")
    claim_confirmed_within: timedelta = Field(
        timedelta(minutes=2),
        description="A claim that the person's side has not confirmed by then is looked at.",
    )
    invitation_life: timedelta = Field(
        timedelta(days=7), description="How long an invitation to a car is open."
    )
    invitations_per_car: int = Field(10, ge=1, description="Invitations to one car in a day.")
    people_per_car: int = Field(20, ge=1, description="People with a living role on one car.")
    notice: timedelta = Field(
        timedelta(hours=72),
        description="Wait, with notice, before a second owner or a new e-mail counts without presence.",
    )
    email_changes_per_person: int = Field(
        3, ge=1, description="E-mail changes one person may ask for in a day."
    )

    addresses_per_car: int = Field(200, ge=1, description="Usable car addresses of one car.")
    address_held_for: timedelta = Field(
        timedelta(minutes=10),
        description="A one-order address held for a delivery that never came is freed then.",
    )

    access_token_life: timedelta = Field(
        timedelta(minutes=10), description="Life of carriers' and couriers' access tokens."
    )
    assertion_life: timedelta = Field(
        timedelta(seconds=60),
        description="Longest life of an assertion signed by a courier's or carrier's key.",
    )
    clock_skew: timedelta = Field(
        timedelta(seconds=30), description="How far ahead of ours the clock of a signing device may be."
    )
    enrolment_code_life: timedelta = Field(
        timedelta(minutes=10), description="How long a courier's enrolment code can be used, once."
    )
    device_confirmed_within: timedelta = Field(
        timedelta(minutes=2),
        description="A device key taken for a courier who was never enrolled is freed then.",
    )
    tokens_per_carrier: int = Field(120, ge=1, description="Access tokens of one carrier in a minute.")
    unusable_addresses: int = Field(
        20, ge=1, le=1000, description="Unusable addresses in an hour that stop a carrier's orders."
    )

    answer_kept: timedelta = Field(
        timedelta(hours=24), description="How long the answer to an Idempotency-Key is kept."
    )
    answer_awaited: timedelta = Field(
        timedelta(seconds=30),
        description="A request that crashed holds its Idempotency-Key at most this long.",
    )
