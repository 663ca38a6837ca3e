"""Who and what the API is asked as and about: principals of every kind, deliveries in several states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.journey.stand import Cast, Stand, decide, until
from trunkline.play import Owner, link_token

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
"""One pixel."""


@dataclass(frozen=True)
class People:
    """``tokens``: by security scheme of the document. ``known``: by path parameter or member of a body."""

    tokens: Mapping[str, str] = field(repr=False)
    spare: str = field(repr=False)
    """A session that may be ended, of a person who may be erased."""
    known: Mapping[str, Sequence[str]] = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    """What must never be found in a log, and not in the store either, but for ``key``."""
    key: str = field(repr=False, default="")
    """A delivery key: of use to nobody but its device, and kept while it lives."""


async def gather(stand: Stand) -> People:
    """Play until there is something to ask about: a question, a key, a delivered parcel with a photo."""
    async with stand.cast() as cast:
        owner, carrier, courier, api = cast.owner, cast.carrier, cast.courier, cast.carrier.api
        delivered = await _delivered(cast)
        ready = await carrier.order(cast.address, courier=courier.courier, reference="ready")
        await decide(owner, ready)
        key = await courier.key(ready)
        asked = await carrier.order(cast.address, courier=courier.courier, reference="asked")
        letter = await owner.mail.wait(owner.address, "May ")
        nobody = await carrier.order("TL-7K3M-9QXD-4HWE", courier=courier.courier, reference="nobody")
        hooks = {"url": "http://127.0.0.1:9/hooks"}
        endpoint = await api.call("POST", "/v1/webhook-endpoints", hooks, token=carrier.token)
        of_car = f"/v1/owner/cars/{cast.vehicle}"
        addresses = await api.call("GET", f"{of_car}/addresses", token=owner.token)
        eve = Owner(api, owner.mail, "eve@example.org")
        await eve.sign_in()
        wanted = {"email": eve.address, "role": "driver", "may_approve": False}
        invited = await api.call("POST", f"{of_car}/people", wanted, token=owner.token)
        named, code = await carrier.name_courier("Spare")
        other = await stand.more_carrier(api, "Other Post")
        seen = await owner.view(delivered)
        operator = (stand.directory / "operator.token").read_text("utf-8").strip()
        hours = {"mon": [{"start": "08:00", "end": "17:00"}]}
        about = {"name": "Garage Noord", "address": "Kade 1", "mail": "noord@example.org", "hours": hours}
        garage = await api.call("POST", "/v1/operator/garages", about, token=operator)
        slots = await api.call("GET", "/v1/garage/slots?days=31", token=garage["token"])
    tokens = {
        "carrier": carrier.token,
        "courier": courier.token,
        "session": owner.token,
        "operator": operator,
        "garage": garage["token"],
    }
    return People(
        tokens=tokens,
        spare=eve.token,
        known={
            "delivery": (delivered, ready, asked, nobody),
            "vehicle": (cast.vehicle,),
            "person": (eve.person,),
            "courier": (named,),
            "carrier": (other.client_id,),
            "address": [addresses["data"][0]["id"]],
            "text": (cast.address,),
            "endpoint": (endpoint["id"],),
            "garage": (garage["garage"],),
            **({"slot": [one["slot"] for one in slots["data"]]} if slots["data"] else {}),
            "invitation": (invited["id"],),
            "sha256": tuple(seen["photos"]),
            "link": (link_token(letter),),
        },
        secrets=(*tokens.values(), eve.token, link_token(letter), code, endpoint["secret"]),
        key=key,
    )


async def _delivered(cast: Cast) -> str:
    owner, carrier, courier = cast.owner, cast.carrier, cast.courier
    delivery = await carrier.order(cast.address, courier=courier.courier, reference="delivered")
    await decide(owner, delivery)
    token = await courier.key(delivery)
    await courier.arrive(delivery)
    await courier.open(delivery, token)
    await carrier.wait_for(delivery, {"closed"})
    await _photo(cast, delivery)
    await carrier.wait_for(delivery, {"delivered"})

    async def pictured() -> bool:
        return bool((await owner.view(delivery))["photos"])

    await until(pictured, "the photo is there")
    return delivery


async def _photo(cast: Cast, delivery: str) -> None:
    path = f"{cast.courier.api.url}/v1/courier/jobs/{delivery}/photo"
    headers = {"Authorization": f"Bearer {cast.courier.token}", "Content-Type": "image/png"}
    async with aiohttp.ClientSession() as client, client.post(path, data=PNG, headers=headers) as said:
        assert said.status == 200, await said.text()
