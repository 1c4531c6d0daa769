"""The streaming bank: the batch's numbers bit for bit, in any company, after any pause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.indicators.bank import Bank
from core.indicators.batch import advance, compute
from core.indicators.catalogue import CATALOGUE, Definition
from core.indicators.kernel import compile_kernels
from core.model.errors import ConfigError, DataError

ALL = tuple(CATALOGUE)


def rows(bars):
    return list(zip(*(column.tolist() for column in bars), strict=True))


def stream(bank, bars):
    out = []
    for row in rows(bars):
        bank.update(*row)
        out.append(bank.values.copy())
    return np.array(out).T


def same(left, right):
    return np.asarray(left).tobytes() == np.asarray(right).tobytes()


@st.composite
def expressions(draw):
    """Any indicator with any small parameters."""
    definition: Definition = CATALOGUE[draw(st.sampled_from(ALL))]
    values = [
        draw(st.integers(int(max(1, p.low)), 30))
        if p.whole
        else draw(st.floats(0.5, 5, allow_nan=False))
        for p in definition.parameters
    ]
    text = ",".join(f"{value:.4g}" for value in values)
    output = draw(st.sampled_from(("", *definition.outputs)))
    return definition.name + (f"({text})" if text else "") + (f".{output}" if output else "")


@settings(max_examples=60, deadline=None)
@given(st.lists(expressions(), min_size=1, max_size=6), st.integers(0, 2**31), st.integers(0, 400))
def test_stream_equals_batch_bit_for_bit(make, specs, seed, count) -> None:
    bars = make(seed=seed, count=max(1, count))
    bank = Bank(specs)
    streamed = stream(bank, bars)
    batch = compute(specs, *bars)
    assert tuple(batch) == bank.names
    for name, column in zip(bank.names, streamed, strict=True):
        assert same(column, batch[name]), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 299), st.sampled_from([1e6, np.nan, -1e300]))
def test_a_poisoned_future_changes_no_past_bit(make, seed, cut, poison) -> None:
    bars = make(seed=seed, count=300)
    clean = compute(ALL, *bars)
    bad = [column.copy() for column in bars[:5]]
    for column in bad:
        column[cut:] = poison
    for name, column in compute(ALL, *bad, bars.ts_open_ns).items():
        assert same(column[:cut], clean[name][:cut]), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 300))
def test_a_restored_bank_goes_on_as_if_never_stopped(make, seed, cut) -> None:
    bars = make(seed=seed, count=300)
    whole = stream(Bank(ALL), bars)
    first = Bank(ALL)
    stream(first, [column[:cut] for column in bars])
    second = Bank(ALL)
    second.restore(first.state())
    rest = stream(second, [column[cut:] for column in bars])
    if cut < 300:
        assert same(rest, whole[:, cut:])


def test_values_do_not_depend_on_where_history_starts(make) -> None:
    bars = make(seed=4, count=3000)
    bounded = [name for name in ALL if name not in ("vwap", "obv", "adl", "supertrend", "kama")]
    whole = compute(bounded, *bars)
    later = compute(bounded, *(column[500:] for column in bars))
    for name, column in whole.items():
        np.testing.assert_allclose(later[name][1000:], column[1500:], rtol=1e-9, atol=1e-9)


def test_batch_and_stream_can_take_turns(make) -> None:
    bars = make(seed=6, count=200)
    whole = compute(["rsi(14)", "bb(20,2)"], *bars)
    bank = Bank(["rsi(14)", "bb(20,2)"])
    advance(bank, *(column[:150] for column in bars))
    for row in rows(bars)[150:]:
        bank.update(*row)
    assert bank.as_dict() == {name: column[-1] for name, column in whole.items()}


def test_names_are_canonical_in_order_and_once() -> None:
    bank = Bank(["RSI( 14 )", "bb(20,2).lower", "rsi", "bb(20, 2.0)", "vwap()"])
    assert bank.names == ("rsi(14)", "bb(20,2).lower", "bb(20,2).upper", "bb(20,2).middle", "vwap")
    assert bank.warmup == 20
    assert np.isnan(bank.values).all()


def test_one_output_of_many_has_the_same_value(make) -> None:
    bars = make(seed=7, count=100)
    every = compute(["macd"], *bars)
    one = compute(["ema(5)", "macd.signal"], *bars)
    assert tuple(one) == ("ema(5)", "macd(12,26,9).signal")
    assert same(one["macd(12,26,9).signal"], every["macd(12,26,9).signal"])


def test_an_empty_bank_and_no_bars_work(make) -> None:
    bank = Bank([])
    bank.update(1.0, 1.0, 1.0, 1.0, 1.0, 0)
    assert bank.as_dict() == {}
    none = [column[:0] for column in make(seed=1, count=5)]
    assert compute(["ema(3)"], *none)["ema(3)"].shape == (0,)


def test_update_takes_whole_numbers_and_refuses_what_is_no_number() -> None:
    bank = Bank(["sma(1)"])
    bank.update(1, 2, 1, 2, 3, 0)
    assert bank.as_dict() == {"sma(1)": 2.0}
    with pytest.raises(TypeError):
        bank.update(None, 2, 1, 2, 3, 0)
    with pytest.raises(TypeError):
        bank.update(1, 2, 1, 2, 3)
    assert bank.as_dict() == {"sma(1)": 2.0}


def test_columns_of_unequal_length_are_refused(make) -> None:
    bars = make(seed=1, count=10)
    with pytest.raises(DataError, match="equal length"):
        compute(["ema(3)"], *bars[:5], bars.ts_open_ns[:9])


def test_a_foreign_or_damaged_state_is_refused() -> None:
    bank = Bank(["ema(3)"])
    with pytest.raises(DataError, match="is of"):
        bank.restore(Bank(["ema(4)"]).state())
    with pytest.raises(DataError, match="cannot be read"):
        bank.restore(b"\xc1")
    import msgspec

    saved = msgspec.msgpack.decode(bank.state())
    saved[0] += 1
    with pytest.raises(DataError, match="another version"):
        bank.restore(msgspec.msgpack.encode(saved))
    saved[0] -= 1
    saved[2] = saved[2][:-8]
    with pytest.raises(DataError, match="bytes"):
        bank.restore(msgspec.msgpack.encode(saved))


def test_an_unknown_indicator_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ema'"):
        Bank(["emaa(3)"])


def test_entry_and_dispatcher_agree(make) -> None:
    bars = make(seed=11, count=120)
    quick, slow = Bank(ALL), Bank(ALL)
    for row in rows(bars):
        quick.update(*row)
        compile_kernels()[1](slow.cells, *row)
    assert same(quick.cells, slow.cells)
