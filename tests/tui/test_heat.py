"""What is kept of a book's last minutes: a moment a second, with its trades, and only so many."""

from fake_market import BTC

from core.model.ids import InstrumentId
from core.model.views import BookProfile, TapeRow
from tui.heat import MAX_TRADES, MOMENTS, SECOND_NS, HeatTape


def profile(second: float, mid: int = 1000, name: str = BTC) -> BookProfile:
    return BookProfile(
        instrument_id=InstrumentId(name),
        ts_ns=int(second * SECOND_NS),
        step_ticks=10,
        bid_ticks=mid - 1,
        ask_ticks=mid + 1,
        bids=[5, 6],
        asks=[7, 8],
    )


def trade(price: int, lots: int = 1, sold: bool = False) -> TapeRow:
    return TapeRow(0, price, lots, sold)


def test_the_newest_profile_of_a_second_is_kept_and_the_next_second_begins_a_moment():
    tape = HeatTape()
    assert tape.take(profile(1.0))
    assert not tape.take(profile(1.5, mid=1020))
    assert tape.take(profile(2.0))
    assert [moment.second for moment in tape.moments] == [1, 2]
    assert tape.moments[0].mid_ticks == 1020


def test_no_more_moments_are_kept_than_stated():
    tape = HeatTape()
    for second in range(MOMENTS + 50):
        tape.take(profile(second))
    assert len(tape.moments) == MOMENTS
    assert tape.moments[0].second == 50


def test_trades_fall_into_the_second_they_came_in_and_are_counted_once():
    tape = HeatTape()
    rows = [trade(1)]
    tape.take_trades(rows)  # what was there before belongs to no moment
    tape.take(profile(1.0))
    rows += [trade(1001, 3), trade(1001, 2), trade(999, 4, sold=True)]
    tape.take_trades(rows)
    tape.take_trades(rows)
    tape.take(profile(1.9))
    assert tape.moments[0].trades == {1001: [5, 0], 999: [0, 4]}
    tape.take(profile(2.0))
    rows.append(trade(1002))
    tape.take_trades(rows)
    assert tape.moments[1].trades == {1002: [1, 0]}


def test_trades_at_very_many_prices_are_added_to_the_nearest_kept():
    tape = HeatTape()
    rows = [trade(0)]
    tape.take_trades(rows)
    tape.take(profile(1.0))
    rows += [trade(price) for price in range(100, 100 + MAX_TRADES)]
    rows.append(trade(5000, 9))
    tape.take_trades(rows)
    trades = tape.moments[0].trades
    assert len(trades) == MAX_TRADES
    assert trades[99 + MAX_TRADES] == [10, 0]


def test_another_instrument_starts_anew():
    tape = HeatTape()
    tape.take(profile(1.0))
    tape.take(profile(2.0, name="ETH-USDT.binance"))
    assert [moment.second for moment in tape.moments] == [2]
