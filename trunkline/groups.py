"""Every reader group there is: trimming waits for all of them, and an operator looks through all of them."""

from typing import Final

from delivery import lists as delivery_lists
from maintenance import centers_sweep, desk_index
from maintenance import lists as maintenance_lists
from maintenance import lists_garages as garage_lists
from maintenance.centers_reactions import GROUP as CENTERS
from maintenance.desk_reactions import GROUP as DESK
from maintenance.news import GROUP as CASE_NEWS
from maintenance.reactions import GROUP as MAINTENANCE
from maintenance.singing import GROUP as CANARY
from maintenance.visit_news import GROUP as APPOINTMENTS
from people import lists as people_lists
from spine.archive import Archive
from spine.index import Index
from spine.log import Log
from spine.replay import rebuild
from trunkline import vehicle_list
from trunkline.desk import Desk
from vehicle_gateway.dispatch import GROUP as GATEWAY
from webhooks import lists as webhook_lists
from webhooks.forgetting import GROUP as FORGETTING
from webhooks.operational import GROUP as WEBHOOK_NEWS

LISTS: Final = "lists"
GROUPS: Final = (
    "keys",
    "delivery",
    "delivery-news",
    MAINTENANCE,
    CENTERS,
    CASE_NEWS,
    CANARY,
    APPOINTMENTS,
    "people",
    "renewal",
    GATEWAY,
    LISTS,
    DESK,
    FORGETTING,
    WEBHOOK_NEWS,
)


async def rebuild_lists(desk: Desk) -> int:
    """Build the lists for people anew from archive and log; how many facts were read."""
    log = Log(desk.valkey, desk.house)
    archive = Archive(log, desk.settings.archive_dir)
    index = Index(desk.valkey, desk.house)
    jobs = (
        (
            LISTS,
            (
                *delivery_lists.NAMES,
                *maintenance_lists.NAMES,
                *centers_sweep.NAMES,
                *garage_lists.NAMES,
                *people_lists.NAMES,
                *desk_index.NAMES,
                vehicle_list.VEHICLES,
                webhook_lists.ADDRESSES,
            ),
            (
                delivery_lists.places,
                maintenance_lists.places,
                centers_sweep.places,
                garage_lists.places,
                people_lists.places,
                desk_index.places,
                vehicle_list.places,
                webhook_lists.places,
            ),
        ),
    )
    count = 0
    for group, names, projections in jobs:
        count = await rebuild(
            index,
            log,
            archive,
            group=group,
            names=names,
            projections=projections,
            limits=desk.settings.spine,
        )
    return count
