"""Where a venue told no trades of a time in which its bars hold volume."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from clx.cli.data.kept import gaps
from clx.cli.data.untold import Untold, untold_trades
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe, Trade
from core.model.stores import BarSource, columns_of_bars
from store.market import MarketStore

T0 = 1_704_067_200_000_000_000
S = 1_000_000_000
MIN = 60 * S
ITEM = Instrument(
    id=InstrumentId("ABC-USD.binance"), venue=VenueName("binance"), venue_symbol="ABCUSD",
    base="ABC", quote="USD", price_tick=Decimal("0.1"), size_lot=Decimal("0.1"),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MarketStore]:
    """Ten bars of a minute, of which the fifth is quiet."""
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('mode = "paper"\n')
    (tmp_path / "data").mkdir()
    with MarketStore(tmp_path / "data" / "market.sqlite") as made:
        bars = [
            Bar(ITEM.id, Timeframe.M1, T0 + n * MIN, 10, 10, 10, 10, 0 if n == 4 else 7, 1, 0)
            for n in range(10)
        ]
        made.bars.put_bars(ITEM, Timeframe.M1, columns_of_bars(ITEM, bars), BarSource.VENUE)
        yield made


def told(store: MarketStore, first: int, end: int, *minutes: int) -> None:
    """Keep what the venue answered for some minutes: a trade in each of those named."""
    trades = [
        Trade(ITEM.id, T0 + minute * MIN + 5 * S, 0, 10, 7, False, minute + 1, 0)
        for minute in minutes
    ]
    store.past.keep(ITEM, trades, T0 + first * MIN, T0 + end * MIN)


def test_minutes_with_volume_and_no_trade_are_found(store: MarketStore) -> None:
    told(store, 0, 9, 3, 5, 6, 7, 8)
    assert untold_trades(store, ITEM.id) == Untold(
        instrument_id=ITEM.id, timeframe=Timeframe.M1, bars=3, start_ns=T0, end_ns=T0 + 3 * MIN
    )
    said = CliRunner().invoke(gaps, ["--format", "json"])
    assert said.exit_code == 0
    assert "ABC-USD.binance trades: the venue told none for 3 1m bars with volume" in said.stderr
    assert "2024-01-01" in said.stderr
    assert said.stdout.strip() == "[]"


def test_what_was_never_asked_for_or_is_whole_is_no_doubt(store: MarketStore) -> None:
    assert untold_trades(store, ITEM.id) is None
    told(store, 3, 9, 3, 5, 6, 7, 8)
    assert untold_trades(store, ITEM.id) is None
    assert "told none" not in CliRunner().invoke(gaps, []).stderr


def test_only_whole_bars_are_judged_and_only_from_the_time_asked_for(store: MarketStore) -> None:
    store.past.keep(ITEM, [], T0 + 30 * S, T0 + 3 * MIN + 30 * S)
    found = untold_trades(store, ITEM.id)
    assert found is not None
    assert (found.bars, found.start_ns) == (2, T0 + MIN)
    later = untold_trades(store, ITEM.id, T0 + 2 * MIN)
    assert later is not None
    assert later.bars == 1
