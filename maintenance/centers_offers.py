"""What is free for a case that a contact center has, while its agent talks to the owner."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from maintenance.centers_report import About, HandoutUnknown, is_live
from maintenance.centers_states import handouts_of, subject_of
from maintenance.offers import Offers
from maintenance.service import Cases, NoSuchCase
from maintenance.visit_views import OfferOut, offer_out
from people.api_parts import Out
from spine.ids import CaseId, GarageId
from spine.problems import Kind, Problem
from spine.store import Elsewhere
from webhooks.verified import Callback


class HandoutOver(Problem):
    """The case is not this contact center's any more: nobody there books for it."""

    code: ClassVar[str] = "center.handout_over"
    kind: ClassVar[Kind] = Kind.CONFLICT


class SlotsWanted(About):
    """What a contact center signs to see free slots. ``garage``: only of this one; ``start``: none sooner."""

    garage: Annotated[GarageId, Field(pattern="^gar_[0-9a-hjkmnp-tv-z]{16}$")] | None = None
    start: AwareDatetime | None = None


class SlotsOut(Out):
    """By garage, the one that the owner chose first; what was free a moment ago."""

    case: CaseId
    data: tuple[OfferOut, ...]


class CenterOffers:
    """Shows slots to the center that has the case, and to no other."""

    def __init__(self, cases: Cases, offers: Offers) -> None:
        self._cases = cases
        self._offers = offers

    async def of(self, callback: Callback) -> SlotsOut:
        """At most ``limits.centers.slots_offered`` in all. Looking changes nothing.

        Raises ``ReportUnreadable``, ``HandoutUnknown``, ``HandoutOver``, ``NoSuchGarage``.
        """
        wanted = SlotsWanted.read(callback.body)
        try:
            saved = await self._cases.store.load(subject_of(wanted.case))
            handout = wanted.handout(handouts_of(saved), callback.source)
            read = await self._cases.read(wanted.case)
        except (Elsewhere, NoSuchCase) as cause:
            raise HandoutUnknown("there is no such hand-out") from cause
        if not is_live(read, saved, handout, self._cases.clock.now()):
            raise HandoutOver("this case is not yours any more: do not call")
        most = self._cases.limits.centers.slots_offered
        found = await self._offers.of(read, garage=wanted.garage, most=most, start=wanted.start)
        each = max(1, most // max(1, len(found)))
        shown = [offer_out(one) for one in found[:most]]
        return SlotsOut(
            case=wanted.case, data=tuple(one.model_copy(update={"slots": one.slots[:each]}) for one in shown)
        )
