"""What a unit does before anything else: count its starts, settle an opening that a power cut broke off."""

import zlib
from typing import Final

from keys.car.verify import Reading
from keys.car.window import Standing
from vehicle_unit.clock import Time
from vehicle_unit.disk import Disk
from vehicle_unit.executed import Answer, Executed
from vehicle_unit.receipts import Opening, Receipts
from vehicle_unit.record import RecordStore

FILE: Final = "boot"
_LONGEST_COMMAND: Final = 86_400
"""Seconds: no command lives longer."""
_ANSWERS: Final = {
    "opened": Answer("done", "opened"),
    "indeterminate": Answer("refused", "may_have_opened", may_have_opened=True),
}


def count_boot(disk: Disk, time: Time) -> int:
    """This start's number, durable before use. A lost counter goes on at the Unix time (keys.md 3.5)."""
    data = disk.read(FILE) or b""
    body, crc = data[:8], data[8:]
    whole = len(data) == 12 and zlib.crc32(body).to_bytes(4, "big") == crc
    boot = int.from_bytes(body, "big") + 1 if whole else int(time.wall())
    write_boot(disk, boot)
    return boot


def write_boot(disk: Disk, boot: int) -> None:
    """Keep the number: 8 bytes big endian and their CRC-32."""
    body = boot.to_bytes(8, "big")
    disk.replace(FILE, body + zlib.crc32(body).to_bytes(4, "big"))


def burn_consumed(record: RecordStore, receipts: Receipts) -> None:
    """Mark as used what receipts say was consumed: a receipt is durable before the record is.

    So a power cut between the two cannot make a key good for a second opening. Raises ``NotWritten``.
    """
    if record.current is None:
        return
    window = record.current.window
    for receipt in receipts.consumed():
        seq = receipt.claims.seq
        if seq is not None and window.standing(seq) is Standing.UNUSED:
            window = window.mark(seq)
    if window != record.current.window:
        record.advance(window=window)


def remember_answers(executed: Executed, receipts: Receipts) -> None:
    """Commands that brought a key before the power went get the answer that the receipts know."""
    for receipt in receipts.about_commands():
        claims = receipt.claims
        assert claims.cmd is not None
        answer = _ANSWERS.get(claims.out)
        if claims.out == "refused":
            answer = Answer("refused", claims.code or "")
        if answer is not None:
            executed.restore(claims.cmd, claims.at // 1000 + _LONGEST_COMMAND, answer)


def interrupted(receipts: Receipts, reading: Reading) -> Opening | None:
    """The opening that was going on when the power went, with the receipt it is owed.

    Consumed and no outcome: nobody can know whether it opened, so the chain says ``indeterminate``. In any
    case the caller drives the lock shut and lets the opening end as the lid says.
    """
    found = receipts.unfinished()
    if found is None:
        return None
    opening, said = found
    if said == {"consumed"}:
        receipts.append("indeterminate", reading, opening=opening)
    return opening
