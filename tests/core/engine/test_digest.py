from __future__ import annotations

from typing import Any

import pytest

from core.engine.digest import MAX_TAPE_ROWS
from core.model.ids import InstrumentId
from core.model.market import Bar, FeedStatus, Timeframe
from core.model.views import ChartWish, View
from link.replica import Replica

SECOND = 1_000_000_000


@pytest.fixture
def run(desk: Any, tape: Any) -> Any:
    made = desk()
    made.play(tape(seconds=5))
    return made


def looking(run: Any, **changes: Any) -> Any:
    look = run.kernel.open_view()
    fields = {
        "focus": InstrumentId("BTC-USDT.binance"),
        "quotes": (InstrumentId("BTC-USDT.binance"),),
        "timeframe": Timeframe.S1,
        **changes,
    }
    look.watch(View(**fields))
    return look


def test_first_frame_has_everything_and_the_next_nothing(run: Any) -> None:
    look = looking(run, indicators=("ema(3)",))
    frame = look.next_frame()
    assert frame.quotes[0].status is FeedStatus.LIVE
    assert len(frame.book.bids) == 20
    assert frame.tape
    assert frame.chart.bars.close
    assert list(frame.chart.indicators) == ["ema(3)"]
    second = look.next_frame()
    assert second.tail is not None
    assert second.tail.forming is not None, "the forming bar follows the chart"
    assert look.next_frame() is None


def test_line_that_only_grew_older_is_sent_once_a_second(run: Any) -> None:
    look = looking(run, focus=None)
    assert len(look.next_frame().quotes) == 1
    run.clock.advance(SECOND // 2)
    assert look.next_frame() is None
    run.clock.advance(SECOND // 2)
    (line,) = look.next_frame().quotes
    assert line.age_ms >= 1000


def test_book_is_sent_when_it_changed_and_withheld_when_not_trusted(
    desk: Any, tape_maker: Any
) -> None:
    run, maker = desk(), tape_maker(4)
    run.play([*maker.opening(), *maker.frames(3)])
    look = looking(run)
    before = look.next_frame().book
    run.play(list(maker.frames(1)))
    after = look.next_frame().book
    assert after.last_id > before.last_id
    for _ in range(50):
        maker.step("BTCUSDT")
    run.play(list(maker.frames(1)))
    assert look.next_frame().book is None


def test_replica_fed_by_frames_equals_the_whole_chart(desk: Any, tape_maker: Any) -> None:
    run, maker = desk(), tape_maker(5)
    run.play([*maker.opening(), *maker.frames(5)])
    look, replica = looking(run, indicators=("ema(3)", "bb(4,2)")), Replica()
    for frame in maker.frames(20):
        run.play([frame])
        if (made := look.next_frame()) is not None:
            replica.apply_frame(made)
    whole = looking(run, indicators=("ema(3)", "bb(4,2)")).next_frame()
    assert replica.chart is not None
    assert replica.chart.bars == whole.chart.bars
    for name, values in whole.chart.indicators.items():
        assert replica.chart.indicators[name] == pytest.approx(values, nan_ok=True), name
    assert list(replica.tape)[-10:] == whole.tape[-10:]


def test_late_trade_draws_the_chart_anew(run: Any, tape_maker: Any) -> None:
    look = looking(run)
    first = look.next_frame().chart
    newest = run.kernel.market.last_trade(first.instrument_id)
    body = (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":%d,'
        b'"p":"61000.00","q":"1.00000","T":%d,"m":false,"M":true}}'
        % (newest.trade_id + 1, first.bars.ts_open_ns[-2] // 1_000_000 + 1)
    )
    run.play([("recv", 1, run.clock.now_ns(), "", body)])
    again = look.next_frame().chart
    assert again is not None
    assert again.bars.high[-2] == 6_100_000


def test_history_that_arrives_ends_the_loading_chart(desk: Any, tape: Any, btc: Any) -> None:
    run = desk()
    run.host.answer_at_once = False
    run.play(tape(seconds=3))
    look = looking(run, timeframe=Timeframe.M1)
    assert look.next_frame().chart.loading
    minute = Timeframe.M1.ns
    start = run.clock.now_ns() // minute * minute
    run.host.history[btc.id, Timeframe.M1] = [
        Bar(btc.id, Timeframe.M1, start - n * minute, 10, 12, 9, 11, 5, 2) for n in range(9, 0, -1)
    ]
    run.host.answer((btc.id, Timeframe.M1))
    chart = look.next_frame().chart
    assert not chart.loading
    assert chart.bars.close == [11] * 9


def test_chart_is_no_longer_than_asked_for(run: Any) -> None:
    chart = looking(run, bars=2, indicators=("sma(3)",)).next_frame().chart
    assert len(chart.bars.close) == 2
    assert len(chart.indicators["sma(3)"]) == 2


def test_indicator_nobody_knows_is_left_out_of_the_chart(run: Any) -> None:
    chart = looking(run, indicators=("emo(3)", "ema(3)")).next_frame().chart
    assert list(chart.indicators) == ["ema(3)"]


def test_more_trades_than_a_frame_holds_are_counted(desk: Any, tape_maker: Any) -> None:
    run, maker = desk(), tape_maker(6)
    run.play([*maker.opening(), *maker.frames(1)])
    look = looking(run)
    look.next_frame()
    before = len(run.kernel.market.trades(InstrumentId("BTC-USDT.binance")))
    run.play(list(maker.frames(20)))
    made = len(run.kernel.market.trades(InstrumentId("BTC-USDT.binance"))) - before
    frame = look.next_frame()
    assert len(frame.tape) == MAX_TAPE_ROWS
    assert frame.tape_skipped == made - MAX_TAPE_ROWS


def test_instrument_listed_after_the_view_was_asked_for_joins_it(
    desk: Any, another: Any, btc: Any
) -> None:
    eth = another("ETH")
    run = desk()
    look = looking(run, focus=eth.id, quotes=(btc.id, eth.id))
    assert {line.instrument_id for line in look.next_frame().quotes} == {btc.id}
    run.kernel.add_instruments([eth])
    frame = look.next_frame()
    assert {line.instrument_id for line in frame.quotes} == {btc.id, eth.id}
    assert frame.chart.instrument_id == eth.id
    assert ("subscribe", (eth.id,)) in run.feed.calls


def test_predictions_come_with_the_chart_and_then_with_its_tail(
    desk: Any, tape_maker: Any, drift: Any
) -> None:
    run, maker = desk(model=drift()), tape_maker(7)
    run.play([*maker.opening(), *maker.frames(5)])
    look = looking(run)
    chart = look.next_frame().chart
    assert chart.predictions == run.predictions.kept
    known = len(chart.predictions)
    tails = []
    for frame in maker.frames(5):
        run.play([frame])
        made = look.next_frame()
        if made is not None and made.tail is not None:
            tails += made.tail.predictions
    assert tails == run.predictions.kept[known:]
    assert tails


# -- further charts, and the book in buckets -----------------------------------------------------


def test_further_charts_come_whole_once_and_then_in_tails(run: Any) -> None:
    wishes = (
        ChartWish(timeframe=Timeframe.S5, indicators=("ema(3)",)),
        ChartWish(timeframe=Timeframe.S1, indicators=("rsi(3)",)),
    )
    look = looking(run, charts=wishes)
    frame = look.next_frame()
    assert [chart.timeframe for chart in frame.charts] == [Timeframe.S5], "the main one is left out"
    assert list(frame.charts[0].indicators) == ["ema(3)"]
    second = look.next_frame()
    assert not second.charts
    assert [tail.timeframe for tail in second.tails] == [Timeframe.S5]
    assert look.next_frame() is None


def test_replica_follows_a_further_chart_as_the_engine_has_it(desk: Any, tape_maker: Any) -> None:
    run, maker = desk(), tape_maker(5)
    run.play([*maker.opening(), *maker.frames(5)])
    wish = ChartWish(timeframe=Timeframe.S5, indicators=("ema(3)",))
    look, replica = looking(run, charts=(wish,)), Replica()
    for frame in maker.frames(300):
        run.play([frame])
        news = look.next_frame()
        if news is not None:
            replica.apply_frame(news)
    fresh = looking(run, timeframe=Timeframe.S5, indicators=("ema(3)",)).next_frame().chart
    known = replica.charts[Timeframe.S5]
    assert known.bars == fresh.bars
    assert len(known.bars.close) > 1
    assert known.indicators["ema(3)"][-1] == pytest.approx(fresh.indicators["ema(3)"][-1])
    assert replica.formings[Timeframe.S5].ts_open_ns > known.bars.ts_open_ns[-1]


def test_a_view_that_keeps_a_chart_is_not_sent_it_again(run: Any) -> None:
    wish = ChartWish(timeframe=Timeframe.S5)
    look = looking(run, charts=(wish,))
    look.next_frame()
    view = View(
        focus=InstrumentId("BTC-USDT.binance"),
        timeframe=Timeframe.S1,
        charts=(wish, ChartWish(timeframe=Timeframe.M1)),
    )
    look.watch(view)
    assert [chart.timeframe for chart in look.next_frame().charts] == [Timeframe.M1]


def test_the_books_profile_adds_up_to_the_book(run: Any) -> None:
    look = looking(run, profile_step=50, profile_rows=500)
    profile = look.next_frame().profile
    bids, asks = run.kernel.market.book(InstrumentId("BTC-USDT.binance")).top(1000)
    assert sum(profile.bids) == int(bids[:, 1].sum())
    assert sum(profile.asks) == int(asks[:, 1].sum())
    first = profile.bid_ticks // 50
    near = bids[(bids[:, 0] // 50) == first]
    assert profile.bids[0] == int(near[:, 1].sum())
    narrow = looking(run, profile_step=50, profile_rows=2).next_frame().profile
    assert narrow.bids == profile.bids[:2]
    assert narrow.asks == profile.asks[:2]


def test_a_profile_is_sent_only_a_few_times_a_second(desk: Any, tape_maker: Any) -> None:
    run, maker = desk(), tape_maker(5)
    run.play([*maker.opening(), *maker.frames(3)])
    look = looking(run, profile_step=10, profile_rows=50)
    assert look.next_frame().profile is not None
    run.clock.advance(SECOND // 10)
    news = look.next_frame()
    assert news is None or news.profile is None
    run.clock.advance(SECOND)
    assert look.next_frame().profile is not None
