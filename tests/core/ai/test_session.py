"""The shipped model behind the predictor port, and every way a file is refused."""

from __future__ import annotations

import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from core.ai import session
from core.ai.card import CARD_KEY, seal
from core.ai.features import WARMUP, compute, schema_sha256
from core.ai.registry import load_predictor, model_card, shipped
from core.ai.session import OnnxPredictor
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId
from core.model.market import Bar, Timeframe
from core.model.settings import ModelSettings

BTC = InstrumentId("BTC-USDT.binance")
ETH = InstrumentId("ETH-USDT.binance")


@pytest.fixture(scope="module")
def file() -> bytes:
    return shipped()["tiny-1m"].read_bytes()


@pytest.fixture
def tiny() -> OnnxPredictor:
    return load_predictor("tiny-1m", ModelSettings(), [BTC])


def feed(predictor, bars, instrument=BTC, timeframe=Timeframe.M1, start=0):
    out = []
    for place, row in enumerate(zip(*(c.tolist() for c in bars), strict=True)):
        bar = Bar(instrument, timeframe, row[5], 1, 1, 1, 1, 1, 1)
        out.append(predictor.on_bar(bar, row[:5], start + place))
    return out


def test_the_shipped_model_is_small_and_says_what_it_is(tiny, file) -> None:
    info = tiny.info
    assert len(file) < 200_000
    assert (info.id, info.timeframe, info.horizon_bars) == ("tiny-1m", Timeframe.M1, 5)
    assert info.schema_sha256 == schema_sha256()
    assert info.trained_on.startswith("simulated: BTCUSDT")
    assert info.state == "ready"
    assert len(info.version) == 12
    card = model_card("tiny-1m")
    assert card is not None
    assert info.version in card
    assert model_card("no-such-model") is None
    assert {"accuracy", "accuracy_base", "accuracy_low", "coverage_80"} <= set(info.metrics)


def test_the_file_holds_no_path_of_the_machine_it_was_made_on(file) -> None:
    assert b".py" not in file
    assert b"/home" not in file
    assert b"site-packages" not in file


def test_predictions_start_after_warmup_and_are_sane(tiny, make) -> None:
    bars = make(1, 300)
    made = feed(tiny, bars, start=1000)
    assert made[: WARMUP - 1] == [None] * (WARMUP - 1)
    first = made[WARMUP - 1]
    assert (first.ts_bar_ns, first.ts_ns) == (bars.ts_open_ns[WARMUP - 1], 1000 + WARMUP - 1)
    assert (first.model_id, first.version) == ("tiny-1m", tiny.info.version)
    for item in made[WARMUP - 1 :]:
        assert item.valid
        assert 0.2 < item.p_up < 0.8
        assert item.low_return < item.expected_return < item.high_return
        assert abs(item.high_return) < 0.1


def test_bars_and_rows_give_the_same_answer(tiny, make) -> None:
    bars = make(2, 250)
    made = feed(tiny, bars)[WARMUP - 1 :]
    rows = compute(*bars)[WARMUP - 1 :].astype(np.float32)
    batch = tiny._ask(rows)
    for item, (p_up, quantiles, valid) in zip(made, batch, strict=True):
        assert valid
        np.testing.assert_allclose(
            [item.p_up, item.low_return, item.expected_return, item.high_return],
            [p_up, *quantiles],
            rtol=2e-5, atol=1e-8,
        )  # fmt: skip


def test_instruments_and_timeframes_do_not_mix(tiny, make) -> None:
    alone = feed(load_predictor("tiny-1m", ModelSettings()), make(3, 200))
    mixed = []
    mine, other = (list(zip(*(c.tolist() for c in make(s, 200)), strict=True)) for s in (3, 4))
    for row, noise in zip(mine, other, strict=True):
        assert tiny.on_bar(Bar(BTC, Timeframe.M5, row[5], 1, 1, 1, 1, 1, 1), row[:5], 0) is None
        tiny.on_bar(Bar(ETH, Timeframe.M1, noise[5], 1, 1, 1, 1, 1, 1), noise[:5], 0)
        mixed.append(tiny.on_bar(Bar(BTC, Timeframe.M1, row[5], 1, 1, 1, 1, 1, 1), row[:5], 0))
    assert [m and m.p_up for m in mixed] == [a and a.p_up for a in alone]


def test_a_revision_replaces_the_newest_bar(tiny, make) -> None:
    bars = make(5, 200)
    right = feed(load_predictor("tiny-1m", ModelSettings()), bars, start=0)[-1]
    wrong = [column.copy() for column in bars]
    wrong[3][-1] = wrong[1][-1] = wrong[3][-1] * 1.01
    feed(tiny, wrong)
    revised = feed(tiny, [column[-1:] for column in bars], start=199)[-1]
    assert revised == right
    assert feed(tiny, [column[-2:-1] for column in bars]) == [None]


@pytest.mark.parametrize(
    ("place", "value"),
    [(3, math.nan), (1, math.inf), (2, 0.0), (0, -5.0), (4, -1.0)],
)
def test_an_impossible_bar_is_answered_as_invalid_and_forgotten(tiny, make, place, value) -> None:
    bars = make(6, 250)
    clean = feed(load_predictor("tiny-1m", ModelSettings()), bars)[-1]
    feed(tiny, [column[:200] for column in bars])
    row = [float(column[200]) for column in bars[:5]]
    row[place] = value
    ts = int(bars.ts_open_ns[200])
    bad = tiny.on_bar(Bar(BTC, Timeframe.M1, ts, 1, 1, 1, 1, 1, 1), tuple(row), 0)
    assert not bad.valid
    assert math.isnan(bad.p_up)
    assert math.isnan(bad.expected_return)
    after = feed(tiny, [column[200:] for column in bars], start=200)[-1]
    assert after == clean


def test_a_hole_in_a_row_never_becomes_a_number(tiny, make) -> None:
    rows = compute(*make(7, 200))[-3:].astype(np.float32)
    rows[1, 4] = np.nan
    answers = tiny._ask(rows)
    assert [valid for _, _, valid in answers] == [True, False, True]
    assert all(math.isnan(x) for x in (answers[1][0], *answers[1][1]))


def write(tmp_path, data: bytes) -> ModelSettings:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return ModelSettings(path=str(path))


def refused(settings: ModelSettings) -> str:
    with pytest.raises((ConfigError, DataError)) as error:
        load_predictor("tiny-1m", settings)
    return str(error.value)


def test_any_flipped_bit_is_refused(file, tmp_path) -> None:
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(file), 40).tolist():
        bad = bytearray(file)
        bad[place] ^= 1 << (place % 8)
        words = refused(write(tmp_path, bytes(bad)))
        assert words.startswith("model tiny-1m (model.onnx): "), words


@pytest.mark.parametrize("size", [0, 1, 1000, 20_000])
def test_a_truncated_file_is_refused(file, tmp_path, size) -> None:
    assert "it has 0: not a clx model" in refused(write(tmp_path, file[:size]))


def test_a_stranger_is_refused(tmp_path) -> None:
    assert refused(write(tmp_path, b"hello")).endswith(
        "it must carry one clx.file_sha256, it has 0: not a clx model"
    )


def card_text(file: bytes) -> str:
    import onnxruntime

    model = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return model.get_modelmeta().custom_metadata_map[CARD_KEY]


def card_of(file: bytes) -> dict[str, object]:
    return msgspec.json.decode(card_text(file))


def recarded(file: bytes, **changes: object) -> bytes:
    """Return the file with another card in the old one's place, sealed again."""
    text = card_text(file).encode()
    new = msgspec.json.encode(card_of(file) | changes)
    assert len(new) <= len(text), "the new card must fit in the old one's place"
    return seal(file.replace(text, new.ljust(len(text))))


def test_another_feature_schema_is_refused(file, tmp_path) -> None:
    other = "0" * 64
    words = refused(write(tmp_path, recarded(file, schema_sha256=other)))
    assert "made for features 000000000000, this clx computes" in words
    assert words.endswith("train it again")


def test_a_changed_answer_is_refused(file, tmp_path) -> None:
    out = card_of(file)["golden_out"]
    out[0][0] = 0.5
    assert "it does not compute what it did when it was made: trial row 0" in refused(
        write(tmp_path, recarded(file, golden_out=out))
    )


def test_a_card_of_another_format_is_refused(file, tmp_path) -> None:
    assert refused(write(tmp_path, recarded(file, format=2))).endswith(
        "its card has format 2, this clx reads 1"
    )
    assert "its card cannot be read" in refused(write(tmp_path, recarded(file, title=5)))


def test_an_unknown_model_gives_the_nearest_and_a_missing_file_its_name(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no model 'tiny-1n' comes with clx; did you mean"):
        load_predictor("tiny-1n", ModelSettings())
    missing = ModelSettings(path=str(tmp_path / "no.onnx"))
    assert (
        refused(missing)
        == f"model file {tmp_path}/no.onnx cannot be read: No such file or directory"
    )


def test_a_huge_file_is_refused_unread(file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(session, "MAX_FILE", 1 << 10)
    assert "must be at most" in refused(write(tmp_path, file))


def test_inference_needs_no_torch_and_loads_onnxruntime_only_for_a_model() -> None:
    code = (
        "import sys, core.ai.registry as r; from core.model.settings import ModelSettings;"
        "assert 'onnxruntime' not in sys.modules;"
        "r.load_predictor('tiny-1m', ModelSettings());"
        "assert 'onnxruntime' in sys.modules and 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
