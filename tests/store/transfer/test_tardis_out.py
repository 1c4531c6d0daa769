from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Trade
from store.market import MarketStore
from store.transfer.formats import Format, export_series, import_file
from store.transfer.tardis_out import named

EVER = (0, 1 << 62)
NS = 1_704_067_200_000_123_000


def test_trades_are_written_in_order_of_local_time_and_read_back_the_same(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    trades = [
        Trade(instrument.id, NS, NS + 4_444_000, 4_228_358, 1000, False, 11),
        Trade(instrument.id, NS + 1000, 0, 4_228_350, 2000, True, 12),
        Trade(instrument.id, NS + 9_000_000, 0, 4_228_351, 3000, True, 0),
    ]
    market.trades.put_trades(instrument, trades)
    path = tmp_path / "trades.csv.gz"
    assert export_series(market, instrument, None, path, Format.TARDIS).rows == 3
    other = msgspec.structs.replace(instrument, id="BTC-USDT.other", venue_symbol="BTCUSDT")
    assert import_file(path, Format.TARDIS, other, None, market).written.new == 3
    back = market.trades.trades(other.id, *EVER)
    there = market.trades.trades(instrument.id, *EVER)
    for name in ("ts_event_ns", "price", "size", "buyer_is_maker", "trade_id"):
        assert getattr(back, name).tolist() == getattr(there, name).tolist()
    assert back.ts_recv_ns.tolist() == [NS + 4_444_000, NS + 4_444_000, NS + 9_000_000]


@pytest.mark.parametrize(
    ("venue", "kind", "pair", "names"),
    [
        ("binance", "spot", "BTC-USDT", ("binance", "BTCUSDT")),
        ("binance_usdm", "perpetual", "BTC-USDT", ("binance-futures", "BTCUSDT")),
        ("okx", "perpetual", "BTC-USDT", ("okex-swap", "BTC-USDT-SWAP")),
        ("kraken", "spot", "BTC-USD", ("kraken", "XBT/USD")),
        ("deribit", "perpetual", "BTC-USD", ("deribit", "BTC-PERPETUAL")),
        ("deribit", "perpetual", "SOL-USDC", ("deribit", "SOL_USDC-PERPETUAL")),
        ("coinbase_exchange", "spot", "BTC-USD", ("coinbase", "BTC-USD")),
    ],
)
def test_tardis_has_its_own_names(
    venue: str, kind: str, pair: str, names: tuple[str, str], instrument: Instrument
) -> None:
    base, quote = pair.split("-")
    item = msgspec.structs.replace(
        instrument, venue=VenueName(venue), kind=InstrumentKind(kind), base=base, quote=quote
    )
    assert named(item) == names


def test_what_tardis_has_no_name_of_is_refused(instrument: Instrument) -> None:
    item = msgspec.structs.replace(instrument, venue=VenueName("alpaca"))
    with pytest.raises(ConfigError, match=r"BTC-USDT\.binance is spot of alpaca; choose csv"):
        named(item)
