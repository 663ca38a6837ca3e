"""Roles as rules, tokens that do not print, and names that only we can compute."""

from datetime import UTC, datetime, timedelta

import pytest

from people import roles, tokens
from people.limits import PeopleLimits
from people.model import CarPeopleBody, Role
from people.problems import TooFull
from people.pseudonyms import Pseudonyms
from people.tokens import Bearer
from spine.ids import partition_of

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
LIMITS = PeopleLimits()


def bound(people: CarPeopleBody, person: str, role: Role, now: datetime = NOW) -> CarPeopleBody:
    return roles.bind(people, person, role, may_approve=False, limits=LIMITS, now=now)[0]


def test_a_higher_role_replaces_a_lower_and_keeps_what_could_be_seen() -> None:
    people = bound(CarPeopleBody(), "ann", Role.OWNER)
    people = bound(people, "ben", Role.DRIVER)
    people = bound(people, "ben", Role.OWNER, LATER)
    held = roles.role_of(people, "ben", LATER)
    assert held is not None
    assert held.role is Role.OWNER
    assert roles.visible_from(people, held) == NOW
    assert roles.bind(people, "ben", Role.TOLD, may_approve=False, limits=LIMITS, now=LATER) == (
        people,
        False,
    )


def test_the_last_owner_takes_everybody_along_and_a_new_era_begins() -> None:
    people = bound(bound(CarPeopleBody(), "ann", Role.OWNER), "ben", Role.DRIVER)
    after, gone = roles.end(people, {"ann"}, now=LATER)
    assert [held.person for held in gone] == ["ann", "ben"]
    assert roles.living(after, LATER) == []
    assert after.era == people.era + 1
    new = bound(after, "ann", Role.OWNER, LATER + timedelta(days=1))
    held = roles.role_of(new, "ann", LATER + timedelta(days=1))
    assert held is not None
    assert roles.visible_from(new, held) == LATER + timedelta(days=1)


def test_with_an_owner_left_the_others_stay() -> None:
    people = bound(bound(CarPeopleBody(), "ann", Role.OWNER), "ben", Role.OWNER)
    after, gone = roles.end(people, {"ann"}, now=LATER)
    assert [held.person for held in gone] == ["ann"]
    assert roles.owners(after, LATER) == ["ben"]
    assert after.era == people.era
    assert roles.end(after, {"ann"}, now=LATER) == (after, [])


def test_a_car_has_room_for_so_many() -> None:
    people = CarPeopleBody()
    for n in range(LIMITS.people_per_car):
        people = bound(people, f"p{n}", Role.OWNER)
    with pytest.raises(TooFull):
        bound(people, "one more", Role.TOLD)


def test_only_the_newest_ended_roles_are_remembered() -> None:
    people = CarPeopleBody()
    for n in range(260):
        people = bound(people, f"p{n}", Role.OWNER, NOW + timedelta(days=n))
        people, _ = roles.end(people, {f"p{n}"}, now=NOW + timedelta(days=n, hours=1))
    assert len(people.roles) == 200
    assert people.roles[-1].person == "p259"
    assert people.bindings == 260


def test_a_token_is_read_back_and_does_not_print() -> None:
    for bearer, subject in (
        (Bearer.SESSION, "per_3aaaaaaaaaaaaaaa"),
        (Bearer.CARRIER, "car_3aaaaaaaaaaaaaaa"),
        (Bearer.COURIER, "cou_3aaaaaaaaaaaaaaa"),
        (Bearer.OPERATOR, "opr_3aaaaaaaaaaaaaaa"),
    ):
        token = tokens.draw(bearer, subject)
        assert tokens.read(token.text) == token
        assert token.secret not in repr(token)
        assert len(token.hash) == 64


@pytest.mark.parametrize(
    "text",
    ["", "tls_", "tlx_3aaaaaaaaaaaaaaa." + "a" * 43, "tls_3aaaaaaaaaaaaaaa." + "a" * 42, "tls_3aaaaaaaaaaaaaaa." + "ä" * 43,
     "tls_3aaaaaaaaaaaaaaa." + "a" * 43 + "\n", "tls_3aaaaaaaaaaaaaaa." + "a" * 43 + "="],
)  # fmt: skip
def test_what_is_no_token_is_not_read(text: str) -> None:
    assert tokens.read(text) is None


def test_pseudonyms_need_the_secret_and_say_where_they_live() -> None:
    one, other = Pseudonyms(b"1" * 32, 8), Pseudonyms(b"2" * 32, 8)
    assert one.id("eml", "ada@example.org") == one.id("eml", "ada@example.org")
    assert one.id("eml", "ada@example.org") != other.id("eml", "ada@example.org")
    assert partition_of(one.id("adr", "x", partition=5)) == 5
    assert 0 <= partition_of(one.id("eml", "x")) < 8
    assert one.text("a", "bc") != one.text("ab", "c")
    assert partition_of(one.named("cou", "seed", partition=6)) == 6
    assert "1111" not in repr(one)
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(b"short", 8)
