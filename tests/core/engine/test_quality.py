"""Quality records count each UTC day on its own."""

from __future__ import annotations

import msgspec

from core.engine.quality import DAY_NS, Clocks, QualityLog
from core.model.ids import InstrumentId, VenueName
from core.model.market import ClockSample
from core.model.views import QualityView

NAME = InstrumentId("BTC-USDT.binance")
NOON = 20_000 * DAY_NS + DAY_NS // 2


def grown(gaps: int, trades: int) -> QualityView:
    return QualityView(instrument_id=NAME, day="", gaps=gaps, trades=trades, live_s=trades / 10)


def test_first_day_counts_from_nothing() -> None:
    view = QualityLog().day(grown(2, 50), NOON)
    assert (view.day, view.gaps, view.trades, view.live_s) == ("2024-10-04", 2, 50, 5.0)


def test_midnight_starts_a_day_and_keeps_the_one_before() -> None:
    log = QualityLog()
    log.day(grown(2, 50), NOON)
    later = log.day(grown(3, 80), NOON + DAY_NS)
    assert (later.day, later.gaps, later.trades) == ("2024-10-05", 0, 0)
    (before,) = log.take_finished()
    assert (before.day, before.gaps, before.trades) == ("2024-10-04", 3, 80)
    assert log.take_finished() == []
    assert log.day(grown(4, 81), NOON + DAY_NS + 1).gaps == 1


def test_clock_offset_is_the_median_so_one_bad_sample_does_no_harm() -> None:
    clocks, venue = Clocks(), VenueName("binance")
    for offset in (10, 12, 11, 10**12, 9):
        clocks.add(ClockSample(venue=venue, ts_recv_ns=NOON, offset_ns=offset, round_trip_ns=1))
    assert clocks.offset_ns(venue) == 11
    assert clocks.offset_ns(VenueName("okx")) == 0


def test_view_is_small_on_the_wire() -> None:
    assert len(msgspec.msgpack.encode(grown(1, 2))) < 700
