"""Train the small model that comes with clx.

``python -m core.ai.training.tiny --klines http://127.0.0.1:PORT/api/v3/klines --symbols ...
--start 2026-04-01 --end 2026-07-01 --out core/ai/models/tiny-1m.onnx --seed 7``

Progress is one JSON object a line on stdout. The model card is written beside the file.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.ai.card import FORMAT, Card
from core.ai.features import FEATURES, schema_sha256
from core.ai.training import measure
from core.ai.training.data import Samples, Series, data_sha256, fetch, read_csv, samples
from core.ai.training.export import finish, to_onnx
from core.ai.training.fit import Progress, answers, fit
from core.ai.training.folds import walk_forward
from core.ai.training.modelcard import describe
from core.ai.training.network import TinyNet
from core.engine.clock import SystemClock
from core.model.errors import ClxError, ConfigError
from core.model.market import Timeframe

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
HORIZON: Final = 5
FOLDS: Final = 4
_MINUTE_MS: Final = 60_000
_GOLDEN: Final = 12
_DEFAULT_SYMBOLS: Final = "BTCUSDT,ETHUSDT,SOLUSDT,BNBUSDT,XRPUSDT,DOGEUSDT"


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        train(options)
    except ClxError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def train(options: argparse.Namespace) -> None:
    """Read data, judge by walk-forward, train on all of it, export.

    Raises:
        ConfigError: The data cannot be had or are too few.
    """
    series = _read(options)
    whole = samples(series, HORIZON)
    if len(whole.returns) < 5000:
        raise ConfigError(f"at least 5000 samples are needed, was {len(whole.returns)}")
    _say(event="data", samples=len(whole.returns), series=[item.name for item in series])
    metrics = _judge(whole, options)
    _say(event="metrics", **metrics)
    net = fit(
        whole.rows, whole.returns, HORIZON, seed=options.seed, epochs=options.epochs,
        batch=options.batch, tell=_teller("final"),
    )  # fmt: skip
    golden = _golden(whole)
    model = to_onnx(net, golden)
    first, last = (_iso(int(whole.ts_open_ms[place])) for place in (0, -1))
    names = ", ".join(item.name for item in series)
    card = Card(
        format=FORMAT,
        id=options.out.stem,
        title=options.title,
        timeframe=Timeframe.M1,
        horizon_bars=HORIZON,
        features=tuple(feature.name for feature in FEATURES),
        schema_sha256=schema_sha256(),
        target=f"log return over {HORIZON} bars: p(> 0) and 10/50/90 % quantiles",
        trained_on=f"{options.data_kind}: {names}, 1m bars, {first[:10]} to {last[:10]}",
        train_range=(first, last),
        data_kind=options.data_kind,
        data_sha256=data_sha256(series),
        seed=options.seed,
        metrics=metrics,
        golden_in=_listed(golden),
        golden_out=_golden_answers(net, golden),
    )
    file = finish(model, card)
    options.out.write_bytes(file)
    options.out.with_suffix(".md").write_text(describe(card, file, len(whole.returns)))
    _say(event="done", file=options.out.name, bytes=len(file))


def _judge(whole: Samples, options: argparse.Namespace) -> dict[str, float]:
    """Train and test on each fold and return the figures of all tests together."""
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    label_ms = HORIZON * _MINUTE_MS
    for number, fold in enumerate(
        walk_forward(whole.ts_open_ms, FOLDS, label_ms, embargo_ms=label_ms), 1
    ):
        rows, returns = whole.rows[fold.train], whole.returns[fold.train]
        net = fit(
            rows, returns, HORIZON, seed=options.seed, epochs=options.epochs,
            batch=options.batch, tell=_teller(f"fold {number}/{FOLDS}"),
        )  # fmt: skip
        p_up, quantiles = answers(net, whole.rows[fold.test])
        n = len(fold.test)
        root = np.sqrt(HORIZON)
        base = np.quantile(returns / (rows[:, -1] * root), measure.LEVELS)
        parts.append(
            (
                whole.returns[fold.test],
                whole.rows[fold.test, -1] * root,
                whole.ts_open_ms[fold.test],
                p_up,
                quantiles,
                np.full(n, (returns > 0).mean()),
                np.tile(base, (n, 1)),
            )
        )
    return measure.figures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _golden(whole: Samples) -> F32:
    """Return trial rows: real ones spread over time, one out of range, one with a hole."""
    places = np.linspace(0, len(whole.rows) - 1, _GOLDEN).astype(int)
    rows = whole.rows[places].astype(np.float32)
    wild = rows[:2].copy()
    wild[0, 0], wild[1, 3] = 1e6, np.nan
    return np.concatenate((rows, wild))


def _golden_answers(net: TinyNet, rows: F32) -> list[list[float | None]]:
    import torch

    with torch.no_grad():
        p_up, quantiles, valid = net(torch.from_numpy(rows))
    table = np.column_stack((p_up.numpy(), quantiles.numpy(), valid.numpy()))
    return _listed(table)


def _listed(table: F32) -> list[list[float | None]]:
    return [[None if np.isnan(x) else float(x) for x in row] for row in table]


def _read(options: argparse.Namespace) -> list[Series]:
    if options.csv:
        return [read_csv(path) for path in options.csv]
    if not options.klines:
        raise ConfigError("give --klines URL or --csv FILE")
    start, end = (
        int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        for day in (options.start, options.end)
    )
    symbols = options.symbols.split(",")
    return asyncio.run(fetch(options.klines, symbols, start, end, SystemClock()))


def _teller(stage: str) -> Progress:
    def tell(step: int, steps: int, loss: float) -> None:
        _say(event="step", stage=stage, step=step, steps=steps, loss=round(loss, 5))

    return tell


def _say(**event: object) -> None:
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


def _iso(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="core.ai.training.tiny", description=__doc__)
    parser.add_argument("--klines", default="", help="URL of a Binance-like klines endpoint")
    parser.add_argument("--symbols", default=_DEFAULT_SYMBOLS, help="comma-separated")
    parser.add_argument("--start", default="2026-04-01", help="first day, UTC")
    parser.add_argument("--end", default="2026-07-01", help="day after the last, UTC")
    parser.add_argument("--csv", type=Path, nargs="*", default=[], help="files instead of a URL")
    parser.add_argument("--data-kind", choices=("simulated", "recorded"), default="simulated")
    parser.add_argument("--title", default="Tiny 5-bar forecast")
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1024)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
