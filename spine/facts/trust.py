"""Whom all cars trust: new versions of the trust bundle."""

from typing import ClassVar, Final, Literal

from spine.facts.base import Base

TRUST: Final = "tru_0service"
"""The one subject of an installation's trust, in the first partition."""


class TrustPublished(Base):
    """A trust bundle is in force: its signatures (``tl-bundle+jwt``), which the gateway brings to every car."""

    about: ClassVar[str] = "trust"
    kind: Literal["trust.published"] = "trust.published"
    trust: str
    version: int
    bundle: tuple[str, ...]
