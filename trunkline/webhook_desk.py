"""What an operator's command needs of webhooks: every address, its rows and dead letters, and the sources."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from maintenance.centers_reactions import OURS
from spine.ids import EndpointId, NotAnId, partition_of
from spine.index import Index
from trunkline.compose import keyring_of
from trunkline.desk import Desk
from trunkline.posting import mail_door
from webhooks.endpoints import Endpoint, Endpoints
from webhooks.engine import AttemptRow, Engine
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.mail import Link, Mail
from webhooks.published import Addresses
from webhooks.sender import HttpSender
from webhooks.signers import Checker, PublicKey, Secret
from webhooks.sources import Source, SourceId, Sources, SourceUnknown


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """Looks and orders; nothing is sent from here: `work` sends."""

    endpoints: Endpoints
    addresses: Addresses
    engine: Engine
    sources: Sources

    @classmethod
    def of(cls, desk: Desk) -> "WebhookDesk":
        """On an open installation."""
        settings, store, clock = desk.settings, desk.store, desk.clock
        guard, keyring = Guard(dev=settings.webhooks_dev), keyring_of(settings)
        endpoints = Endpoints(store, clock, settings.webhooks, guard, keyring)
        mail = Mail(mail_door(settings), _no_link, sender=settings.mail_from)
        sender = HttpSender(settings.webhooks, guard)
        engine = Engine(store, clock, settings.webhooks, {}, sender, mail, endpoints)
        addresses = Addresses(endpoints, Index(desk.valkey, desk.house))
        return cls(endpoints, addresses, engine, _sources(desk, keyring))

    async def page(self, subscriber: str | None, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Addresses of one subscriber, or of all of them, newest first, and how each stands."""
        if subscriber is not None:
            if not _is_id(subscriber):
                return []
            return [await self._row(each) for each in await self.endpoints.of(subscriber)]
        page = await self.addresses.page(after=after, limit=limit)
        return [await self._row(each) for each in page.addresses]

    async def attempts(self, endpoint: EndpointId, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Rows of an address, newest first. Raises ``EndpointUnknown``, ``BadCursor``."""
        await self.endpoints.one(endpoint)
        return [_attempt(each) for each in (await self.engine.attempts(endpoint, after, limit)).rows]

    async def recover(self, endpoint: EndpointId, since: datetime, until: datetime) -> dict[str, Any]:
        """Queue again what died at an address in that time. Raises ``EndpointUnknown``, ``BacklogFull``."""
        await self.endpoints.one(endpoint)
        return {"endpoint": endpoint, "queued_again": await self.engine.recover(endpoint, since, until)}

    async def _row(self, each: Endpoint) -> dict[str, Any]:
        load = await self.engine.backlog(each.id)
        where = urlsplit(each.url)
        return {
            "endpoint": each.id,
            "subscriber": each.subscriber,
            # The rest of an address may hold what only its receiver should know.
            "origin": f"{where.scheme}://{where.netloc}",
            "state": each.state.value,
            "reason": each.reason,
            "types": list(each.types),
            "signatures": list(each.signatures),
            "waiting": load.waiting,
            "in_flight": load.in_flight,
            "dead": load.dead,
            "breaker": load.breaker,
            "held_until": load.held_until,
            "made_at": each.made_at,
        }


class ContactCenters:
    """Who may report by signed callbacks, as an operator makes and ends them."""

    def __init__(self, desk: Desk) -> None:
        keyring = keyring_of(desk.settings)
        self._sources = _sources(desk, keyring)
        guard = Guard(dev=desk.settings.webhooks_dev)
        self._endpoints = Endpoints(desk.store, desk.clock, desk.settings.webhooks, guard, keyring)

    async def add(self, name: str, key: PublicKey | None) -> dict[str, Any]:
        """A new one; its secret is in this answer only. Raises ``TooManySources``."""
        made, shown = await self._sources.open_center(name, key=key)
        return {**_source(made), **_shown(shown)}

    async def all(self) -> list[dict[str, Any]]:
        """Every one, oldest first."""
        return [_source(each) for each in await self._sources.of(None)]

    async def listens_at(self, source: str, url: str) -> dict[str, Any]:
        """An address where it hears what it is to call about; what it verifies with is in this answer only.

        Raises ``SourceUnknown``, and what ``Endpoints.add`` raises.
        """
        if not any(each.id == source for each in await self._sources.of(None)):
            raise SourceUnknown("there is no such contact center")
        made, shown = await self._endpoints.add(source, url, [f"{OURS}*"])
        return {"source": source, "endpoint": made.id, **_shown(shown)}

    async def rotate(self, source: str, overlap: timedelta | None, key: PublicKey | None) -> dict[str, Any]:
        """Its next secret, or its next public key. Raises as ``Sources.rotate``."""
        shown = await self._sources.rotate(SourceId(source), None, overlap=overlap, key=key)
        return {"source": source, **_shown(shown)}

    async def remove(self, source: str) -> dict[str, Any]:
        """Its callbacks are refused from now on, and it hears nothing. Raises ``SourceUnknown``."""
        await self._sources.unlink(SourceId(source), None)
        await self._endpoints.forget(source)
        return {"source": source, "state": "unlinked"}


def _is_id(text: str) -> bool:
    try:
        partition_of(text)
    except NotAnId:
        return False
    return True


def _sources(desk: Desk, keyring: Keyring) -> Sources:
    return Sources(desk.store, desk.clock, desk.settings.webhooks, keyring)


def _source(each: Source) -> dict[str, Any]:
    return {
        "source": each.id,
        "name": each.name,
        "signs": "v1a" if each.own_key else "v1",
        "made_at": each.linked_at,
    }


def _shown(shown: Checker) -> dict[str, str]:
    return {"secret" if isinstance(shown, Secret) else "public_key": shown.reveal()}


def _attempt(row: AttemptRow) -> dict[str, Any]:
    said = row.attempt.model_dump(mode="json", exclude={"answer"})
    return {"position": row.position, "message": row.message, **{k: v for k, v in said.items() if v != ""}}


async def _no_link(_link: Link) -> str:
    raise RuntimeError("an operator's command sends no mail")
