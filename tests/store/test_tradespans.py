"""Which times' trades are all there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.settings import StoreSettings
from core.model.stores import DAY_NS, TradeHole
from store.market import MarketStore

T0 = 1_704_067_200_000_000_000
S = 1_000_000_000


@pytest.fixture
def tick(instrument: Instrument) -> Callable[..., Trade]:
    def make(number: int, at_s: float | None = None, size: int = 5, first: int = 0) -> Trade:
        ts_ns = T0 + int((number if at_s is None else at_s) * S)
        return Trade(instrument.id, ts_ns, 0, 100 + number % 7, size, False, number, first)

    return make


def test_a_span_that_was_kept_is_missing_no_longer(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    whole = (T0, T0 + 100 * S)
    assert market.past.missing(instrument.id, *whole) == [whole]
    market.past.keep(instrument, [tick(12), tick(15)], T0 + 10 * S, T0 + 20 * S)
    market.past.keep(instrument, [], T0 + 20 * S, T0 + 40 * S)
    market.past.keep(instrument, [tick(70)], T0 + 60 * S, T0 + 80 * S)
    assert market.past.missing(instrument.id, *whole) == [
        (T0, T0 + 10 * S), (T0 + 40 * S, T0 + 60 * S), (T0 + 80 * S, T0 + 100 * S),
    ]  # fmt: skip
    assert market.past.missing(instrument.id, T0 + 11 * S, T0 + 39 * S) == []


def test_trades_and_their_span_are_written_together_or_not_at_all(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    bad = msgspec.structs.replace(tick(11), size_lots=0)
    with pytest.raises(DataError):
        market.past.keep(instrument, [tick(10), bad], T0, T0 + 20 * S)
    assert market.past.missing(instrument.id, T0, T0 + 20 * S) == [(T0, T0 + 20 * S)]
    assert market.trades.newest(instrument.id) is None


def test_ids_in_a_row_prove_a_span_across_midnight(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    noon = 86_390
    market.trades.put_trades(instrument, [tick(number, noon + number) for number in range(1, 21)])
    span = (T0 + noon * S, T0 + (noon + 30) * S)
    left = market.past.missing(instrument.id, *span, consecutive=True)
    assert left == [(span[0], T0 + (noon + 1) * S), (T0 + (noon + 20) * S, span[1])]
    assert market.past.missing(instrument.id, *span) == [span]


def test_a_hole_in_the_ids_is_told_until_the_venue_was_asked(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    market.trades.put_trades(instrument, [tick(n) for n in (1, 2, 3, 7, 8, 12)])
    span = (T0, T0 + DAY_NS)
    hole = TradeHole(4, 6, T0 + 3 * S, T0 + 7 * S + 1)
    assert market.past.holes(instrument.id, *span) == [
        hole, TradeHole(9, 11, T0 + 8 * S, T0 + 12 * S + 1),
    ]  # fmt: skip
    market.past.keep(
        instrument, [tick(n) for n in range(3, 8)], hole.start_ns, hole.end_ns, consecutive=True
    )
    market.past.keep(instrument, [tick(8), tick(12)], T0 + 8 * S, T0 + 12 * S + 1)
    assert market.past.holes(instrument.id, *span) == []
    ids = market.trades.trades(instrument.id, *span).trade_id.tolist()
    assert ids == [1, 2, 3, 4, 5, 6, 7, 8, 12]


def test_a_stored_id_is_never_kept_again_however_its_time_is_told(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    market.trades.put_trades(instrument, [tick(1, 1.9995), tick(2, 2.5)])
    past = [tick(1, 2.0), tick(2, 2.5), tick(3, 3.0)]
    written = market.past.keep(instrument, past, T0, T0 + 9 * S, consecutive=True)
    assert written.new == 1
    assert market.trades.trades(instrument.id, T0, T0 + 9 * S).trade_id.tolist() == [1, 2, 3]


def test_trades_numbered_otherwise_take_the_place_of_the_streams(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    joined = [tick(5, 5, size=30), tick(20, 20), tick(40, 40, size=9)]
    market.trades.put_trades(instrument, joined)
    single = [tick(n, 5, size=10) for n in (3, 4, 5)]
    market.past.keep(instrument, [*single, tick(20, 20)], T0, T0 + 30 * S, replace=True)
    kept = market.trades.trades(instrument.id, T0, T0 + DAY_NS)
    assert kept.trade_id.tolist() == [3, 4, 5, 20, 40]
    assert int(kept.size.sum()) == 30 + 5 + 9


def test_single_trades_are_judged_beside_joined_ones_of_a_file(
    market: MarketStore, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    joined = [tick(900, 1, first=1), tick(950, 3, first=5)]
    market.trades.put_trades(instrument, [*joined, *(tick(n) for n in (1, 2, 3))])
    assert market.past.holes(instrument.id, T0, T0 + DAY_NS) == []


def test_what_is_dropped_by_age_or_damage_is_missing_again(
    market_path: Path, instrument: Instrument, tick: Callable[..., Trade]
) -> None:
    with MarketStore(market_path) as market:
        for day in range(3):
            start = T0 + day * DAY_NS
            found = [tick(day * 100 + n, day * 86_400 + n) for n in range(1, 50)]
            market.past.keep(instrument, found, start, start + DAY_NS)
        policy = StoreSettings(trades_days=1)
        market.retention.apply(policy, T0 + 2 * DAY_NS + 5)
        assert market.past.missing(instrument.id, T0, T0 + 3 * DAY_NS) == [(T0, T0 + DAY_NS)]
    with sqlite3.connect(market_path) as raw:
        raw.execute("UPDATE trade_blocks SET crc = crc + 1 WHERE start_ns = ?", (T0 + 2 * DAY_NS,))
    raw.close()
    with MarketStore(market_path) as market:
        assert market.upkeep.verify(instrument.id)
        market.upkeep.repair(instrument.id)
        (first, (start, end)) = market.past.missing(instrument.id, T0, T0 + 3 * DAY_NS)
        assert first == (T0, T0 + DAY_NS)
        assert start == T0 + 2 * DAY_NS + S, "before its first trade there were none"
        assert end == T0 + 2 * DAY_NS + 49 * S + 1
        assert not market.upkeep.verify(instrument.id)
