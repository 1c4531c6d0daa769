from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from core.engine.day import DayStats, turnover
from core.engine.market import HistoryNeeded, MarketOutput, MarketState, ResyncNeeded
from core.engine.quotes import QuoteBoard
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    DayTicker,
    FeedConnected,
    FeedDisconnected,
    FeedNotice,
    FeedStatus,
    FeedStatusChanged,
    Quote,
    Timeframe,
    Trade,
    VenueBar,
)
from core.model.ports import DEFAULT_TRAITS, BookTraits, Verdict

VENUE = VenueName("binance")
NAME = InstrumentId("BTC-USDT.binance")
OTHER = InstrumentId("ETH-USDT.binance")
S = 1_000_000_000
MIN = 60 * S
DAY = 1_700_006_400 * S


class Rule:
    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        if delta.last_id <= last_id:
            return Verdict.OLD
        return Verdict.GAP if delta.first_id > last_id + 1 else Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return that nothing is special."""
        return DEFAULT_TRAITS


def listed(name: InstrumentId, tick: str = "0.01") -> Instrument:
    return Instrument(
        id=name, venue=VENUE, venue_symbol=name[:3], base=name[:3], quote="USDT",
        price_tick=Decimal(tick), size_lot=Decimal("0.001"),
    )  # fmt: skip


@pytest.fixture
def market() -> MarketState:
    return MarketState([listed(NAME), listed(OTHER)], {VENUE: Rule()}, history_bars=50)


def side(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def subscribe(market: MarketState, name: InstrumentId = NAME, at: int = DAY) -> None:
    said = FeedStatusChanged(
        instrument_id=name, ts_recv_ns=at, status=FeedStatus.SYNCING, reason="subscribed"
    )
    market.apply(said)
    market.apply(BookSnapshot(name, 0, at, 10, side((99, 1)), side((101, 1))))


def trade(at: int, price: int = 100, number: int = 0, *, lots: int = 1, first: int = 0) -> Trade:
    return Trade(NAME, at, at, price, lots, False, number or at // 1_000_000, first)


def bars_in(outputs: Sequence[MarketOutput], timeframe: Timeframe) -> list[Bar]:
    return [out for out in outputs if isinstance(out, Bar) and out.timeframe is timeframe]


def needed(outputs: Sequence[MarketOutput], timeframe: Timeframe) -> list[tuple[int, int]]:
    return [
        (out.start_ns, out.end_ns)
        for out in outputs
        if isinstance(out, HistoryNeeded) and out.timeframe is timeframe
    ]


def history(opened: int, price: int = 100, *, timeframe: Timeframe = Timeframe.M1) -> Bar:
    return Bar(NAME, timeframe, opened, price, price + 1, price - 1, price, 10, 3)


def opens(market: MarketState, timeframe: Timeframe = Timeframe.M1) -> list[int]:
    return market.bars(NAME, timeframe).ts_open_ns.tolist()


def test_unknown_instrument_is_ignored_in_events_and_refused_in_questions(
    market: MarketState,
) -> None:
    stray = InstrumentId("XXX-USDT.binance")
    assert not market.apply(Quote(stray, 0, DAY, 1, 1, 2, 1, 1))
    assert market.top(stray) is None
    assert not market.trusted(stray)
    with pytest.raises(ConfigError, match=r"unknown instrument 'XXX-USDT\.binance'"):
        market.book(stray)


def test_instrument_of_a_venue_without_a_feed_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no feed is configured for BTC-USDT\.binance"):
        MarketState([listed(NAME)], {})


def test_top_is_the_newer_of_book_and_quote(market: MarketState) -> None:
    assert market.top(NAME) is None
    subscribe(market)
    assert market.top(NAME) == (99, 101)
    market.apply(Quote(NAME, 0, DAY, 98, 1, 102, 1, 9))
    assert market.top(NAME) == (99, 101)
    market.apply(Quote(NAME, 0, DAY, 97, 1, 103, 1, 11))
    assert market.top(NAME) == (97, 103)
    market.apply(BookDelta(NAME, 0, DAY, 11, 12, -1, side((100, 4)), side()))
    assert market.top(NAME) == (100, 101)


def test_last_top_survives_a_gap_but_trust_does_not(market: MarketState) -> None:
    subscribe(market)
    market.apply(BookDelta(NAME, 0, DAY, 11, 11, -1, side((99, 2)), side()))
    out = market.apply(BookDelta(NAME, 0, DAY, 20, 21, -1, side((98, 4)), side()))
    assert ResyncNeeded(NAME) in out
    assert market.top(NAME) == (99, 101)
    assert not market.trusted(NAME)
    assert market.book(NAME).n_bids == 0
    view = market.feed_view(NAME)
    assert (view.status, view.gaps, view.resyncs) == (FeedStatus.STALE, 1, 1)


def test_disconnect_hits_only_the_instruments_of_its_connection(market: MarketState) -> None:
    for name in (NAME, OTHER):
        subscribe(market, name)
    market.apply(
        FeedDisconnected(
            venue=VENUE, ts_recv_ns=DAY, conn=0, reason="reset", instrument_ids=(NAME,)
        )
    )
    assert not market.trusted(NAME)
    assert market.trusted(OTHER)


def test_connection_that_does_not_say_what_it_carries_hits_the_whole_venue(
    market: MarketState,
) -> None:
    subscribe(market)
    market.apply(FeedDisconnected(venue=VENUE, ts_recv_ns=DAY, conn=0, reason="reset"))
    assert market.feed_view(NAME).reason == "disconnected: reset"
    market.apply(FeedConnected(venue=VENUE, ts_recv_ns=DAY, conn=0))
    assert market.status(NAME) is FeedStatus.SYNCING
    assert market.status(OTHER) is FeedStatus.UNSUBSCRIBED


def test_silence_is_noticed_by_the_timer(market: MarketState) -> None:
    subscribe(market)
    market.apply(Quote(NAME, 0, DAY + 5 * S, 97, 1, 103, 1, 11))
    assert not market.on_timer(DAY + 15 * S)
    (out,) = market.on_timer(DAY + 16 * S)
    assert isinstance(out, FeedStatusChanged)
    assert out.reason == "silent for 10 s"


def delisted() -> FeedNotice:
    text = "binance no longer lists BTC-USDT.binance: it was halted, delisted or renamed; look"
    return FeedNotice(
        venue=VENUE, ts_recv_ns=DAY + S, kind="listing", text=text, instrument_id=NAME
    )


def test_what_is_no_longer_listed_says_so_while_nothing_comes(market: MarketState) -> None:
    begin = FeedStatusChanged(
        instrument_id=NAME, ts_recv_ns=DAY, status=FeedStatus.SYNCING, reason="subscribed"
    )
    market.apply(begin)
    notice = delisted()
    turned, told = market.apply(notice)
    assert told is notice
    assert isinstance(turned, FeedStatusChanged)
    assert turned.status is FeedStatus.SYNCING
    assert turned.reason == "binance no longer lists BTC-USDT.binance"
    for out in market.on_timer(DAY + 30 * S):
        assert not isinstance(out, FeedStatusChanged)


def test_a_notice_of_the_listing_takes_nothing_from_what_speaks(market: MarketState) -> None:
    subscribe(market)
    assert market.status(NAME) is FeedStatus.LIVE
    notice = delisted()
    assert list(market.apply(notice)) == [notice]


def test_first_partial_bar_is_not_a_bar_but_a_question_to_history(market: MarketState) -> None:
    subscribe(market)
    market.apply(trade(DAY + 30 * S, 100))
    out = market.apply(trade(DAY + 61 * S, 101))
    assert bars_in(out, Timeframe.M1) == []
    assert needed(out, Timeframe.M1) == [(DAY, DAY + MIN)]
    out = market.apply(trade(DAY + 125 * S, 102))
    assert bars_in(out, Timeframe.M1) == [
        Bar(NAME, Timeframe.M1, DAY + MIN, 101, 101, 101, 101, 1, 1, DAY + 125 * S)
    ]
    assert needed(out, Timeframe.M1) == []
    assert market.seed_bars(NAME, Timeframe.M1, [history(DAY)]) == []
    assert opens(market) == [DAY, DAY + MIN]


def test_history_and_live_bars_join_without_a_missing_or_doubled_bar(market: MarketState) -> None:
    subscribe(market)
    market.apply(trade(DAY + 30 * S, 100))
    market.apply(trade(DAY + 61 * S, 101))
    market.apply(trade(DAY + 121 * S, 102))
    fetched = [history(DAY + minute * MIN, 50) for minute in range(-3, 3)]
    market.seed_bars(NAME, Timeframe.M1, fetched)
    # The bar of minute 2 is still forming here; minute 1 was built from our own trades.
    assert opens(market) == [DAY + minute * MIN for minute in range(-3, 2)]
    assert market.bars(NAME, Timeframe.M1).close.tolist() == [50, 50, 50, 50, 101]


def test_outage_leaves_a_hole_that_history_fills_in_order(market: MarketState) -> None:
    subscribe(market)
    for second in (30, 61, 121):
        market.apply(trade(DAY + second * S))
    market.apply(FeedDisconnected(venue=VENUE, ts_recv_ns=DAY + 125 * S, conn=0, reason="x"))
    subscribe(market, at=DAY + 310 * S)
    out = market.apply(trade(DAY + 310 * S, 105))
    assert needed(out, Timeframe.M1) == [(DAY + 2 * MIN, DAY + 3 * MIN)]
    out = market.apply(trade(DAY + 361 * S, 106))
    assert needed(out, Timeframe.M1) == [(DAY + 2 * MIN, DAY + 6 * MIN)]
    out = market.apply(trade(DAY + 421 * S, 107))
    assert [bar.ts_open_ns for bar in bars_in(out, Timeframe.M1)] == [DAY + 6 * MIN]
    fetched = [history(DAY + minute * MIN, 70) for minute in (2, 3, 5)]
    added = market.seed_bars(NAME, Timeframe.M1, fetched)
    assert [(bar.ts_open_ns, bar.revision) for bar in added] == [
        (DAY + 2 * MIN, 1), (DAY + 3 * MIN, 1), (DAY + 5 * MIN, 1),
    ]  # fmt: skip
    assert opens(market) == [DAY + minute * MIN for minute in (1, 2, 3, 5, 6)]


def test_timer_closes_a_bar_and_a_late_trade_revises_it(market: MarketState) -> None:
    subscribe(market)
    market.apply(trade(DAY + 30 * S))
    market.apply(trade(DAY + 61 * S, 100, 1))
    (bar,) = bars_in(market.on_timer(DAY + 121 * S), Timeframe.M1)
    assert (bar.ts_open_ns, bar.close_ticks, bar.revision) == (DAY + MIN, 100, 0)
    (bar,) = bars_in(
        market.apply(Trade(NAME, DAY + 119 * S, DAY + 122 * S, 90, 5, True, 10**15)), Timeframe.M1
    )
    assert bar == Bar(NAME, Timeframe.M1, DAY + MIN, 100, 100, 90, 90, 6, 2, DAY + 122 * S, 1)
    assert market.bars(NAME, Timeframe.M1).low.tolist() == [90]


def test_late_trade_of_an_empty_period_makes_its_bar(market: MarketState) -> None:
    subscribe(market)
    for second in (0, 61, 181, 241):
        market.apply(trade(DAY + second * S))
    assert opens(market) == [DAY + MIN, DAY + 3 * MIN]
    (bar,) = bars_in(market.apply(trade(DAY + 130 * S, 80, 10**15)), Timeframe.M1)
    assert (bar.ts_open_ns, bar.volume_lots, bar.revision) == (DAY + 2 * MIN, 1, 1)
    assert opens(market) == [DAY + MIN, DAY + 2 * MIN, DAY + 3 * MIN]


def test_late_trade_does_not_change_a_bar_of_the_venue(market: MarketState) -> None:
    subscribe(market)
    market.apply(trade(DAY + 30 * S, 100))
    market.apply(trade(DAY + 61 * S, 101))
    market.seed_bars(NAME, Timeframe.M1, [history(DAY, 50)])
    out = market.apply(trade(DAY + 40 * S, 1, 10**15))
    assert bars_in(out, Timeframe.M1) == []
    assert market.bars(NAME, Timeframe.M1).low.tolist() == [49]


def test_repeated_trade_is_counted_once(market: MarketState) -> None:
    subscribe(market)
    for number in (1, 2, 2, 1):
        market.apply(trade(DAY + 30 * S, 100, number))
    forming = market.forming(NAME, Timeframe.M1)
    assert forming is not None
    assert (forming.volume_lots, len(market.trades(NAME))) == (2, 2)


def test_aggregates_beside_single_trades_are_not_counted_twice(market: MarketState) -> None:
    subscribe(market)
    market.apply(trade(DAY + 30 * S, 100, 7))
    market.apply(trade(DAY + 31 * S, 100, 900, first=7))
    forming = market.forming(NAME, Timeframe.M1)
    assert forming is not None
    assert forming.volume_lots == 1


def test_single_trades_take_over_from_aggregates_in_a_row(market: MarketState) -> None:
    subscribe(market)
    found = [(5, 50), (6, 51), (7, 55), (7, 55), (60, 0), (8, 61), (61, 0), (61, 0), (9, 62)]
    for second, (number, first) in enumerate(found):
        market.apply(trade(DAY + second * S, 100, number, first=first))
    assert [item.trade_id for item in market.trades(NAME)] == [5, 6, 7, 60, 61]


def test_candles_of_the_venue_are_never_mixed_in(market: MarketState) -> None:
    subscribe(market)
    assert not market.apply(VenueBar(NAME, "1m", DAY, DAY, 1, 1, 1, 1, 1, True))
    assert market.forming(NAME, Timeframe.M1) is None


def test_forming_bar_that_began_before_us_is_completed_from_history(market: MarketState) -> None:
    subscribe(market)
    start = DAY + 2 * 3600 * S + 7 * MIN
    market.apply(trade(start + 20 * S, 500, lots=4))
    market.seed_bars(NAME, Timeframe.H1, [
        Bar(NAME, Timeframe.H1, DAY + hour * 3600 * S, 300 + hour, 400, 200, 310, 100, 9)
        for hour in (0, 1)
    ])  # fmt: skip
    market.seed_bars(NAME, Timeframe.M5, [
        Bar(NAME, Timeframe.M5, DAY + 2 * 3600 * S, 310, 320, 150, 315, 10, 5)
    ])  # fmt: skip
    market.seed_bars(NAME, Timeframe.M1, [
        Bar(NAME, Timeframe.M1, DAY + 2 * 3600 * S + minute * MIN, 315, 600, 300, 320, 1, 2)
        for minute in (4, 5, 6)
    ])  # fmt: skip
    forming = market.forming(NAME, Timeframe.H4)
    assert forming is not None
    assert (forming.open_ticks, forming.high_ticks, forming.low_ticks) == (300, 600, 150)
    assert (forming.close_ticks, forming.volume_lots) == (500, 100 + 100 + 10 + 1 + 1 + 4)
    hour = market.forming(NAME, Timeframe.H1)
    assert hour is not None
    assert (hour.open_ticks, hour.volume_lots) == (310, 10 + 1 + 1 + 4)


def quarters(market: MarketState, steps: int) -> None:
    """Seed bars of 15 minutes that end at DAY, the newest first."""
    market.seed_bars(NAME, Timeframe.M15, [
        Bar(NAME, Timeframe.M15, DAY - step * 15 * MIN, 1000 + step, 2000 + step, 500, 1001, 10, 3)
        for step in range(1, steps + 1)
    ])  # fmt: skip


def test_day_statistics_cover_24_hours_and_no_more() -> None:
    market = MarketState([listed(NAME)], {VENUE: Rule()}, history_bars=500)
    assert market.day_stats(NAME).volume_lots == 0
    subscribe(market)
    quarters(market, 119)
    market.apply(trade(DAY + S, 42, lots=7))
    stats = market.day_stats(NAME)
    assert (stats.open_ticks, stats.high_ticks, stats.low_ticks) == (1095, 2095, 42)
    assert stats.volume_lots == 95 * 10 + 7
    middles = sum((2000 + step + 500 + 1001) / 3 * 10 for step in range(1, 96))
    assert stats.worth == pytest.approx(middles + 42 * 7)
    # A lot is 0.001 of the base and a tick 0.01 of the quote.
    assert QuoteBoard(market).line(NAME, DAY).turnover_24h == pytest.approx(stats.worth * 1e-5)


def test_figures_of_a_day_are_the_venues_own_where_bars_do_not_reach_back(
    market: MarketState,
) -> None:
    subscribe(market)
    quarters(market, 60)
    market.apply(trade(DAY + S, 42, lots=7))
    # The store of this fixture keeps 50 bars, half a day.
    assert market.day_stats(NAME) == DayStats()
    market.apply(DayTicker(
        instrument_id=NAME, ts_event_ns=DAY, ts_recv_ns=DAY, last=Decimal("10"),
        open=Decimal("8"), high=Decimal("12.5"), low=Decimal("7.995"), volume=Decimal("100"),
    ))  # fmt: skip
    stats = market.day_stats(NAME)
    assert (stats.open_ticks, stats.high_ticks, stats.low_ticks) == (800, 1250, 800)
    assert stats.volume_lots == 100_000
    assert QuoteBoard(market).line(NAME, DAY).turnover_24h == pytest.approx(1000)


def test_turnover_of_an_inverse_contract_is_its_size_in_the_quote() -> None:
    item = msgspec.structs.replace(
        listed(NAME), inverse=True, contract_size=Decimal(100), size_lot=Decimal(1)
    )
    assert turnover(DayStats(volume_lots=7, worth=123.0), item) == 700


def test_the_last_price_is_the_venues_where_no_trade_was_seen(market: MarketState) -> None:
    subscribe(market)
    ticker = DayTicker(instrument_id=NAME, ts_event_ns=DAY, ts_recv_ns=DAY, last=Decimal("112.13"))
    market.apply(ticker)
    board = QuoteBoard(market)
    assert board.line(NAME, DAY).last_ticks == 11_213
    market.apply(trade(DAY + S, 42))
    assert board.line(NAME, DAY + S).last_ticks == 42


def test_bars_kept_are_bounded_and_the_newest(market: MarketState) -> None:
    subscribe(market)
    for second in range(400):
        market.apply(trade(DAY + second * S))
    columns = market.bars(NAME, Timeframe.S1)
    assert columns.ts_open_ns.tolist() == [DAY + second * S for second in range(349, 399)]
    assert market.bars(NAME, Timeframe.S1, 3).ts_open_ns.tolist() == [
        DAY + second * S for second in range(396, 399)
    ]


def test_same_events_give_the_same_digest_and_any_difference_another() -> None:
    def run(price: int) -> bytes:
        market = MarketState([listed(NAME)], {VENUE: Rule()})
        subscribe(market)
        for second in range(70):
            market.apply(trade(DAY + second * S, price))
        market.on_timer(DAY + 75 * S)
        return market.state_digest()

    assert run(100) == run(100)
    assert run(100) != run(101)


def test_changed_steps_start_the_instrument_anew(market: MarketState) -> None:
    subscribe(market)
    market.add_instruments([msgspec.structs.replace(listed(NAME), trading=False)])
    assert market.trusted(NAME)
    assert not market.instrument(NAME).trading
    market.add_instruments([listed(NAME, "0.1")])
    assert market.status(NAME) is FeedStatus.UNSUBSCRIBED


def test_history_of_a_venue_that_counts_no_trades_is_taken(market: MarketState) -> None:
    bare = msgspec.structs.replace(history(DAY), trades=0, volume_lots=5)
    filler = Bar(NAME, Timeframe.M1, DAY + MIN, 100, 100, 100, 100, 0, 0)
    market.seed_bars(NAME, Timeframe.M1, [bare, filler])
    assert opens(market) == [DAY]
