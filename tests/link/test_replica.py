from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.model.errors import InvariantError
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.market import FormingBar, Side, Timeframe
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.views import (
    BarColumns,
    BookProfile,
    BookView,
    Chart,
    ChartTail,
    MarketFrame,
    OrderChanged,
    TapeRow,
)
from link.replica import MAX_ENDED_ORDERS, Replica

BTC = InstrumentId("BTC-USDT.binance")
ETH = InstrumentId("ETH-USDT.binance")


def order(number: int, state: OrderState) -> Order:
    return Order(
        intent=OrderIntent(
            client_order_id=ClientOrderId(f"o{number}"),
            instrument_id=BTC,
            side=Side.BUY,
            type=OrderType.LIMIT,
            size=Decimal(1),
            price=Decimal(2),
            origin="tui",
        ),
        venue=VenueName("paper"),
        state=state,
        ts_submitted_ns=0,
        ts_updated_ns=0,
    )


def columns(*opens: int) -> BarColumns:
    ones = [1] * len(opens)
    return BarColumns(
        ts_open_ns=list(opens), open=ones[:], high=ones[:], low=ones[:], close=ones[:],
        volume=ones[:],
    )  # fmt: skip


def chart(instrument: InstrumentId = BTC) -> Chart:
    return Chart(
        instrument_id=instrument,
        timeframe=Timeframe.M1,
        bars=columns(1, 2),
        indicators={"ema(20)": [0.5, 0.6]},
        predictions=[],
    )


def tail(*opens: int, instrument: InstrumentId = BTC) -> ChartTail:
    return ChartTail(
        instrument_id=instrument,
        timeframe=Timeframe.M1,
        closed=columns(*opens),
        indicators={"ema(20)": [0.7] * len(opens)},
        predictions=[],
        forming=FormingBar(
            instrument_id=instrument, timeframe=Timeframe.M1, ts_open_ns=9, open_ticks=1,
            high_ticks=1, low_ticks=1, close_ticks=1, volume_lots=1, trades=1,
        ),
    )  # fmt: skip


def test_fact_out_of_order_is_refused_and_changes_nothing() -> None:
    replica = Replica()
    replica.apply_fact(1, OrderChanged(order=order(1, OrderState.ACCEPTED)))
    with pytest.raises(InvariantError, match="fact 3 does not follow 1"):
        replica.apply_fact(3, OrderChanged(order=order(2, OrderState.ACCEPTED)))
    assert list(replica.orders) == ["o1"]


def test_ended_orders_are_forgotten_oldest_first_and_open_ones_never() -> None:
    replica = Replica()
    replica.apply_fact(1, OrderChanged(order=order(0, OrderState.ACCEPTED)))
    for number in range(1, MAX_ENDED_ORDERS + 11):
        replica.apply_fact(number + 1, OrderChanged(order=order(number, OrderState.FILLED)))
    assert len(replica.orders) == MAX_ENDED_ORDERS + 1
    assert "o0" in replica.orders
    assert "o10" not in replica.orders
    assert "o11" in replica.orders


def test_tail_extends_its_own_chart_only() -> None:
    replica = Replica()
    replica.apply_frame(MarketFrame(ts_ns=1, chart=chart()))
    replica.apply_frame(MarketFrame(ts_ns=2, tail=tail(3)))
    replica.apply_frame(MarketFrame(ts_ns=3, tail=tail(4, instrument=ETH)))
    assert replica.chart is not None
    assert replica.chart.bars.ts_open_ns == [1, 2, 3]
    assert replica.chart.indicators["ema(20)"] == [0.5, 0.6, 0.7]
    assert replica.forming is not None
    assert replica.forming.instrument_id == BTC


def test_new_focus_drops_the_old_book_and_tape() -> None:
    replica = Replica()
    book = BookView(instrument_id=BTC, bids=[(1, 1)], asks=[(2, 1)], last_id=1)
    replica.apply_frame(
        MarketFrame(ts_ns=1, chart=chart(), book=book, tape=[TapeRow(1, 2, 3, False)])
    )
    assert (replica.book, len(replica.tape)) == (book, 1)
    replica.take_dirty()
    replica.apply_frame(MarketFrame(ts_ns=2, chart=chart(ETH)))
    assert replica.book is None
    assert not replica.tape
    assert replica.take_dirty() >= {"chart", "forming", "book", "tape"}


# -- charts beside the main one, and the book in buckets --------------------------------------


def further(timeframe: Timeframe, instrument: InstrumentId = BTC) -> Chart:
    return msgspec.structs.replace(chart(instrument), timeframe=timeframe)


def tail_of(timeframe: Timeframe, *opens: int, instrument: InstrumentId = BTC) -> ChartTail:
    forming = FormingBar(instrument, timeframe, 99, 1, 1, 1, 1, 1, 1)
    return ChartTail(
        instrument_id=instrument, timeframe=timeframe, closed=columns(*opens),
        indicators={"ema(20)": [0.7] * len(opens)}, predictions=[], forming=forming,
    )  # fmt: skip


def test_further_charts_are_kept_by_timeframe_and_grow_by_their_own_tails() -> None:
    replica = Replica()
    whole = [further(Timeframe.M15), further(Timeframe.H1)]
    replica.apply_frame(MarketFrame(ts_ns=1, chart=chart(), charts=whole))
    replica.take_dirty()
    replica.apply_frame(MarketFrame(ts_ns=2, tails=[tail_of(Timeframe.M15, 3)]))
    assert replica.take_dirty() == {"charts", "formings"}
    assert replica.charts[Timeframe.M15].bars.ts_open_ns == [1, 2, 3]
    assert replica.charts[Timeframe.M15].indicators["ema(20)"] == [0.5, 0.6, 0.7]
    assert replica.charts[Timeframe.H1].bars.ts_open_ns == [1, 2]
    assert replica.formings[Timeframe.M15].ts_open_ns == 99
    assert replica.forming is None


def test_tails_of_another_instrument_or_an_unknown_chart_change_nothing() -> None:
    replica = Replica()
    replica.apply_frame(MarketFrame(ts_ns=1, chart=chart(), charts=[further(Timeframe.M15)]))
    strange = [tail_of(Timeframe.M15, 3, instrument=ETH), tail_of(Timeframe.H4, 3)]
    replica.apply_frame(MarketFrame(ts_ns=2, tails=strange))
    assert replica.charts[Timeframe.M15].bars.ts_open_ns == [1, 2]
    assert replica.formings == {}


def test_another_focus_drops_further_charts_and_the_profile() -> None:
    replica = Replica()
    profile = BookProfile(
        instrument_id=BTC, ts_ns=1, step_ticks=10, bid_ticks=9, ask_ticks=11, bids=[1], asks=[2]
    )
    charts = [further(Timeframe.M15)]
    replica.apply_frame(MarketFrame(ts_ns=1, chart=chart(), charts=charts, profile=profile))
    assert replica.profile == profile
    replica.apply_frame(MarketFrame(ts_ns=2, chart=chart(ETH)))
    assert replica.profile is None
    assert replica.charts == {}


def test_who_waits_for_a_chart_is_told_once_when_it_comes_or_at_once_if_it_is_there() -> None:
    replica, told = Replica(), []
    replica.when_charted(lambda: told.append("first"))
    replica.apply_frame(MarketFrame(ts_ns=1, tail=tail(3)))
    assert told == [], "a bar of no chart is none"
    replica.apply_frame(MarketFrame(ts_ns=2, chart=chart()))
    replica.apply_frame(MarketFrame(ts_ns=3, chart=chart()))
    assert told == ["first"]
    replica.when_charted(lambda: told.append("at once"))
    assert told == ["first", "at once"]
