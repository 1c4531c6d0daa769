"""Look at the terminal without an engine: the app on a scripted, moving market.

python tests/tui/eyes.py                                    in this terminal
python tests/tui/eyes.py --size 120x36 --svg out.svg j j b  a picture, after these keys
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "fakes"))

from lively import LivelyLink

from tui.app import ClxApp


async def picture(
    app: ClxApp, size: tuple[int, int], keys: list[str], path: Path, wait_s: float
) -> None:
    """Press keys, then write what is seen as SVG and print it as text."""
    async with app.run_test(size=size) as pilot:
        await pilot.pause(1.0)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.2)
        await pilot.pause(0.5 + wait_s)
        app.save_screenshot(path.name, path=str(path.parent))
        for strip in app.screen._compositor.render_strips():
            sys.stdout.write("".join(segment.text for segment in strip) + "\n")


def main() -> None:
    """Read the arguments and show the app."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("keys", nargs="*", help="keys to press first, such as j b enter")
    parser.add_argument("--size", default="120x36")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds more before the picture")
    parser.add_argument("--theme", default="clx-dark")
    parser.add_argument("--svg", type=Path, help="write a picture instead of running")
    asked = parser.parse_args()
    app = ClxApp(LivelyLink(), theme=asked.theme)
    if asked.svg is None:
        app.run()
        return
    width, height = map(int, asked.size.split("x"))
    asyncio.run(picture(app, (width, height), asked.keys, asked.svg, asked.wait))


if __name__ == "__main__":
    main()
