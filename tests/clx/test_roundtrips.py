from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clx import roundtrips
from clx.roundtrips import RoundTripKeeper
from core.model.settings import Settings
from store.roundtrips import RoundTripStore


class Desk:
    """Where a keeper asks to be told of round trips."""

    told: Callable[[str, str, int], None] | None = None

    def measure(self, told: Callable[[str, str, int], None]) -> None:
        self.told = told


def keeper(path: Path, mode: str) -> tuple[RoundTripKeeper, RoundTripStore, Desk]:
    desk, store = Desk(), RoundTripStore(path)
    settings = Settings.model_validate({"mode": mode, "venues": {"main": {"kind": "okx"}}})
    engine: Any = SimpleNamespace(kernel=SimpleNamespace(desk=desk))
    return RoundTripKeeper(engine, store, settings), store, desk


@pytest.mark.parametrize(("mode", "name"), [("live", "okx"), ("sim", "sim-okx")])
async def test_round_trips_are_kept_by_market_those_of_the_emulator_apart(
    tmp_path: Path, mode: str, name: str
) -> None:
    path = tmp_path / "roundtrips.json"
    kept, store, desk = keeper(path, mode)
    assert desk.told is not None
    desk.told("main", "order", 7)
    assert store.of(name) == {"order": [7]}
    assert not path.exists()
    kept.close()
    assert RoundTripStore(path).of(name) == {"order": [7]}


async def test_they_are_written_while_the_engine_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roundtrips, "EVERY_S", 0.0)
    path = tmp_path / "roundtrips.json"
    kept, store, desk = keeper(path, "live")
    loop, written = asyncio.get_running_loop(), asyncio.Event()
    write = store.write

    def writes(image: bytes) -> None:
        write(image)
        loop.call_soon_threadsafe(written.set)

    monkeypatch.setattr(store, "write", writes)
    assert desk.told is not None
    desk.told("main", "cancel", 9)
    await written.wait()
    assert RoundTripStore(path).of("okx") == {"cancel": [9]}
    kept.close()


def test_on_paper_nothing_is_measured(tmp_path: Path) -> None:
    _, _, desk = keeper(tmp_path / "roundtrips.json", "paper")
    assert desk.told is None
