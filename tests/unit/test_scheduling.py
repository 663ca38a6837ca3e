"""Which file a worker plays next."""

from tests.scheduling import chosen

WAITING = [
    "tests/journey/test_a.py",
    "tests/journey/test_b.py",
    "tests/service/test_c.py",
    "tests/unit/test_d.py",
]


def test_one_worker_begins_with_journeys_and_the_other_with_the_rest() -> None:
    assert chosen(WAITING, journeys=True) == WAITING[0]
    assert chosen(WAITING, journeys=False) == WAITING[2]


def test_who_is_done_helps() -> None:
    assert chosen(WAITING[2:], journeys=True) == WAITING[2]
    assert chosen(WAITING[:2], journeys=False) == WAITING[0]
