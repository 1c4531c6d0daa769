"""The scripted engine link and an app on it."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fakes"))

from fake_link import FakeLink
from textual.pilot import Pilot

from tui.app import ClxApp

Opened = AbstractAsyncContextManager[Pilot[None]]
Open = Callable[..., Opened]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A UTF-8 terminal with all colours, and no themes of the person who runs the tests."""
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "CLX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def link() -> FakeLink:
    """A link that comes up at once."""
    return FakeLink()


@pytest.fixture
def opened(link: FakeLink) -> Open:
    """Open the app on the link: ``async with opened(size=(80, 24)) as pilot``."""

    @asynccontextmanager
    async def enter(
        size: tuple[int, int] = (120, 36), **options: Any
    ) -> AsyncIterator[Pilot[None]]:
        app = ClxApp(options.pop("link", link), **options)
        async with app.run_test(size=size) as pilot:
            await settle(pilot)
            yield pilot

    return enter


async def settle(pilot: Pilot[None]) -> None:
    """Let workers and messages run, then draw what changed without waiting for the timer."""
    await pilot.pause()
    screen = pilot.app.trade_screen
    if screen is not None:
        screen.draw_all()
    await pilot.pause()


@pytest.fixture
def look() -> Callable[[Pilot[None]], str]:
    """Read what is on the terminal, row by row."""

    def read(pilot: Pilot[None]) -> str:
        width, height = pilot.app.size
        lines = pilot.app.screen._compositor.render_strips()
        assert len(lines) == height
        texts = ["".join(segment.text for segment in line) for line in lines]
        assert all(len(text) == width for text in texts), [len(text) for text in texts]
        return "\n".join(texts)

    return read


Press = Callable[..., Any]


@pytest.fixture
def press() -> Press:
    """Press keys one after another, each followed by everything it sets in motion."""

    async def enter(pilot: Pilot[None], *keys: str) -> None:
        for key in keys:
            await pilot.press(key)
        await settle(pilot)

    return enter


@pytest.fixture
def until() -> Press:
    """Wait for something that a thread or a timer brings about."""

    async def wait(pilot: Pilot[None], there: Callable[[], bool]) -> None:
        for _ in range(300):
            await settle(pilot)
            if there():
                return
            await pilot.pause(0.01)
        raise AssertionError("it never came about")

    return wait
