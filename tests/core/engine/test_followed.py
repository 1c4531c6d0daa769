"""Trades missing, doubled, off any sane price or taken back are found, counted and said."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.market import (
    DataFault,
    HistoryNeeded,
    MarketState,
    ResyncNeeded,
    TradesNeeded,
)
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarkPrice,
    Quote,
    SequenceBroken,
    Timeframe,
    Trade,
    TradeCanceled,
    TradesAbsent,
)
from core.model.ports import BookTraits, Verdict
from core.model.stores import TradeHole

VENUE = VenueName("binance")
NAME = InstrumentId("BTC-USDT.binance")
OTHER = InstrumentId("ETH-USDT.binance")
S = 1_000_000_000
MINUTE = 60 * S
T0 = 20_000 * 86_400 * S


class Rule:
    def __init__(self, traits: BookTraits) -> None:
        self._traits = traits

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        return Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        return self._traits


def listed(name: InstrumentId) -> Instrument:
    return Instrument(
        id=name, venue=VENUE, venue_symbol=name[:7], base=name[:3], quote="USDT",
        price_tick=Decimal("0.01"), size_lot=Decimal("0.01"),
    )  # fmt: skip


def market(**traits: Any) -> MarketState:
    made = MarketState((), {VENUE: Rule(BookTraits(has_book=False, **traits))})
    made.add_instruments([listed(NAME), listed(OTHER)])
    for name in (NAME, OTHER):
        made.apply(
            FeedStatusChanged(
                instrument_id=name, ts_recv_ns=T0, status=FeedStatus.SYNCING, reason="subscribed"
            )
        )
    return made


def trade(number: int, at: int, price: int = 10_000) -> Trade:
    return Trade(NAME, at, at, price, 1, False, number)


def test_best_price_without_a_book_is_the_quotes() -> None:
    state = market(unchecked=True)
    assert state.top(NAME) is None
    state.apply(Quote(NAME, T0, T0, 99, 1, 101, 1, 0))
    assert state.top(NAME) == (99, 101)


def faults(outputs: Sequence[Any]) -> list[str]:
    return [output.kind for output in outputs if isinstance(output, DataFault)]


def test_hole_in_consecutive_ids_is_said_counted_and_its_bar_fetched() -> None:
    state = market(consecutive_trades=True)
    state.apply(trade(1, T0 + S))
    out = state.apply(trade(5, T0 + 2 * S))
    assert faults(out) == ["trade hole"]
    assert state.quality(NAME, T0 + 3 * S).trade_holes == 3
    closed = state.apply(trade(6, T0 + MINUTE + S))
    wanted = [item for item in closed if isinstance(item, HistoryNeeded)]
    assert Timeframe.M1 in {item.timeframe for item in wanted}
    assert not [item for item in closed if isinstance(item, Bar) and item.timeframe is Timeframe.M1]


def test_trades_of_a_hole_are_asked_for_taken_once_and_revise_closed_bars() -> None:
    state = market(consecutive_trades=True)
    for number in (1, 2, 3):
        state.apply(trade(number, T0 + number * MINUTE + 10 * S))
    state.on_timer(T0 + 4 * MINUTE + 5 * S)
    (before,) = [int(v) for v in state.bars(NAME, Timeframe.M1).volume[-1:]]
    out = state.apply(trade(6, T0 + 4 * MINUTE + 6 * S))
    (asked,) = [item for item in out if isinstance(item, TradesNeeded)]
    hole = asked.hole
    assert (asked.instrument_id, hole.first_id, hole.last_id) == (NAME, 4, 5)
    assert hole.start_ns <= T0 + 3 * MINUTE + 10 * S < T0 + 4 * MINUTE + 6 * S < hole.end_ns
    late = trade(4, T0 + 3 * MINUTE + 20 * S, 10_050)
    revised = [bar for bar in state.apply(late) if isinstance(bar, Bar)]
    minute = next(bar for bar in revised if bar.timeframe is Timeframe.M1)
    assert (minute.ts_open_ns, minute.revision) == (T0 + 3 * MINUTE, 1)
    assert (minute.volume_lots, minute.high_ticks) == (before + 1, 10_050)
    assert state.apply(late) == ()
    state.apply(trade(5, T0 + 4 * MINUTE + S))
    forming = state.forming(NAME, Timeframe.M1)
    assert forming is not None
    assert forming.volume_lots == 2
    quality = state.quality(NAME, T0 + 5 * MINUTE)
    assert (quality.trade_holes, quality.trades_refilled, quality.duplicates) == (2, 2, 1)


def test_missing_trade_makes_no_bar_whose_rest_is_on_its_way() -> None:
    state = market(consecutive_trades=True)
    state.apply(trade(1, T0 + S))
    state.apply(trade(2, T0 + MINUTE + S))
    state.apply(trade(9, T0 + 4 * MINUTE + S))
    out = state.apply(trade(4, T0 + 2 * MINUTE + S))
    assert not [item for item in out if isinstance(item, Bar)]
    opens = state.bars(NAME, Timeframe.M1).ts_open_ns.tolist()
    assert T0 + 2 * MINUTE not in opens


def test_known_trade_older_than_all_held_is_not_counted_again() -> None:
    state = market(consecutive_trades=True)
    for number in range(1, 1200):
        state.apply(trade(number, T0 + number * S))
    before = state.quality(NAME, T0).trades
    assert state.apply(trade(5, T0 + 5 * S)) == ()
    assert state.quality(NAME, T0).trades == before


@pytest.mark.parametrize("ids", [4_000_000, 7], ids=["leap", "fall back"])
def test_ids_given_anew_are_told_and_are_no_hole(ids: int) -> None:
    state = market(consecutive_trades=True)
    for number in range(100):
        state.apply(trade(1000 + number, T0 + number * S))
    out = state.apply(trade(ids, T0 + 120 * S))
    assert faults(out) == ["trade ids"]
    assert not [item for item in out if isinstance(item, TradesNeeded)]
    closed = state.apply(trade(ids + 1, T0 + 190 * S))
    wanted = {item.timeframe for item in closed if isinstance(item, HistoryNeeded)}
    assert Timeframe.M1 in wanted, "what was traded in between is not known"
    assert faults(state.apply(trade(ids + 4, T0 + 191 * S))) == ["trade hole"]
    assert faults(state.apply(trade(ids + 62_354, T0 + 217 * S))) == ["trade ids"], "once more"
    quality = state.quality(NAME, T0 + 218 * S)
    assert (quality.trade_holes, quality.duplicates, quality.trades) == (2, 0, 104)


def test_an_outage_of_hours_is_a_hole_however_many_trades_it_holds() -> None:
    state = market(consecutive_trades=True)
    for number in range(100):
        state.apply(trade(1000 + number, T0 + number * S))
    out = state.apply(trade(1_001_100, T0 + 10 * 3600 * S))
    assert faults(out) == ["trade hole"]
    assert state.quality(NAME, T0 + 11 * 3600 * S).trade_holes == 1_000_000


def test_first_trade_after_subscribing_is_no_hole() -> None:
    state = market(consecutive_trades=True)
    state.apply(trade(1, T0 + S))
    for status in (FeedStatus.UNSUBSCRIBED, FeedStatus.SYNCING):
        state.apply(
            FeedStatusChanged(instrument_id=NAME, ts_recv_ns=T0, status=status, reason="asked")
        )
    assert faults(state.apply(trade(900, T0 + 2 * S))) == []


FATES = ("told", "lost", "late", "doubled")


def joined(first: int, last: int, at: int) -> Trade:
    """Return a trade that joins fills of one lot each."""
    return Trade(NAME, at, at, 10_000, last - first + 1, False, last, first)


def asked(state: MarketState, at: int) -> list[TradeHole]:
    return [item.hole for item in state.on_timer(at) if isinstance(item, TradesNeeded)]


def test_hole_between_joined_trades_is_said_at_once_and_asked_for_a_second_later() -> None:
    state = market(chained_trades=True)
    state.apply(joined(1, 3, T0 + S))
    assert not faults(state.apply(joined(4, 9, T0 + 2 * S)))
    out = state.apply(joined(12, 13, T0 + 3 * S))
    assert faults(out) == ["trade hole"]
    assert "2 trades between 9 and 12" in next(o.text for o in out if isinstance(o, DataFault))
    assert not asked(state, T0 + 3 * S + S // 2)
    (hole,) = asked(state, T0 + 4 * S)
    assert (hole.first_id, hole.last_id) == (10, 11)
    assert not asked(state, T0 + 6 * S), "once"
    for number in (10, 11, 10, 5):
        state.apply(joined(number, number, T0 + 3 * S))
    quality = state.quality(NAME, T0 + 6 * S)
    assert (quality.trade_holes, quality.trades_refilled, quality.duplicates) == (2, 2, 2)
    assert sum(item.size_lots for item in state.trades(NAME)) == 13


def test_hole_of_one_trade_is_said_of_one() -> None:
    state = market(chained_trades=True)
    state.apply(joined(1, 3, T0 + S))
    out = state.apply(joined(5, 5, T0 + 2 * S))
    said = [item.text for item in out if isinstance(item, DataFault)]
    assert said == ["one trade between 3 and 5 never came"]


def test_joined_trade_that_was_only_late_is_not_asked_for() -> None:
    state = market(chained_trades=True)
    state.apply(joined(1, 3, T0 + S))
    state.apply(joined(8, 9, T0 + 2 * S))
    state.apply(joined(4, 7, T0 + 2 * S))
    assert not asked(state, T0 + 4 * S)
    assert state.quality(NAME, T0 + 4 * S).trades_refilled == 4


def test_holes_the_venue_denies_are_believed_ever_less_until_one_proves_true() -> None:
    state = market(chained_trades=True)
    number, at = 1, T0

    def follow(count: int) -> None:
        nonlocal number, at
        for _ in range(count):
            number, at = number + 1, at + S // 100
            assert not faults(state.apply(joined(number, number, at)))

    def leave_out(told: bool) -> int:
        nonlocal number, at
        number, at = number + 2, at + S // 100
        assert faults(state.apply(joined(number, number, at))) == ["trade hole"] * told
        return number - 1

    def deny(gone: int) -> None:
        state.apply(TradesAbsent(instrument_id=NAME, ts_recv_ns=at, first_id=gone, last_id=gone))

    follow(3)
    deny(leave_out(told=True))
    follow(5)
    leave_out(told=False)
    follow(20)
    deny(leave_out(told=True))
    follow(20)
    leave_out(told=False)
    follow(40)
    late = leave_out(told=True)
    state.apply(joined(late, late, at))
    leave_out(told=True)
    quality = state.quality(NAME, at)
    assert (quality.trade_holes, quality.trades_refilled) == (4, 3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(FATES)), min_size=2, max_size=30))
def test_joined_trades_count_once_however_they_come(rows: list[tuple[int, str]]) -> None:
    ends = list(accumulate(size for size, _ in rows))
    came: list[Trade] = []
    late: list[Trade] = []
    for place, ((size, fate), end) in enumerate(zip(rows, ends, strict=True)):
        item = joined(end - size + 1, end, T0 + end * S // 100)
        if place in (0, len(rows) - 1) or fate not in ("late", "lost"):
            came += [item, *late, *[item] * (fate == "doubled")]
            late = []
        elif fate == "late":
            late.append(item)
    state = market(chained_trades=True)
    for item in came:
        state.apply(item)
    for hole in asked(state, T0 + ends[-1] * S // 100 + 2 * S):
        for number in range(hole.first_id, hole.last_id + 1):
            state.apply(joined(number, number, T0 + number * S // 100))
    assert sum(item.size_lots for item in state.trades(NAME)) == ends[-1]


def test_ids_that_need_not_follow_make_no_holes() -> None:
    state = market()
    state.apply(trade(1, T0 + S))
    assert faults(state.apply(trade(5, T0 + 2 * S))) == []


@pytest.mark.parametrize("ordered", [True, False])
def test_trade_that_comes_twice_counts_once(ordered: bool) -> None:
    state = market(ordered_trades=ordered)
    for number in (7, 3, 7, 9, 3):
        state.apply(trade(number, T0 + S))
    kept = [item.trade_id for item in state.trades(NAME)]
    assert sorted(kept) == [3, 7, 9]
    assert state.quality(NAME, T0 + 2 * S).duplicates == 2


def test_price_off_every_band_is_distrusted_until_the_market_confirms_it() -> None:
    state = market()
    state.apply(trade(1, T0 + S))
    state.on_timer(T0 + S + S // 10)
    out = state.apply(trade(2, T0 + 2 * S, price=14_000))
    assert faults(out) == ["off band"]
    assert state.quality(NAME, T0 + 2 * S).off_band == 1
    assert faults(state.apply(trade(3, T0 + 3 * S, price=14_010))) == []
    assert state.trusted(NAME)


def test_small_steps_of_cheap_options_are_no_alarm() -> None:
    state = market()
    state.apply(trade(1, T0 + S, price=2))
    state.on_timer(T0 + S + S // 10)
    assert faults(state.apply(trade(2, T0 + 2 * S, price=4))) == []


def test_canceled_trade_is_gone_and_its_closed_bars_are_fetched_anew() -> None:
    state = market()
    for number, at in ((1, T0 + S), (2, T0 + MINUTE + S), (3, T0 + 2 * MINUTE + S)):
        state.apply(trade(number, at))
    gone = TradeCanceled(
        instrument_id=NAME, ts_event_ns=T0 + MINUTE + S, ts_recv_ns=T0 + 2 * MINUTE + 5 * S,
        trade_id=2,
    )  # fmt: skip
    out = state.apply(gone)
    assert faults(out) == ["trade canceled"]
    assert [item.trade_id for item in state.trades(NAME)] == [1, 3]
    minutes = [i for i in out if isinstance(i, HistoryNeeded) and i.timeframe is Timeframe.M1]
    assert [(item.start_ns, item.end_ns) for item in minutes] == [(T0 + MINUTE, T0 + 2 * MINUTE)]


def test_corrected_trade_takes_the_old_ones_place() -> None:
    state = market()
    for number in (1, 2, 3):
        state.apply(trade(number, T0 + number * S))
    state.apply(
        TradeCanceled(
            instrument_id=NAME, ts_event_ns=0, ts_recv_ns=T0 + 5 * S, trade_id=2,
            corrected=trade(8, T0 + 2 * S, price=9_999),
        )
    )  # fmt: skip
    assert [item.trade_id for item in state.trades(NAME)] == [1, 8, 3]


def test_broken_sequence_of_a_connection_distrusts_what_it_carried_alone() -> None:
    state = market()
    for name in (NAME, OTHER):
        state.apply(Quote(name, 0, T0 + S, 99, 1, 101, 1, 1))
    out = state.apply(
        SequenceBroken(
            venue=VENUE, ts_recv_ns=T0 + 2 * S, instrument_ids=(NAME,), reason="sequence_num",
            expected_id=5, received_id=9,
        )
    )  # fmt: skip
    assert [item.instrument_id for item in out if isinstance(item, ResyncNeeded)] == [NAME]
    assert (state.status(NAME), state.status(OTHER)) == (FeedStatus.STALE, FeedStatus.LIVE)


def test_rejected_frame_of_an_instrument_is_counted_with_it() -> None:
    state = market()
    state.apply(
        FrameRejected(
            venue=VENUE, ts_recv_ns=T0, reason="no", sample="{", instrument_id=NAME
        )
    )  # fmt: skip
    assert state.quality(NAME, T0).rejected == 1


def test_marks_keep_what_a_later_message_leaves_out() -> None:
    state = market()
    state.apply(
        MarkPrice(
            instrument_id=NAME, ts_event_ns=T0, ts_recv_ns=T0, mark=Decimal("100.123"),
            funding_rate=Decimal("0.0001"), next_funding_ns=T0 + 8,
        )
    )  # fmt: skip
    state.apply(MarkPrice(instrument_id=NAME, ts_event_ns=T0, ts_recv_ns=T0, mark=Decimal("100.5")))
    view = state.references.view(NAME)
    assert view is not None
    assert (view.mark, view.funding_rate) == (Decimal("100.5"), Decimal("0.0001"))
    assert view.next_funding_ns == T0 + 8


def test_live_and_stale_time_add_up() -> None:
    state = market()
    for step in range(20):
        state.on_timer(T0 + step * S // 4)
    state.apply(Quote(NAME, 0, T0 + 5 * S, 99, 1, 101, 1, 1))
    for step in range(20, 60):
        state.on_timer(T0 + step * S // 4)
    view = state.quality(NAME, T0 + 15 * S)
    assert view.stale_s == pytest.approx(4.75, abs=0.3)
    assert view.live_s == pytest.approx(10.0, abs=0.3)


def test_instrument_nobody_follows_costs_no_book() -> None:
    state = MarketState((), {VENUE: Rule(BookTraits())})
    state.add_instruments([listed(InstrumentId(f"X{n}-USDT.binance")) for n in range(5000)])
    assert list(state.followed()) == []
    assert len(list(state.instruments())) == 5000
