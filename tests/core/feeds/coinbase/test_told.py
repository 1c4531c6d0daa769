"""What the kernel tells at once is what the decoder makes of the same messages."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backtest.replay import unlisted
from core.feeds.coinbase.counts import Counts
from core.feeds.coinbase.decoder import CoinbaseDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import BookDelta, DayTicker, Quote, SequenceBroken, Trade
from core.wire.tape_reader import TapeReader

CONNS = (1, 2, 65, 129)
"""The last two share a slot with the first."""


class SlowDecoder(CoinbaseDecoder):
    """Reads everything with the slower parser."""

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> None:
        """Take nothing."""
        return


def item(symbol: str) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.coinbase"), venue=VenueName("coinbase"), venue_symbol=symbol,
        base=symbol[:3], quote="USD", price_tick=Decimal("0.01"), size_lot=Decimal("0.00000001"),
    )  # fmt: skip


ITEMS = [item("BTC-USD"), item("ETH-USD")]


def frame(channel: str, number: int, event: Any) -> bytes:
    data = {"channel": channel, "timestamp": "2026-08-09T21:05:48.483587501Z",
            "sequence_num": number, "events": [event]}  # fmt: skip
    return json.dumps(data, separators=(",", ":")).encode()


def book(number: int, kind: str = "update", symbol: str = "BTC-USD") -> bytes:
    rows = [
        {"side": side, "event_time": "2026-08-09T21:05:48.170326Z", "price_level": price,
         "new_quantity": "0.5"}
        for side, price in (("bid", "65083.66"), ("offer", "65083.67"))
    ]  # fmt: skip
    return frame("l2_data", number, {"type": kind, "product_id": symbol, "updates": rows})


def trades(number: int, *ids: int, symbol: str = "BTC-USD") -> bytes:
    rows = [
        {"product_id": symbol, "trade_id": str(one), "price": "65083.67", "size": "0.5",
         "time": "2026-08-09T21:05:42.51Z", "side": "SELL" if one % 2 else "BUY"}
        for one in ids
    ]  # fmt: skip
    return frame("market_trades", number, {"type": "update", "trades": rows})


def ticker(number: int, price: str, symbol: str = "BTC-USD") -> bytes:
    row = {
        "type": "ticker", "product_id": symbol, "price": price, "volume_24_h": "2867.54532609",
        "low_24_h": "64675.22", "high_24_h": "65252.99", "low_52_w": "57717.55",
        "high_52_w": "126296", "price_percent_chg_24_h": "-0.09", "best_bid": "65083.66",
        "best_ask": "65083.67", "best_bid_quantity": "0.2", "best_ask_quantity": "0.3",
    }  # fmt: skip
    return frame("ticker", number, {"type": "update", "tickers": [row]})


def beat(number: int) -> bytes:
    return frame("heartbeats", number, {"current_time": "now then", "heartbeat_counter": number})


def told(events: Any) -> list[str]:
    return [
        repr({name: plain(value) for name, value in msgspec.structs.asdict(event).items()})
        for event in events
    ]


def plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def at_once(decoder: CoinbaseDecoder, message: bytes, conn: int = 1) -> Any:
    return decoder._tell(message, decoder._desk_at, conn, 77)


def test_what_goes_on_is_told_at_once_and_all_else_left_with_its_number() -> None:
    decoder = CoinbaseDecoder(instruments=ITEMS)
    assert at_once(decoder, beat(4)) is None
    assert decoder.decode("recv", 1, 77, "", beat(4)) == []
    assert [type(event) for event in at_once(decoder, book(5))] == [BookDelta]
    assert at_once(decoder, trades(6, 11)) is None
    assert decoder.decode("recv", 1, 77, "", trades(6, 11))
    assert [event.trade_id for event in at_once(decoder, trades(7, 14, 13, 12))] == [12, 13, 14]
    assert [type(event) for event in at_once(decoder, ticker(8, "1"))] == [Quote, DayTicker]
    assert [type(event) for event in at_once(decoder, ticker(9, "1"))] == [Quote]
    assert at_once(decoder, trades(10, 16)) is None
    assert at_once(decoder, trades(10, 15)) is not None
    assert at_once(decoder, beat(12)) is None
    assert at_once(decoder, beat(11)) == ()
    decoder._owners.take(InstrumentId("BTC-USD.coinbase"), 2)
    assert at_once(decoder, book(12)) == ()


@pytest.mark.parametrize("conn", CONNS[1:])
def test_connections_are_counted_apart(conn: int) -> None:
    counts = Counts()
    assert counts.get(1) is None
    counts.put(1, 5)
    counts.put(conn, 7)
    assert (counts.get(1), counts.get(conn)) == (5, 7)
    counts.put(1, 6)
    counts.put(conn, 1 << 63)
    assert (counts.get(1), counts.get(conn)) == (6, 1 << 63)
    counts.put(conn, 8)
    assert (counts.get(1), counts.get(conn)) == (6, 8)
    counts.forget(conn)
    assert (counts.get(1), counts.get(conn)) == (6, None)
    counts.forget(1)
    assert counts.get(1) is None


STEPS = st.tuples(
    st.sampled_from(CONNS),
    st.sampled_from(["book", "image", "trade", "trades", "ticker", "beat", "slow", "gone"]),
    st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
    st.sampled_from(["BTC-USD", "ETH-USD"]),
)


@given(st.lists(STEPS, max_size=30))
def test_any_session_is_read_alike(steps: list[tuple[int, str, int, str]]) -> None:
    ways = CoinbaseDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS)
    numbers = dict.fromkeys(CONNS, 3)
    newest = 10
    for conn, what, skip, symbol in steps:
        number = numbers[conn] = max(0, numbers[conn] + 1 + skip)
        newest += 1 + (skip if what.startswith("trade") else 0)
        message = said(what, number, newest, symbol)
        newest += what == "trades"
        kind: Any = "disconnect" if what == "gone" else "recv"
        mine, theirs = (way.decode(kind, conn, 77, "", message) for way in ways)
        assert told(mine) == told(theirs)
        mine_seen, their_seen = (way._coinbase(symbol).seen for way in ways)
        assert mine_seen.last == their_seen.last
        assert mine_seen.missing() == their_seen.missing()


def said(what: str, number: int, newest: int, symbol: str) -> bytes:
    match what:
        case "book" | "image":
            return book(number, "update" if what == "book" else "snapshot", symbol)
        case "trade" | "trades":
            ids = (newest,) if what == "trade" else (newest + 1, newest)
            return trades(number, *ids, symbol=symbol)
        case "ticker" | "slow":
            message = ticker(number, f"{newest % 3}.50", symbol)
            return message if what == "ticker" else json.dumps(json.loads(message)).encode()
        case "beat":
            return beat(number)
    return b"closed"


def test_recorded_sessions_are_read_alike(recorded: Path) -> None:
    for path in (recorded / "coinbase_advanced").glob("capture_*.jsonl.zst"):
        ways = CoinbaseDecoder(), SlowDecoder()
        for way in ways:
            way.unlisted = lambda symbol: unlisted(symbol, VenueName("coinbase"))
        kinds = set()
        for at, raw in enumerate(TapeReader(path).frames()):
            # One message is lost, and one comes twice.
            for _ in range(1 + (at == 200) - (at == 100)):
                parts: Any = raw.kind, raw.conn, raw.ts_ns, raw.url, raw.data
                mine, theirs = (way.decode(*parts) for way in ways)
                assert told(mine) == told(theirs)
                kinds |= {type(event) for event in mine}
        assert kinds >= {Quote, BookDelta, DayTicker, Trade, SequenceBroken}
