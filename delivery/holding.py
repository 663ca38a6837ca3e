"""Whether an approval holds by what was kept of it: what the signer goes by before it makes a key. Pure."""

from hashlib import sha256

from delivery import standing
from delivery.gesture import challenge, is_over
from delivery.limits import DeliveryLimits
from delivery.model import Read
from delivery.questions import Decided, Question, is_of
from delivery.states import ENDS


def holds(read: Read, question: Question | None, *, fra: int | None, limits: DeliveryLimits) -> bool:
    """The decision is recorded with its question, over exactly what was shown, for news as old as ``fra``,

    by a link, session, linked system or standing approval that the question or its record knows, at a level
    that the record bears out, and for the courier that was shown.
    """
    approval = read.body.approval
    if approval is None or question is None or question.decided is None or read.state in ENDS:
        return False
    decided, content = question.decided, question.content()
    digest = sha256(question.shown.encode()).hexdigest()
    return (
        decided.answer == "approve"
        and digest == question.digest == approval.shown
        and (decided.by, decided.level, decided.at) == (approval.by, approval.level, approval.at)
        and fra == decided.fra == approval.fra
        and content.get("delivery") == read.id
        and _for_whom_it_was_shown(read, content.get("courier"))
        and _came_so(question, decided)
        and _reached(question, decided, limits)
        and (read.body.draft is None or decided.own is not None)
    )


def _for_whom_it_was_shown(read: Read, shown: object) -> bool:
    """A question that named a courier was answered for that one."""
    if not isinstance(shown, dict):
        return True
    job = read.body.courier
    return job is not None and job.courier == shown.get("id")


def _came_so(question: Question, decided: Decided) -> bool:
    how, _, name = decided.source.partition(":")
    match how:
        case "link":
            return is_of(question.links, decided.source, decided.by)
        case "session":
            return bool(name) and decided.by is not None
        case "system":
            return bool(name) and bool(decided.record.get("mac")) and bool(decided.record.get("body_hash"))
        case "standing":
            return bool(name)
        case _:
            return False


def _reached(question: Question, decided: Decided, limits: DeliveryLimits) -> bool:
    """A level that says how sure we are needs what makes us so in the record."""
    how, _, name = decided.source.partition(":")
    if (decided.level == "standing") != (how == "standing"):
        return False
    match decided.level:
        case "passkey" if decided.passkey is None:
            return False
        case "passkey" if decided.assertion is None:
            return decided.own is not None
        case "passkey":
            wanted = challenge(question, decided.answer, decided.fra)
            return decided.assertion is not None and is_over(decided.assertion, wanted)
        case "standing":
            rule = standing.holds(
                decided.record, question.content(), by=decided.by, at=decided.at, limits=limits
            )
            if rule is None or rule.id != name or rule.at > decided.at:
                return False
            return is_over(rule.assertion, standing.challenge(rule.vehicle, rule.wish, rule.n))
        case _:
            return True
