"""What a scene is given and gives: the installation with its people, and where a picture is taken."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from tests.journey.chromium import Chromium
from tests.journey.stand import Cast, Stand
from tests.journey.test_pages_deciding import asked


@dataclass(frozen=True, slots=True)
class Shot:
    """``wait``: a selector that shows when the page is whole. ``page``: one that is open already, and is taken as it is.

    ``unfold``: what can be unfolded is, before the picture.
    """

    path: str
    wait: str = "h1"
    cookies: Mapping[str, str] = field(default_factory=dict)
    page: Page | None = None
    unfold: bool = False


class Speaking(Chromium):
    """A browser whose people have all chosen one language."""

    language: str = "en"

    async def page(self, *, session: str = "", javascript: bool = True, **options: Any) -> Page:
        """As everywhere, with the language's cookie."""
        page = await super().page(session=session, javascript=javascript, **options)
        await page.context.add_cookies([{"name": "tl_language", "value": self.language, "url": self.url}])
        return page


@dataclass
class World:
    """The installation, its people, the browser in which they prepare; ``until_the_end``: what stays up for later scenes."""

    stand: Stand
    cast: Cast
    web: Speaking
    until_the_end: AsyncExitStack
    deliveries: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> dict[str, str]:
        """The owner's session."""
        return {"tl_session": self.cast.owner.token}

    async def delivery(self, name: str) -> str:
        """A delivery that waits for its answer; the same one for each name."""
        if name not in self.deliveries:
            self.deliveries[name], _ = await asked(self.cast, reference=name)
        return self.deliveries[name]


Scene = Callable[[World], Awaitable[Shot]]


def still(path: str, wait: str = "h1", *, owner: bool = False, unfold: bool = False) -> Scene:
    """A page that nothing has to be done for."""

    async def scene(world: World) -> Shot:
        return Shot(path, wait, world.owner if owner else {}, unfold=unfold)

    return scene
