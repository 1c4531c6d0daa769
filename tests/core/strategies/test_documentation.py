"""The example in docs/strategies.md runs as printed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from core.model.signals import Direction
from core.strategies.stage import Assignment, Stage

GUIDE = (Path(__file__).parents[3] / "docs" / "strategies.md").read_text()


def test_the_example_loads_and_trades(write, settings, bar, fill) -> None:
    code, toml = (
        re.search(rf"```{kind}\n(.+?)```", GUIDE, re.DOTALL) for kind in ("python", "toml")
    )
    assert code is not None
    assert toml is not None
    given = tomllib.loads(toml[1])["strategies"]["dip"]
    given["kind"] = write(code[1], "dip.py")
    stage = Stage(Assignment.of("dip", settings(**given)))
    assert stage.info.indicators == ("rsi(14)", "ema(200)")
    assert stage.info.warmup_bars == 200
    up = {"rsi(14)": 15.0, "ema(200)": 99.0}
    signal, target = stage.handle(bar(1, up, close=100.0))
    assert (signal.direction, signal.confidence) == (Direction.LONG, 0.5)
    assert target.size == stage._strategy.size
    assert stage.handle(fill(2, 0.01)) == []
    assert stage.handle(bar(3, {"rsi(14)": 50.0, "ema(200)": 99.0}, close=99.0)) == []
    (leave,) = stage.handle(bar(4, {"rsi(14)": 50.0, "ema(200)": 99.0}, close=98.0))
    assert leave.size == 0


def test_every_action_and_hook_is_documented() -> None:
    from core.strategies.api import Strategy

    public = [name for name in vars(Strategy) if not name.startswith("_")]
    missing = [name for name in public if name not in GUIDE]
    assert missing == []
