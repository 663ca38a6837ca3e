"""Make an installation in a data directory: keys, certificates, broker accounts, the store's functions."""

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from trunkline.settings import Settings


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(path.suffix + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def secret_file(path: Path, *, size: int = 32) -> str:
    """Read a secret, made on first use: base64url of ``size`` random bytes."""
    if not path.exists():
        write_secret(path, base64.urlsafe_b64encode(secrets.token_bytes(size)).decode().rstrip("="))
    return path.read_text("utf-8").strip()


def signing_directory(settings: Settings) -> Path:
    """Where ``init`` puts the key service's keys (``work`` is pointed at it by ``signing_dir``)."""
    return settings.data_dir / "keys" / "service"


def command_directory(settings: Settings) -> Path:
    """Where ``init`` puts the gateway's command key (``gateway`` is pointed at it by ``command_key_dir``)."""
    return settings.data_dir / "keys" / "gateway"


def public_keys(settings: Settings) -> dict[str, Any]:
    """The service's public keys as ``init`` wrote them: a JWKS whose members name their purpose."""
    keys: dict[str, Any] = json.loads((settings.roots_dir / "service-keys.json").read_text("utf-8"))
    return keys


def toml_value(value: object) -> str:
    """A string, number or truth value as TOML (JSON's forms of these are TOML's)."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


def write_settings(path: Path, values: dict[str, object]) -> None:
    """Write ``settings.toml``: what later commands in this data directory find by themselves."""
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text("# Written by `trunkline init`; environment variables TRUNKLINE_* stand above it.\n" + "\n".join(lines) + "\n", "utf-8")
