"""Every setting of the server: read once, checked together, documented by a generated table (docs/settings.md)."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from delivery.limits import DeliveryLimits
from keys.limits import KeysLimits
from maintenance.limits import MaintenanceLimits
from people.limits import PeopleLimits
from spine.limits import SpineLimits
from trunkline.commands.places import default_data_directory
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import LinkLimits
from webhooks.limits import WebhooksLimits

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Settings(BaseSettings):
    """Environment variables ``TRUNKLINE_*`` first, then ``settings.toml`` in the data directory, then the defaults.

    ``TRUNKLINE_PROFILE`` names one more TOML file that stands above the data directory's: chaos runs and journeys
    shorten every duration in one such file.
    """

    model_config = SettingsConfigDict(
        env_prefix="TRUNKLINE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(
        default_factory=default_data_directory,
        description="Where keys, mail, photos, roots and demo data are kept.",
    )
    profile: Path | None = Field(
        None, description="A TOML file of settings that stands above the data directory's."
    )

    store_url: str = Field(
        "redis://127.0.0.1:6379/0", description="Valkey or Redis; redis://, rediss:// or unix://."
    )
    store_cluster: bool = Field(default=False, description="The store is a Valkey or Redis Cluster.")
    allow_everysec: bool = Field(
        default=False, description="Accept a store that fsyncs once a second (tests only)."
    )
    partitions: int = Field(
        8, ge=1, le=32, description="Partitions of a new installation; fixed by `trunkline init`."
    )

    listen_host: str = Field("127.0.0.1", description="Address the API listens on.")
    listen_port: int = Field(8080, ge=1, le=65535, description="Port the API listens on.")
    body_patience: timedelta = Field(
        timedelta(seconds=150),
        gt=timedelta(0),
        description="A request's body must be whole by then: a photo of a megabyte over the worst network that still "
        "carries one takes two minutes.",
    )
    work_linger: timedelta = Field(
        timedelta(milliseconds=15),
        ge=timedelta(0),
        description="How long `work` leaves the log alone once an opening has begun, so that it has processors and store to "
        "itself.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8080",
        description="Address people and partners reach the API by; stands in links. Passkeys need a name in it.",
    )

    broker_host: str = Field("127.0.0.1", description="Host of the MQTT broker as the gateway reaches it.")
    broker_port: int = Field(1883, description="Port of the broker's service listener.")
    broker_username: str = Field("svc_gateway", description="Account of the gateway at the broker.")
    broker_password: SecretStr | None = Field(
        None, description="Its password; none: `keys/broker/gateway.password`."
    )
    broker_bind: str = Field(
        "127.0.0.1",
        description="Address the broker's service listener binds to (written into its configuration).",
    )
    broker_user: str | None = Field(
        None, description="Account Mosquitto drops to when started as root; none: its own default."
    )
    units_broker_bind: str = Field(
        "127.0.0.1", description="Address the vehicle listener binds to (written into its configuration)."
    )
    broker_tls_ca: Path | None = Field(
        None, description="CA file for TLS on the service listener; none: no TLS."
    )
    units_broker_host: str = Field("127.0.0.1", description="Host of the broker as the cars reach it.")
    units_broker_port: int = Field(8883, description="Port of the vehicle listener.")
    units_broker_auth: Literal["certificate", "password"] = Field(
        "certificate",
        description="How cars sign in at the broker: mTLS, or one password each (demo on iotcore).",
    )

    signing_dir: Path | None = Field(
        None, description="Key service's private keys (key, fresh, log): set for `work` alone."
    )
    command_key_dir: Path | None = Field(
        None, description="The gateway's command key: set for `gateway` alone."
    )
    local_roots: bool = Field(
        default=True,
        description="`init` makes the three roots in `root-keys` here (a small installation); false: they are made "
        "elsewhere by `trunkline keys ceremony`.",
    )
    endpoint_secret_key: SecretStr | None = Field(
        None,
        description="Base64url of 32 bytes that encrypt webhook secrets at rest; none: `keys/seal/endpoint.key`. "
        "To change it put the new one first and a comma: the former ones still open what they sealed.",
    )

    mail_smtp_url: SecretStr | None = Field(
        None,
        description="smtp://, smtps:// or smtp+starttls:// with user and password; none: mail goes to files.",
    )
    mail_from: str = Field("Trunkline <no-reply@trunkline.invalid>", description="Sender of mail.")
    webhooks_dev: bool = Field(
        default=False, description="Let webhooks go to http and to loopback addresses (development, demo)."
    )
    sender_name: str | None = Field(
        None,
        description="Name of this `work` as a sender of news: the same after a restart, another one for each "
        "`work` of a machine; none: the machine's name.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level of the logs on stderr."
    )

    stage_socket: Path | None = Field(
        None,
        description="Set by `trunkline demo` alone: where its page meets it. None: there is no such page, and no page "
        "may be framed.",
    )

    map_tiles: str | None = Field(
        None,
        pattern=r"^https://[a-z0-9.-]{1,200}(:[0-9]{1,5})?/[!-~]{0,300}$",
        description="URL of map tiles with {z}, {x} and {y} for the small map of a delivery; none: it is drawn without.",
    )
    map_credit: str = Field("", max_length=200, description="Whom the tiles' terms ask to name on the map.")

    centers_file: Path | None = Field(
        None,
        description="A TOML file that says which cases go to which contact center with a system of its own "
        "(docs/contact-centers.md); none: every call is the own desk's.",
    )

    upkeep_every: timedelta = Field(
        timedelta(hours=24),
        description="How often the log is archived, checkpoints are signed and claims are compared.",
    )

    spine: SpineLimits = SpineLimits()
    keys: KeysLimits = KeysLimits()
    gateway: GatewayLimits = GatewayLimits()
    link: LinkLimits = LinkLimits()
    people: PeopleLimits = PeopleLimits()
    webhooks: WebhooksLimits = WebhooksLimits()
    delivery: DeliveryLimits = DeliveryLimits()
    maintenance: MaintenanceLimits = MaintenanceLimits()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.signing_dir and self.command_key_dir:
            raise ValueError(
                "signing_dir is for `work` and command_key_dir for `gateway`: no process holds both"
            )
        if self.public_url.endswith("/"):
            raise ValueError("public_url must not end with a slash")
        if self.stage_socket is not None and urlsplit(self.public_url).hostname not in _LOOPBACK:
            raise ValueError("stage_socket is for a demo on this machine: public_url names another")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor secret folders
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values, the environment, the profile, the data directory's file."""
        given: dict[str, Any] = {**env_settings(), **init_settings()}
        directory = Path(given.get("data_dir") or default_data_directory())
        files = [Path(p) for p in (given.get("profile"),) if p] + [directory / "settings.toml"]
        tomls = [TomlConfigSettingsSource(settings_cls, toml_file=file) for file in files]
        return (init_settings, env_settings, *tomls)

    # Where things stand in the data directory.
    @property
    def roots_dir(self) -> Path:
        """Public things that verification starts from: the vehicle CA and the service's public keys."""
        return self.data_dir / "roots"

    @property
    def root_keys_dir(self) -> Path:
        """The roots of a small installation, whose three keys lie together on this host."""
        return self.data_dir / "root-keys"

    @property
    def pki_dir(self) -> Path:
        """The vehicle CA and the broker's certificate."""
        return self.data_dir / "pki"

    @property
    def broker_dir(self) -> Path:
        """The broker's configuration, accounts and its own data."""
        return self.data_dir / "broker"

    @property
    def mail_dir(self) -> Path:
        """Mail as files, where no SMTP server is set."""
        return self.data_dir / "mail"

    @property
    def photo_dir(self) -> Path:
        """Photos, named by their SHA-256."""
        return self.data_dir / "photos"

    @property
    def archive_dir(self) -> Path:
        """Segments of the log."""
        return self.data_dir / "archive"
