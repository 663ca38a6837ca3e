"""Who listens to the log in process `work`, and what time alone does there."""

from delivery import lists as delivery_lists
from delivery.news import KINDS as NEWS_KINDS
from delivery.reactions import KINDS as DELIVERY_KINDS
from keys.issue import Keys
from maintenance import centers_sweep, desk_index
from maintenance import lists as maintenance_lists
from maintenance import lists_garages as garage_lists
from maintenance.centers_reactions import GROUP as CENTERS
from maintenance.centers_reactions import KINDS as CENTERS_KINDS
from maintenance.desk_reactions import GROUP as DESK
from maintenance.desk_reactions import KINDS as DESK_KINDS
from maintenance.news import GROUP as CASE_NEWS
from maintenance.news import KINDS as CASE_NEWS_KINDS
from maintenance.reactions import GROUP as MAINTENANCE
from maintenance.reactions import KINDS as MAINTENANCE_KINDS
from maintenance.singing import GROUP as CANARY
from maintenance.singing import KINDS as CANARY_KINDS
from maintenance.visit_news import GROUP as APPOINTMENTS
from maintenance.visit_news import KINDS as APPOINTMENT_KINDS
from people import lists as people_lists
from people.reactions import GROUP as PEOPLE_GROUP
from people.reactions import KINDS as PEOPLE_KINDS
from spine.readers import Reader
from spine.timers import Timers
from trunkline import vehicle_list
from trunkline.compose import Services
from vehicle_gateway.pki import Pki
from vehicle_gateway.renewal import KINDS as RENEWAL_KINDS
from vehicle_gateway.renewal import Renewals
from webhooks import lists as webhook_lists
from webhooks.forgetting import GROUP as FORGETTING
from webhooks.forgetting import KINDS as FORGOTTEN
from webhooks.forgetting import Forgetting
from webhooks.operational import GROUP as OPERATIONAL
from webhooks.operational import KINDS as TOLD_OF
from webhooks.operational import Operational


def readers(parts: Services) -> list[Reader]:
    """Who listens to the log in process `work`."""
    base = parts.ground
    authority = Pki.open(base.settings.pki_dir, base.settings.gateway)
    renewal = Renewals(base.store, base.clock, base.settings.gateway, authority, parts.commands)
    news = parts.delivery.news(parts.engine, parts.endpoints, parts.subscriptions, parts.devices)
    case_news = parts.maintenance.news(parts.engine, parts.endpoints, parts.subscriptions, parts.devices)
    visit_news = parts.maintenance.visit_news(parts.engine, parts.devices)

    def reader(group: str, handle: object, kinds: frozenset[str] | None = None) -> Reader:
        return Reader(
            base.store,
            base.log,
            base.tail,
            group,
            handle,  # type: ignore[arg-type]  # each package names what it needs of an entry
            kinds=kinds,
            limits=base.settings.spine,
            clock=base.clock,
        )

    return [
        reader("keys", parts.keys.react, Keys.KINDS),
        reader("delivery", parts.delivery.reactions.handle, DELIVERY_KINDS),
        reader("delivery-news", news.handle, NEWS_KINDS),
        reader(MAINTENANCE, parts.maintenance.reactions.handle, MAINTENANCE_KINDS),
        reader(CANARY, parts.maintenance.singing.handle, CANARY_KINDS),
        reader(CASE_NEWS, case_news.handle, CASE_NEWS_KINDS),
        reader(APPOINTMENTS, visit_news.handle, APPOINTMENT_KINDS),
        reader(PEOPLE_GROUP, parts.people.reactions.react, PEOPLE_KINDS),
        reader("renewal", renewal.react, RENEWAL_KINDS),
        reader(CENTERS, parts.maintenance.centers.reactions(parts.engine).handle, CENTERS_KINDS),
        reader(DESK, parts.maintenance.desk.reactions.handle, DESK_KINDS),
        reader(FORGETTING, Forgetting(parts.endpoints, parts.devices).handle, FORGOTTEN),
        reader(
            OPERATIONAL,
            Operational(parts.engine, parts.endpoints, parts.subscriptions, base.clock).handle,
            TOLD_OF,
        ),
        reader(
            "lists",
            base.index.reaction(
                delivery_lists.places,
                desk_index.places,
                maintenance_lists.places,
                centers_sweep.places,
                garage_lists.places,
                people_lists.places,
                vehicle_list.places,
                webhook_lists.places,
            ),
        ),
    ]


def timers(parts: Services) -> Timers:
    """What time alone does, in process `work`."""
    base = parts.ground
    news = parts.delivery.news(parts.engine, parts.endpoints, parts.subscriptions, parts.devices)
    handlers = {
        **parts.people.reactions.timers(),
        **parts.maintenance.timers(),
        "dlv": parts.delivery.due.on_due,
        "vis": parts.delivery.placing.forget_visit,
        "prm": news.on_due,
        "key": parts.keys.on_due,
        "rvl": parts.keys.on_due,
        "apr": parts.keys.on_due,
        "fsh": parts.keys.on_due,
        "cmd": parts.commands.on_due,
    }
    return Timers(base.store, handlers, clock=base.clock, limits=base.settings.spine)
