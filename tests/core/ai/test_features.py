"""The feature kernel: what each column means, and that it never sees the future."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ai.features import COLUMNS, FEATURES, WARMUP, FeatureState, compute, schema_sha256
from core.indicators.batch import compute as indicators

NAMES = [feature.name for feature in FEATURES]


def stream(state, bars):
    rows = zip(*(column.tolist() for column in bars), strict=True)
    return np.array([state.update(*row).copy() for row in rows]).reshape(-1, COLUMNS)


def recursive(x, n, alpha):
    out = np.full(len(x), np.nan)
    value = np.mean(x[1 : n + 1])
    out[n] = value
    for i in range(n + 1, len(x)):
        value += alpha * (x[i] - value)
        out[i] = value
    return out


def rolled(x, n, f):
    return np.array([f(x[i - n + 1 : i + 1]) if i >= n - 1 else np.nan for i in range(len(x))])


def reference(b):
    """The same features, column by column, the plain way."""
    close = np.log(b.close)
    change = np.diff(close, prepend=close[0])
    unit = np.sqrt(recursive(change**2, 20, 2 / 21))

    def past(n):
        return np.concatenate((np.full(n, np.nan), close[:-n]))

    names = ["atr(14)", "atr(100)", "ema(12)", "ema(26)"]
    atr, slow_atr, fast, slow = indicators(names, *b).values()
    gain = recursive(np.maximum(change, 0), 14, 1 / 14)
    loss = recursive(np.maximum(-change, 0), 14, 1 / 14)
    top, bottom = rolled(b.high, 60, max), rolled(b.low, 60, min)
    size = np.log1p(b.volume)
    angle = 2 * np.pi * (b.ts_open_ns % 86_400_000_000_000) / 86_400_000_000_000
    path = rolled(np.abs(change), 20, sum)
    path[:20] = np.nan
    var = [recursive(change**2, n, 2 / (n + 1)) for n in (10, 100)]
    return {
        "return_1": np.where(np.arange(len(close)) > 0, change / unit, np.nan),
        "return_5": (close - past(5)) / unit / np.sqrt(5),
        "return_15": (close - past(15)) / unit / np.sqrt(15),
        "return_60": (close - past(60)) / unit / np.sqrt(60),
        "rsi_14": gain / (gain + loss) - 0.5,
        "bb_place_20": (close - rolled(close, 20, np.mean)) / rolled(close, 20, np.std) / 4,
        "range_place_60": (b.close - bottom) / (top - bottom) - 0.5,
        "ema_gap_12_26": (fast - slow) / atr,
        "efficiency_20": (close - past(20)) / path,
        "body": (b.close - b.open) / (b.high - b.low),
        "range_atr_14": (b.high - b.low) / atr,
        "atr_ratio_14_100": np.log(atr / slow_atr),
        "vol_ratio_10_100": 0.5 * np.log(var[0] / var[1]),
        "volume_z_60": (size - rolled(size, 60, np.mean)) / rolled(size, 60, np.std),
        "day_sine": np.sin(angle),
        "day_cosine": np.cos(angle),
    }, unit


def test_every_column_is_what_it_says(make) -> None:
    bars = make(1, 600)
    rows = compute(*bars)
    expected, unit = reference(bars)
    assert list(expected) == NAMES
    for place, (name, column) in enumerate(expected.items()):
        np.testing.assert_allclose(rows[:, place], column, rtol=1e-7, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(rows[:, -1], unit, rtol=1e-9)


def test_warmup_is_what_the_schema_says(make) -> None:
    rows = compute(*make(2, 300))
    for place, feature in enumerate(FEATURES):
        finite = np.isfinite(rows[:, place])
        assert int(np.argmax(finite)) + 1 == feature.warmup, feature.name
        assert finite[feature.warmup - 1 :].all()
    assert np.isfinite(rows[WARMUP - 1]).all()
    assert not np.isfinite(rows[WARMUP - 2]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 400))
def test_stream_equals_batch_bit_for_bit(make, seed, count) -> None:
    bars = make(seed, count)
    assert stream(FeatureState(), bars).tobytes() == compute(*bars).tobytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 299), st.sampled_from([1e6, np.nan, 1e-9]))
def test_a_poisoned_future_changes_no_past_bit(make, seed, cut, poison) -> None:
    bars = make(seed, 300)
    bad = [column.copy() for column in bars[:5]]
    for column in bad:
        column[cut:] = poison
    assert compute(*bad, bars.ts_open_ns)[:cut].tobytes() == compute(*bars)[:cut].tobytes()
    assert compute(*(c[:cut] for c in bars)).tobytes() == compute(*bars)[:cut].tobytes()


def test_rows_do_not_depend_on_where_history_starts(make) -> None:
    bars = make(3, 4000)
    late = compute(*(column[1000:] for column in bars))
    np.testing.assert_allclose(late[2000:], compute(*bars)[3000:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-4, 7.0, 1e5])
def test_rows_are_free_of_price_scale(make, scale) -> None:
    bars = make(4, 500)
    scaled = [column * scale for column in bars[:4]]
    np.testing.assert_allclose(compute(*scaled, *bars[4:]), compute(*bars), rtol=1e-6, atol=1e-8)


def test_a_flat_market_gives_finite_rows() -> None:
    flat, none = np.full(300, 50.0), np.zeros(300)
    rows = compute(flat, flat, flat, flat, none, np.arange(300) * 60_000_000_000)
    assert np.isfinite(rows[WARMUP - 1 :]).all()


def test_a_copied_state_goes_on_as_if_never_stopped(make) -> None:
    bars = make(5, 300)
    first, second = FeatureState(), FeatureState()
    stream(first, [column[:200] for column in bars])
    second.cells[:] = first.cells
    rest = [column[200:] for column in bars]
    assert stream(first, rest).tobytes() == stream(second, rest).tobytes()


def test_the_schema_names_every_feature_once() -> None:
    assert len(NAMES) == len(set(NAMES)) == COLUMNS - 1
    assert 12 <= len(NAMES) <= 16
    assert len(schema_sha256()) == 64
