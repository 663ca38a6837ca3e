"""A car that opens for no key without its owner's passkey: paired in the car, asked on the page, named in the evidence."""

import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from keys.car.claims import ReceiptClaims
from keys.car.jws import RECEIPT, RECORD, read
from keys.car.owner_keys import cid_hash
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, question, until
from tests.journey.test_delivery import _verified
from trunkline.play import Refused
from trunkline.processes import python_command

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

MAKE_A_PASSKEY = """async () => {
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const made = await navigator.credentials.create({ publicKey: {
    rp: { name: "Trunkline" }, user: { id: new Uint8Array(16), name: "ada", displayName: "Ada" },
    challenge: new Uint8Array(32), pubKeyCredParams: [-7, -257].map((alg) => ({ type: "public-key", alg })),
    authenticatorSelection: { residentKey: "required", userVerification: "required" } } });
  return { cid: text(made.rawId), public: text(made.response.getPublicKey()), origin: location.origin,
           rp_id: location.hostname };
}"""
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@dataclass
class Strict:
    """A car of its own for these tests, and how its pages are reached: a passkey wants a name, not a number."""

    stand: Stand
    name: str
    vehicle: str
    address: str
    url: str

    async def sit_in(self, **wish: Any) -> dict[str, Any]:
        """A person in the car pairs a passkey, or says whether every key needs one."""
        answer = await self.stand.car(self.name, ignition=True, **wish)
        await self.stand.car(self.name, ignition=False)
        return answer

    async def heard(self, *, required: bool, cids: int) -> None:
        """The service knows what the car says of its owner's passkeys."""

        async def told() -> bool:
            lines = await self.stand.by_hand(self._facts)
            return bool(lines) and (lines[-1]["required"], len(lines[-1]["cids"])) == (required, cids)

        await until(told, "the service knows the car's owner keys")

    def _facts(self) -> list[dict[str, Any]]:
        command = python_command("log", "tail", "--json")
        done = subprocess.run(
            command, env=self.stand.stage.environment(), capture_output=True, timeout=60, check=True
        )
        facts = map(json.loads, done.stdout.splitlines())
        return [
            one for one in facts if one["kind"] == "owner_keys.changed" and one["vehicle"] == self.vehicle
        ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict(stand: Stand) -> AsyncIterator[Strict]:
    async with stand.cast() as there:
        vehicle, _, address = await stand.more_car(there, "strict")
    url = stand.stage.url.replace("127.0.0.1", "localhost")
    yield Strict(stand, "strict", vehicle, address, url)


async def asked(cast: Cast, strict: Strict, reference: str) -> tuple[str, str]:
    """A delivery that waits for the owner, and the token of its mail's link."""
    delivery = await cast.carrier.order(
        strict.address, courier=cast.courier.courier, reference=reference, hours=2
    )
    token, _ = await question(cast.owner, delivery)
    return delivery, token


async def delivered(cast: Cast, strict: Strict, delivery: str) -> dict[str, Any]:
    """The courier comes, the car opens; the evidence."""
    token = await cast.courier.key(delivery)
    await cast.courier.arrive(delivery)
    assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
    await cast.carrier.wait_for(delivery, {"closed"})

    async def locked() -> bool:
        return "locked" in (await cast.carrier.view(delivery))["times"]

    await until(locked, "locked is told")
    return await cast.carrier.evidence(delivery)


def checked(strict: Strict, evidence: dict[str, Any], credential: str, tmp_path: Path) -> None:
    """The file verifies with no server, and both the service's record and the car's receipt name the credential."""
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(evidence), "utf-8")
    assert _verified(strict.stand, file)
    assert read(evidence["keys"][0], RECORD).claims["cid"] == credential
    told = [ReceiptClaims.of(read(one["receipt"], RECEIPT).claims) for one in evidence["receipts"]]
    assert [one.own for one in told if one.out == "consumed"] == [cid_hash(credential)]


async def test_with_a_software_key_by_the_command_line(
    strict: Strict, cast: Cast, stand: Stand, tmp_path: Path
) -> None:
    file, command = tmp_path / "owner.json", stand.stage.command
    pairing = await stand.by_hand(command, "owner", "software-key", str(file), "--url", strict.url)
    folder = ("--dir", str(stand.unit_folder(strict.name)))
    await stand.car(strict.name, ignition=True)
    document = tmp_path / "pairing.json"
    document.write_text(json.dumps(pairing), "utf-8")
    paired = await stand.by_hand(command, "unit", "pair-owner", str(document), *folder)
    assert [one["cid"] for one in paired["owner_keys"]] == [pairing["cid"]]
    assert (await stand.by_hand(command, "unit", "require-owner", "on", *folder))["require_owner"]
    await stand.car(strict.name, ignition=False)
    await strict.heard(required=True, cids=1)

    delivery, token = await asked(cast, strict, "software")
    found = await cast.owner.api.call("POST", "/v1/questions/open", {"token": token})
    bare = {"token": token, "decision": "approve", "shown": found["shown"]}
    with pytest.raises(Refused, match=r"key\.owner_must_sign"):
        await cast.owner.api.call("POST", "/v1/questions/decide", bare)
    link = f"{stand.stage.url}/decide#{token}"
    decided = await stand.by_hand(command, "owner", "approve", link, "--with-software-key", str(file))
    assert decided["decided"] == "approve"
    checked(strict, await delivered(cast, strict, delivery), pairing["cid"], tmp_path)

    await stand.car(strict.name, ignition=True)
    erased = await stand.by_hand(command, "unit", "unpair-owner", "--all", *folder)
    await stand.car(strict.name, ignition=False)
    assert (erased["owner_keys"], erased["require_owner"]) == ([], False)
    await strict.heard(required=False, cids=0)


async def test_with_a_passkey_on_the_page(strict: Strict, cast: Cast, web: Chromium, tmp_path: Path) -> None:
    web = replace(web, url=strict.url)
    page: Page = await web.page()
    await page.goto(f"{strict.url}/sign-in")
    debugger = await page.context.new_cdp_session(page)
    await debugger.send("WebAuthn.enable")
    authenticator = await debugger.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    passkey = await page.evaluate(MAKE_A_PASSKEY)
    await strict.sit_in(pair_owner=passkey)
    await strict.sit_in(require_owner=True)
    await strict.heard(required=True, cids=1)
    delivery, token = await asked(cast, strict, "passkey")

    await page.goto(f"{strict.url}/decide#{token}")
    await expect(page.locator("#question")).to_contain_text("signs for this courier's phone")
    user = {"authenticatorId": authenticator["authenticatorId"]}
    await debugger.send("WebAuthn.setUserVerified", {**user, "isUserVerified": False})
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#said")).to_contain_text("Your passkey did not sign, so nothing was decided")
    await debugger.send("WebAuthn.setUserVerified", {**user, "isUserVerified": True})
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#outcome")).to_have_text("Approved")
    checked(strict, await delivered(cast, strict, delivery), passkey["cid"], tmp_path)
    await strict.sit_in(erase_owners=True)
    await strict.heard(required=False, cids=0)
