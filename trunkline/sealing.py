"""The keys that seal secrets at rest, from settings or the installation's files; apart, so that commands start fast."""

import base64

from trunkline.installation import seal
from trunkline.settings import Settings
from webhooks.keyring import Keyring
from webhooks.sealing import Seal


def sealing_key(text: str) -> bytes:
    """The 32 bytes behind a base64url text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def keyring_of(settings: Settings) -> Keyring:
    """What seals the secrets of webhook addresses and linked systems at rest."""
    given = settings.endpoint_secret_key
    text = given.get_secret_value() if given is not None else seal(settings, "endpoint")
    first, *former = (sealing_key(each.strip()) for each in text.split(","))
    return Keyring(Seal(first, former))
