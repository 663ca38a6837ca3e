"""The one key by which push services know this installation (VAPID): private for `work`, public for every page."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from trunkline.installation import keys_directory, write_secret
from trunkline.settings import Settings
from webhooks.web_push import b64, point_of

log = logging.getLogger("trunkline")

PUBLIC_FILE: Final = "push-key.txt"
"""In ``roots``: the public half as a browser takes it, a point in base64url."""


def make_push_key(settings: Settings) -> bool:
    """Make what is missing of it; True where the key itself was. An existing one is never replaced:

    every browser's subscription is bound to it. Raises ``OSError`` where the folders cannot be written.
    """
    file = _file(settings)
    new = not file.exists()
    if new:
        pem = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        write_secret(draft, pem.decode())
        try:
            os.link(draft, file)  # unlike a rename it replaces nobody's: of two at once, one makes it
        except FileExistsError:
            new = False
        finally:
            draft.unlink()
    public = settings.roots_dir / PUBLIC_FILE
    text = b64(point_of(_read(file).public_key()))
    if not public.exists() or public.read_text("utf-8").strip() != text:
        write_secret(public, text)
        public.chmod(0o644)
    return new


def push_key(settings: Settings) -> EllipticCurvePrivateKey | None:
    """For `work`: the private key, made here where an older installation has none.

    None where it can neither be read nor made: then everything but notifications goes on, and the log says why.
    """
    try:
        with contextlib.suppress(OSError):  # where it is there already, the folder need not be ours to write
            make_push_key(settings)
        return _read(_file(settings))
    except (OSError, ValueError, TypeError):
        log.exception("push.no_key", extra={"mend": "run `trunkline init`, and let `work` read keys/push"})
        return None


def public_push_key(settings: Settings) -> str | None:
    """For `api`: what browsers subscribe with; None where `init` has not run since this was added."""
    try:
        return (settings.roots_dir / PUBLIC_FILE).read_text("utf-8").strip()
    except OSError:
        return None


def contact_of(settings: Settings) -> str:
    """Whom a push service may write to: the sender of our mail."""
    return f"mailto:{settings.mail_from.rpartition('<')[2].rstrip('>')}"


def _file(settings: Settings) -> Path:
    return keys_directory(settings) / "push" / "vapid.pem"


def _read(file: Path) -> EllipticCurvePrivateKey:
    found = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(found, EllipticCurvePrivateKey) or not isinstance(found.curve, SECP256R1):
        raise TypeError("the key for push services is not one on P-256")
    return found
