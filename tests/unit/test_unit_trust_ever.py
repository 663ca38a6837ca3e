"""Whatever bundles come, in any order, with starts and torn memory between: trust never goes back."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.jws import SigningKey, Unacceptable
from tests.keys_trust import ROOTS, claims, entry, signed
from tests.unit.test_unit_trust import Car
from tests.unit.unit_rig import CMD_SIGNER, FRESH_SIGNER, T0
from vehicle_unit.trust import FILE

ISSUERS = [SigningKey.draw() for _ in range(6)]
BUNDLES = [
    signed(claims(n, entry("key", key), entry("fresh", FRESH_SIGNER), entry("cmd", CMD_SIGNER), at=T0))
    for n, key in enumerate(ISSUERS, 1)
]
FORGED = [
    signed(claims(n, entry("key", key), at=T0), ROOTS[0], SigningKey.draw())
    for n, key in enumerate(ISSUERS, 1)
]
STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 5)),
    st.tuples(st.just("forged"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["start", "lose", "tear", "put back", "lose record"]), st.just(0)),
)


@settings(max_examples=150)
@given(steps=st.lists(STEPS, max_size=14))
def test_a_version_that_was_in_force_is_never_undercut(steps: list[tuple[str, int]]) -> None:
    car = Car(Path("unused"), enrolled_with=BUNDLES[0])
    highest, old_files = 1, [car.disk.files.get(FILE)]
    record_lost = False
    for what, which in steps:
        match what:
            case "take":
                car.unit.take_bundle(BUNDLES[which])
            case "forged":
                try:
                    car.unit.take_bundle(FORGED[which])
                except Unacceptable:
                    pass
                else:
                    raise AssertionError("a forged bundle was taken")
            case "start":
                car.start()
            case "lose":
                car.disk.files.pop(FILE, None)
                car.start()
            case "tear":
                if FILE in car.disk.files:
                    car.disk.files[FILE] = car.disk.files[FILE][:40]
                car.start()
            case "put back":
                former = old_files[len(old_files) // 2]
                if former is not None and not record_lost:
                    car.disk.files[FILE] = former
                car.start()
            case _:
                car.disk.files.update({"record.0": b"", "record.1": b""})
                record_lost = True
                car.start()
        trust = car.unit.trust
        old_files.append(car.disk.files.get(FILE))
        if trust.in_force:
            if not record_lost:
                assert trust.version >= highest
            named = [n for n, key in enumerate(ISSUERS, 1) if trust.find(key.kid, "key")]
            assert named == [trust.version]
            highest = max(highest, trust.version)
        else:
            assert dict(trust.keys) == {}
