"""Checkpoints of the log: signed once per position, readable by all, verified like any record."""

from datetime import UTC, datetime
from pathlib import Path

from keys.car.records import CheckpointRecord, read_record
from keys.car.trust import TrustedKeys
from keys.checkpoints import Checkpoints
from keys.signing import SigningKeys, create_signing_keys
from spine.store import Store

NOW = datetime(2026, 5, 6, 9, 0, tzinfo=UTC)
HASH = "ab" * 32


async def test_a_checkpoint_is_signed_once_and_verifies(store: Store, tmp_path: Path) -> None:
    jwks = create_signing_keys(tmp_path / "keys")
    signing = SigningKeys.load(tmp_path / "keys", {"log"})
    checkpoints = Checkpoints(store, signing)
    assert await checkpoints.latest(1) is None
    assert await checkpoints.sign(1, position="5-0", sha256=HASH, now=NOW)
    assert not await checkpoints.sign(1, position="5-0", sha256=HASH, now=NOW)
    signed = await Checkpoints(store).latest(1)
    assert signed is not None
    record = read_record(signed, trust=TrustedKeys.from_jwks(jwks))
    assert isinstance(record, CheckpointRecord)
    assert (record.partition, record.position) == (1, "5-0")
    assert await checkpoints.everywhere() == {"1": signed}
    assert await checkpoints.sign(1, position="6-0", sha256=HASH, now=NOW)
    assert await checkpoints.latest(1) != signed
