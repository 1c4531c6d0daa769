"""Generated history: believable, exact when joined, and the same whenever it is asked for."""

import numpy as np
import pytest

from emulator.market.candles import INTERVALS, Candles, bucket
from emulator.market.history import (
    CLOSE,
    DAY_MS,
    HIGH,
    HOUR_MS,
    LOTS,
    LOW,
    MINUTE_MS,
    NOTIONAL,
    OPEN,
    OPEN_MS,
    TRADES,
    History,
)
from emulator.market.listings import LISTINGS

NOW_MS = 1_795_234_567_890


def history(index=0, seed=7, start_ms=NOW_MS, days=60):
    return History(
        seed, LISTINGS[index], start_ms, days, value_per_minute=1e6, trades_per_minute=900.0
    )


@pytest.fixture(scope="module")
def minutes():
    made = history()
    return made.minutes(made.first_ms, made.end_ms)


def returns(rows):
    return np.diff(np.log(rows[:, CLOSE].astype(float)))


def acf(series, lag):
    series = series - series.mean()
    return float((series[:-lag] * series[lag:]).mean() / series.var())


def test_every_minute_is_there_and_opens_at_the_last_close(minutes):
    assert (np.diff(minutes[:, OPEN_MS]) == MINUTE_MS).all()
    assert (minutes[1:, OPEN] == minutes[:-1, CLOSE]).all()


def test_high_and_low_hold_open_and_close(minutes):
    ends = minutes[:, [OPEN, CLOSE]]
    assert (minutes[:, HIGH] >= ends.max(axis=1)).all()
    assert (minutes[:, LOW] <= ends.min(axis=1)).all()
    assert (minutes[:, [LOW, LOTS, TRADES]] > 0).all()


def test_returns_have_fat_tails(minutes):
    moves = returns(minutes)
    centred = moves - moves.mean()
    kurtosis = (centred**4).mean() / centred.var() ** 2
    assert 4 < kurtosis < 60


def test_volatility_clusters_and_decays_slowly_while_returns_do_not(minutes):
    moves = returns(minutes)
    size = np.abs(moves)
    assert acf(size, 1) > 0.1
    assert acf(size, 1) > acf(size, 60) > 0.02
    assert abs(acf(moves, 1)) < 0.05


def test_volume_goes_with_volatility(minutes):
    size, volume = np.abs(returns(minutes)), minutes[1:, LOTS]
    assert np.corrcoef(size, volume)[0, 1] > 0.3


def test_tails_thin_out_over_longer_spans(minutes):
    def kurtosis(moves):
        centred = moves - moves.mean()
        return (centred**4).mean() / centred.var() ** 2

    assert kurtosis(returns(minutes)) > kurtosis(returns(minutes[::240]))


def test_instruments_move_together_but_not_as_one():
    made = [history(index) for index in (0, 1)]
    moves = [returns(one.minutes(NOW_MS - 5 * DAY_MS, NOW_MS)) for one in made]
    assert 0.4 < np.corrcoef(moves)[0, 1] < 0.98


def test_a_day_is_the_same_whenever_the_emulator_starts():
    day = NOW_MS // DAY_MS * DAY_MS - 3 * DAY_MS
    one, other = history(), history(start_ms=NOW_MS + 40 * HOUR_MS, days=10)
    assert (one.minutes(day, day + DAY_MS) == other.minutes(day, day + DAY_MS)).all()


def test_another_seed_gives_another_past():
    day = NOW_MS // DAY_MS * DAY_MS - DAY_MS
    one, other = history(), history(seed=8)
    assert (one.minutes(day, day + DAY_MS) != other.minutes(day, day + DAY_MS)).any()


@pytest.mark.parametrize("interval", [name for name in INTERVALS if name != "1s"])
def test_longer_bars_are_exact_sums_of_minutes(minutes, interval):
    candles = Candles(history())
    rows = candles.rows(interval, int(minutes[0, OPEN_MS]), NOW_MS)
    opens = bucket(minutes[:, OPEN_MS], interval)
    for row in rows[:3].tolist() + rows[-4:-1].tolist():
        part = minutes[opens == row[OPEN_MS]]
        if not len(part):
            continue
        assert row[OPEN] == part[0, OPEN]
        assert row[CLOSE] == part[-1, CLOSE]
        assert row[HIGH] == part[:, HIGH].max()
        assert row[LOW] == part[:, LOW].min()
        assert row[LOTS] == part[:, LOTS].sum()
        assert row[NOTIONAL] == part[:, NOTIONAL].sum()


def test_forming_bar_joins_history_and_live_trades():
    made = history()
    candles = Candles(made)
    candles.roll(NOW_MS)
    price = made.last_close + 5
    candles.trade(NOW_MS, price, 3, buyer_takes=True)
    candles.trade(NOW_MS + MINUTE_MS, price - 9, 2, buyer_takes=False)
    hour = candles.latest("1h", NOW_MS + MINUTE_MS)
    past = made.minutes(NOW_MS // HOUR_MS * HOUR_MS, NOW_MS)
    assert hour[LOTS] == past[:, LOTS].sum() + 5
    assert hour[CLOSE] == price - 9
    assert hour[OPEN] == past[0, OPEN]
    minute = candles.latest("1m", NOW_MS)
    assert minute[OPEN : LOTS + 1] == (price, price, price, price, 3)


def test_minutes_without_trades_repeat_the_close():
    candles = Candles(history())
    candles.trade(NOW_MS, 777, 1, buyer_takes=True)
    candles.roll(NOW_MS + 5 * MINUTE_MS)
    rows = candles.rows("1m", NOW_MS, NOW_MS + 5 * MINUTE_MS)
    assert rows[-1, OPEN : LOTS + 1].tolist() == [777, 777, 777, 777, 0]
    assert (np.diff(rows[:, OPEN_MS]) == MINUTE_MS).all()


def test_a_minute_worth_more_than_a_row_holds_does_not_end_the_market():
    made = history()
    candles = Candles(made, worth_unit=10**6)
    candles.roll(NOW_MS)
    # SOL in 1/10,000 dollar and billionths: 100,000 of them change hands within a minute.
    for _ in range(100):
        candles.trade(NOW_MS, 1_050_000, 10**12, buyer_takes=True)
    candles.amend(NOW_MS, 10**12, 1_050_000, 1)
    candles.roll(NOW_MS + MINUTE_MS)
    candles.amend(NOW_MS, 10**12, 1_050_000, 1)
    (row,) = candles.rows("1m", NOW_MS // MINUTE_MS * MINUTE_MS, NOW_MS)
    assert row[LOTS] == 102 * 10**12
    assert row[NOTIONAL] == 102 * 10**12 * 1_050_000 // 10**6
