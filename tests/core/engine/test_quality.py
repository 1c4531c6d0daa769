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


def test_clock_set_anew_after_a_long_day_is_told_by_its_third_sample() -> None:
    clocks, venue = Clocks(), VenueName("okx")

    def take(offset_s: float, round_trip_s: float = 0.01) -> str:
        return clocks.add(
            ClockSample(
                venue=venue,
                ts_recv_ns=NOON,
                offset_ns=int(offset_s * 1e9),
                round_trip_ns=int(round_trip_s * 1e9),
            )
        )

    assert [take(0.01) for _ in range(600)] == [""] * 600
    assert [take(3.0, round_trip_s=6.0) for _ in range(9)] == [""] * 9, "slow answers tell nothing"
    told = [take(7200.0) for _ in range(4)]
    assert told[:2] == ["", ""]
    assert "the clock of okx is 7200.0 s ahead" in told[2]
    assert told[3] == ""
    assert [take(0.0) for _ in range(3)][2] == "the clocks of okx and this machine agree again"


def test_clock_offset_is_the_median_so_one_bad_sample_does_no_harm() -> None:
    clocks, venue = Clocks(), VenueName("binance")
    for offset in (10, 12, 11, 10**12, 9):
        clocks.add(ClockSample(venue=venue, ts_recv_ns=NOON, offset_ns=offset, round_trip_ns=1))
    assert clocks.offset_ns(venue) == 11
    assert clocks.offset_ns(VenueName("okx")) == 0


def test_view_is_small_on_the_wire() -> None:
    assert len(msgspec.msgpack.encode(grown(1, 2))) < 700
