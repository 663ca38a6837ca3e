"""Make an installation in a data directory: keys, certificates, broker accounts, the store's functions."""

import base64
import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from keys.signing import JWKS_NAME, create_signing_keys
from people.operators import Operators
from spine.house import init_house, open_house
from spine.store import Store
from spine.valkey import Valkey
from trunkline.embedded import write_iotcore_config
from trunkline.settings import Settings
from vehicle_gateway import broker_config, pki

JWKS_FILE: Final = "service-keys.json"


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(path.suffix + ".new")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def secret_file(path: Path, *, size: int = 32) -> str:
    """Read a secret, made on first use: base64url of ``size`` random bytes."""
    if not path.exists():
        write_secret(path, base64.urlsafe_b64encode(secrets.token_bytes(size)).decode().rstrip("="))
    return path.read_text("utf-8").strip()


def keys_directory(settings: Settings) -> Path:
    """Where ``init`` puts the private keys, one folder per purpose (key, fresh, log for `work`; cmd for `gateway`)."""
    return settings.data_dir / "keys"


def seal(settings: Settings, name: str) -> str:
    """A secret of `api` and `work`: ``people`` seals what is kept of people, ``endpoint`` partners' webhook secrets."""
    return secret_file(keys_directory(settings) / "seal" / f"{name}.key")


def public_keys(settings: Settings) -> dict[str, Any]:
    """The service's public keys as ``init`` wrote them: a JWKS whose members name their purpose."""
    keys: dict[str, Any] = json.loads((settings.roots_dir / JWKS_FILE).read_text("utf-8"))
    return keys


def vehicle_ca(settings: Settings) -> str:
    """PEM of the authority that certifies units."""
    return (settings.roots_dir / "vehicle-ca.pem").read_text("utf-8")


def toml_value(value: object) -> str:
    """A string, number or truth value as TOML (JSON's forms of these are TOML's)."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


def write_settings(path: Path, values: dict[str, object]) -> None:
    """Write ``settings.toml``: what later commands in this data directory find by themselves."""
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(
        "# Written by `trunkline init`; environment variables TRUNKLINE_* stand above it.\n"
        + "\n".join(lines)
        + "\n",
        "utf-8",
    )


async def initialise(settings: Settings, now: datetime) -> dict[str, Any]:
    """Make what is missing of an installation; what is there stays. Says what it made and where.

    Keys and certificates are never overwritten, so it may be run again after a crash or with a new store.
    """
    from trunkline.push_key import make_push_key
    from trunkline.trust import Trust

    made: list[str] = []
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = keys_directory(settings)
    if not (keys / JWKS_NAME).exists():
        create_signing_keys(keys)
        made.append("signing keys")
    if not (settings.pki_dir / f"{pki.VEHICLE_CA}.key").exists():
        hosts = sorted({settings.units_broker_host, "127.0.0.1", "localhost"})
        pki.make(settings.pki_dir, hosts=hosts, now=now, limits=settings.gateway)
        made.append("certificate authorities")
    seal(settings, "endpoint")
    seal(settings, "people")
    if make_push_key(settings):
        made.append("key for push services")
    publish_roots(settings)
    configure_broker(settings)
    for folder in (settings.mail_dir, settings.photo_dir, settings.archive_dir):
        folder.mkdir(mode=0o700, exist_ok=True)
    valkey = Valkey.at(settings.store_url, cluster=settings.store_cluster)
    try:
        await init_house(valkey, settings.partitions)
        house = await open_house(valkey, allow_everysec=settings.allow_everysec)
        token_file = settings.data_dir / "operator.token"
        if not token_file.exists():
            token = await Operators(Store(valkey, house)).make("host", now=now)
            write_secret(token_file, token.text)
            made.append("operator token")
        made += await Trust(Store(valkey, house), settings).begin(now)
    finally:
        await valkey.close()
    return {"data_dir": str(settings.data_dir), "made": made, "partitions": house.partitions}


def publish_roots(settings: Settings) -> None:
    """Copy the public things that verification starts from into ``roots/``."""
    settings.roots_dir.mkdir(parents=True, exist_ok=True)
    opened = pki.Pki.open(settings.pki_dir, settings.gateway)
    (settings.roots_dir / "vehicle-ca.pem").write_text(opened.ca_pem, "utf-8")
    if not (settings.roots_dir / JWKS_FILE).exists():  # from then on every trust bundle writes it anew
        jwks = (keys_directory(settings) / JWKS_NAME).read_text("utf-8")
        (settings.roots_dir / JWKS_FILE).write_text(jwks, "utf-8")


def gateway_password(settings: Settings) -> str:
    """The gateway's password at the broker: from the settings, else the file that ``init`` made."""
    if settings.broker_password is not None:
        return settings.broker_password.get_secret_value()
    return secret_file(keys_directory(settings) / "broker" / "gateway.password", size=24)


def configure_broker(settings: Settings) -> None:
    """Write the broker's configuration for how cars sign in: Mosquitto with mTLS, or iotcore with passwords."""
    accounts = {settings.broker_username: gateway_password(settings)}
    if settings.units_broker_auth == "password":
        BrokerPasswords(settings).keep(accounts)
        return
    vehicles = broker_config.VehicleListener(
        settings.units_broker_port, broker_certificate(settings), bind=settings.units_broker_bind
    )
    layout = broker_config.Layout(
        settings.broker_dir,
        settings.broker_port,
        service_bind=settings.broker_bind,
        vehicles=vehicles,
        user=settings.broker_user,
    )
    broker_config.write(layout, accounts)


def broker_certificate(settings: Settings) -> Path:
    """The folder of the three files the broker needs, copied so that it never sees an authority's private key."""
    folder = settings.broker_dir / "tls"
    for name in (f"{pki.VEHICLE_CA}.crt", f"{pki.BROKER}.crt", f"{pki.BROKER}.key"):
        write_secret(folder / name, (settings.pki_dir / name).read_text("utf-8"))
    return folder


class BrokerPasswords:
    """Accounts of a broker without certificates (iotcore): a table from which its configuration is written."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._table = settings.broker_dir / "passwords.json"

    def set(self, account: str, password: str) -> None:
        """Add or change one account."""
        self.keep({account: password})

    def drop(self, account: str) -> None:
        """Remove one account."""
        table = self._read()
        table.pop(account, None)
        self._write(table)

    def keep(self, accounts: dict[str, str]) -> None:
        """Add or change accounts; the others stay."""
        self._write({**self._read(), **accounts})

    def _read(self) -> dict[str, str]:
        table: dict[str, str] = json.loads(self._table.read_text("utf-8")) if self._table.exists() else {}
        return table

    def _write(self, table: dict[str, str]) -> None:
        write_secret(self._table, json.dumps(table))
        write_iotcore_config(self._settings.broker_dir / "iotcore.toml", self._settings.broker_port, table)
