"""Makes the PNG icons of the installable pages from trunkline/static/icon.svg: ``python -m tests.icons``.

Committed, since phones want pixels and no browser runs where the package is built.
"""

import re
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journey.chromium import BINARY

STATIC = Path(__file__).parent.parent / "trunkline" / "static"


def main() -> None:
    svg = (STATIC / "icon.svg").read_text("utf-8")
    square = svg.replace(' rx="7"', "")  # a launcher cuts its own shape: nothing of ours may be cut into
    drawn = re.sub(r"<rect[^>]*/>", "", square)
    wanted = {
        "icon-192.png": (192, svg, "1"),
        "icon-512.png": (512, svg, "1"),
        "icon-maskable-512.png": (512, square, ".8"),
        "icon-badge.png": (96, re.sub(r'stroke="#[0-9a-f]{3,6}"', 'stroke="#fff"', drawn), "1.2"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BINARY, args=["--no-sandbox"])
        for name, (size, picture, scale) in wanted.items():
            page = browser.new_page(viewport={"width": size, "height": size})
            under = "#12507a" if "maskable" in name else "transparent"
            page.set_content(
                f"<style>*{{margin:0}}body{{background:{under}}}svg{{width:{size}px;height:{size}px;display:block;"
                f"transform:scale({scale})}}</style>{picture}"
            )
            page.screenshot(path=STATIC / name, omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
