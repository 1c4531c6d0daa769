"""What a process really loads, read from `sys.modules` of a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE_ROOMS = {"core.engine", "core.trading", "core.venues", "core.feeds", "core.wire", "core.ai"}


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the names of all modules it loaded."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_terminal_face_loads_no_engine_and_nothing_heavy() -> None:
    loaded = loaded_by("import tui.app, link.client")
    heavy = {"numba", "ccxt", "onnxruntime", "aiosqlite", "aiohttp", "torch", "sqlite3"}
    assert not loaded & (heavy | (ENGINE_ROOMS - {"core.wire"}))
    wire = {name for name in loaded if name.startswith("core.wire.")}
    assert wire <= {"core.wire.backoff"}


def test_the_terminal_face_paints_before_it_loads_numpy_or_pydantic() -> None:
    loaded = loaded_by("import tui.app, link.client")
    assert not loaded & {"numpy", "pydantic", "plotext"}


def test_the_way_to_the_first_paint_leads_past_click_and_toml() -> None:
    loaded = loaded_by("import clx.cli.entry, clx.cli.opening, clx.spawn, link.client")
    assert not loaded & {"click", "tomllib", "importlib.metadata", "rich"}


def test_help_loads_nothing_but_click() -> None:
    loaded = loaded_by(
        "from clx.cli.verbs import cli\n"
        "try: cli.main(['--help'], standalone_mode=False)\n"
        "except SystemExit: pass"
    )
    assert not loaded & {"numpy", "pydantic", "textual", "msgspec", "asyncio", "numba"}


def test_verbs_that_read_what_is_kept_load_no_engine() -> None:
    loaded = loaded_by("import clx.cli.data.kept, clx.cli.data.quality, store.market")
    assert not loaded & {"numba", "aiohttp", "core.engine", "core.feeds.registry"}


def test_the_emulator_shares_no_codec_with_what_it_tests() -> None:
    loaded = loaded_by("import emulator.__main__")
    assert not loaded & (
        (ENGINE_ROOMS | {"link", "store", "tui", "core.strategies"}) - {"core.venues"}
    )
    venues = {name for name in loaded if name.startswith("core.venues.")}
    assert venues <= {"core.venues.matching"}


def test_the_engine_does_not_load_ccxt_torch_or_textual() -> None:
    loaded = loaded_by("import clx.compose")
    assert not loaded & {"ccxt", "torch", "textual", "plotext"}


@pytest.mark.parametrize("room", ["core.strategies.host", "core.strategies.api"])
def test_a_strategy_process_holds_no_trading_venue_or_wire_code(room: str) -> None:
    loaded = loaded_by(f"import {room}")
    assert not loaded & {"core.trading", "core.venues", "core.wire", "store", "aiohttp"}
