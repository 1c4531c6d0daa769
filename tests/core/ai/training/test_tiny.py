"""The training command from data to a loaded, predicting model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.ai.registry import load_predictor
from core.ai.session import OnnxPredictor
from core.model.ids import ModelId
from core.model.settings import ModelSettings

pytestmark = [
    pytest.mark.slow,
    # torch's exporter uses what torch itself has deprecated.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def _torch() -> None:
    """Import it for these tests alone: it takes seconds, and every worker collects every file."""
    pytest.importorskip("torch", reason="training needs the extra 'train'")


def main(*arguments: str) -> int:
    from core.ai.training import tiny

    return tiny.main(list(arguments))


def write_csv(path, seed: int, drift: float, count: int = 9000) -> None:
    """Write a market whose next moves follow its last one as far as `drift` says."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(count)
    move = np.zeros(count)
    for i in range(1, count):
        move[i] = drift * move[i - 1] + noise[i]
    close = 100 * np.exp(np.cumsum(0.0005 * move))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
    volume = rng.exponential(3, count)
    rows = np.column_stack((opened, high, low, close, volume)).tolist()
    lines = [f"{n * 60_000},{','.join(map(repr, row))}" for n, row in enumerate(rows)]
    path.write_text("\n".join(["timestamp_ms,open,high,low,close,volume", *lines]))


def run(tmp_path, csv, name="m.onnx", seed=7, epochs=2):
    out = tmp_path / name
    arguments = ["--csv", str(csv), "--out", str(out), "--seed", str(seed)]
    arguments += ["--epochs", str(epochs)]
    assert main(*arguments, "--batch", "256") == 0
    return out


def test_the_same_seed_gives_the_same_bytes_and_progress_is_json(tmp_path, capsys, make) -> None:
    csv = tmp_path / "walk.csv"
    write_csv(csv, 1, 0.0, count=6000)
    first = run(tmp_path, csv, epochs=1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["event"] == "data"
    assert lines[-1] == {"event": "done", "file": "m.onnx", "bytes": first.stat().st_size}
    assert any(line["event"] == "step" and line["stage"] == "fold 1/4" for line in lines)
    data = first.read_bytes()
    assert run(tmp_path, csv, epochs=1).read_bytes() == data
    assert str(tmp_path).encode() not in data
    assert b".py" not in data
    predictor = load_predictor("m", ModelSettings(path=str(first)))
    assert predictor.info.trained_on.startswith("simulated: walk.csv, 1m bars, 1970-01-01 to")
    card = first.with_suffix(".md").read_text()
    assert predictor.info.version in card
    assert "no edge in direction" in card


def test_it_learns_what_is_there_to_learn_and_no_more(tmp_path) -> None:
    trending = tmp_path / "trend.csv"
    write_csv(trending, 2, 0.6)
    metrics = OnnxPredictor(ModelId("t"), run(tmp_path, trending, "t.onnx")).info.metrics
    # Sign of the last move against the sign of the next five: about 0.64 for this process.
    assert 0.60 < metrics["accuracy"] < 0.68
    assert metrics["accuracy_low"] > metrics["accuracy_base"]
    walk = tmp_path / "walk.csv"
    write_csv(walk, 3, 0.0)
    metrics = OnnxPredictor(ModelId("w"), run(tmp_path, walk, "w.onnx")).info.metrics
    assert metrics["accuracy_low"] < 0.53
    assert abs(metrics["brier_skill"]) < 0.02


def test_too_little_data_is_refused(tmp_path, capsys) -> None:
    csv = tmp_path / "short.csv"
    write_csv(csv, 1, 0.0, count=600)
    assert main("--csv", str(csv), "--out", str(tmp_path / "x.onnx")) == 2
    assert "at least 5000 samples are needed, was " in capsys.readouterr().err
    assert main("--out", str(tmp_path / "x.onnx")) == 2
    assert "give --klines URL or --csv FILE" in capsys.readouterr().err
