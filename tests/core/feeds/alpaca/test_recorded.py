"""Every recorded or documented Alpaca fixture: read, or named here with the reason why not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.feeds.alpaca.decoder import AlpacaDecoder
from core.feeds.alpaca.history import BarHistory
from core.feeds.alpaca.symbols import CRYPTO_STEP, STOCK_LOT, STOCK_TICK, parse_assets
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FrameRejected, Quote, Timeframe, Trade

ALPACA = VenueName("alpaca")
FILES = ("rest_market_data", "rest_trading", "ws_documented", "ws_2026_08_ccxt")

NEWS = "news, screeners and corporate actions are no market data of an instrument"
OPTIONS = "options: listed and traded in the options issue"
PERPS = "perpetuals: Alpaca's own venue of 2025, not open to US accounts"
PRINTS = "prints and quotes over REST: the stream has them; here their values are read as its own"
LATEST = "latest values over REST: the stream has them"
OTHER = "auctions, bonds and currencies: not asked for by the feed"
ACCOUNT = "account, orders and broker objects: the order issue"


def kind_of(line: dict[str, Any]) -> str:  # noqa: C901  a table in code: one reason a shape
    msg = line["msg"]
    if isinstance(msg, list):
        if msg and isinstance(msg[0], dict) and "T" in msg[0]:
            return "stream"
        return ACCOUNT
    if msg.get("T") == "error" or msg.get("action") in {"auth", "subscribe", "unsubscribe"}:
        return "stream"
    if msg.get("T") == "n":
        return "stream"
    if "stream" in msg:
        return "private"
    if "is_open" in msg:
        return "clock"
    if msg.get("class") in {"us_equity", "crypto"}:
        return "asset"
    if {"news", "most_actives", "gainers", "corporate_actions"} & msg.keys():
        return NEWS
    names = [name for part in msg.values() if isinstance(part, dict) for name in part]
    if any(re.fullmatch(r"[A-Z]+\d{6}[CP]\d{8}", name) for name in names):
        return OPTIONS
    if any(name.endswith("-PERP") for name in names):
        return PERPS
    if {"auctions", "prices", "rates"} & msg.keys():
        return OTHER
    if "bars" in msg and all(isinstance(rows, list) for rows in _series(msg).values()):
        return "bars"
    if {"o", "h", "l", "c"} <= msg.keys():
        return "row"
    if {"bar", "trade", "quote", "snapshots", "snapshot", "latestTrade"} & msg.keys():
        return LATEST
    if any(isinstance(part, dict) and "latestTrade" in part for part in msg.values()):
        return LATEST
    if {"trades", "quotes"} & msg.keys() or {"p", "s", "t"} <= msg.keys():
        return PRINTS
    if "bars" in msg:
        return LATEST
    return ACCOUNT


def _series(msg: dict[str, Any]) -> dict[str, Any]:
    bars = msg["bars"]
    return bars if isinstance(bars, dict) else {msg["symbol"]: bars}


def instrument(symbol: str) -> Instrument:
    crypto = "/" in symbol
    return Instrument(
        id=instrument_id(symbol.replace("/", "-") if crypto else f"{symbol}-USD", ALPACA),
        venue=ALPACA,
        venue_symbol=symbol,
        base=symbol.partition("/")[0],
        quote="USD",
        kind=InstrumentKind.SPOT if crypto else InstrumentKind.STOCK,
        price_tick=CRYPTO_STEP if crypto else STOCK_TICK,
        size_lot=CRYPTO_STEP if crypto else STOCK_LOT,
    )


def lines(recorded: Path, name: str) -> list[tuple[dict[str, Any], bytes]]:
    out = []
    for text in (recorded / "alpaca" / f"{name}.jsonl").read_bytes().splitlines():
        out.append((json.loads(text), text[text.index(b'"msg":') + 6 : -1]))
    return out


COUNTS = {
    "rest_market_data": {
        "bars": 7, "row": 1, LATEST: 13, PRINTS: 22, OPTIONS: 9, PERPS: 3, NEWS: 5, OTHER: 3,
    },
    "rest_trading": {"asset": 2, "clock": 1, "stream": 9, ACCOUNT: 45},
    "ws_documented": {"stream": 4, "private": 3},
    "ws_2026_08_ccxt": {"private": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_of_a_kind_that_is_read_or_has_its_reason(recorded, name):
    counts: dict[str, int] = {}
    for line, _ in lines(recorded, name):
        kind = kind_of(line)
        counts[kind] = counts.get(kind, 0) + 1
    assert counts == COUNTS[name]


async def test_every_page_of_bars_gives_exactly_its_rows(recorded, clock):
    read = 0
    for line, data in lines(recorded, "rest_market_data"):
        if kind_of(line) != "bars":
            continue
        for symbol, rows in _series(line["msg"]).items():
            item = instrument(symbol)
            # The time-frame is not part of the answer, so any will do to compare the values.
            page = msgspec.json.encode({"bars": {symbol: _raws(data, symbol)}})

            async def host(path: str, params: object, what: str, page: bytes = page) -> bytes:
                return page

            clock.advance(1_000_000_000_000_000_000 if not read else 0)
            ask = BarHistory(host, clock, feed="iex").bars(item, Timeframe.M1, 0, clock.now_ns())
            if len({row["t"] for row in rows}) < len(rows):
                # Rows of several exchanges in one minute: the retired v1beta1 form.
                with pytest.raises(DataError, match="must rise in time"):
                    await ask
                continue
            bars = await ask
            assert len(bars) == len(rows)
            for bar, row in zip(bars, rows, strict=True):
                values = [bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks]
                assert [float(item.price(ticks)) for ticks in values] == [row[k] for k in "ohlc"]
                assert float(item.size(bar.volume_lots)) == row["v"]
                assert bar.trades == row["n"]
            read += len(bars)
    assert read == 11


def _raws(data: bytes, symbol: str) -> list[msgspec.Raw]:
    bars = msgspec.json.decode(data, type=dict[str, msgspec.Raw])["bars"]
    if bytes(bars).startswith(b"["):
        return msgspec.json.decode(bars, type=list[msgspec.Raw])
    return msgspec.json.decode(bars, type=dict[str, list[msgspec.Raw]])[symbol]


def test_assets_clock_and_words_of_the_stream_are_read(recorded):
    decoder = AlpacaDecoder()
    rejected = []
    for name in FILES:
        for line, data in lines(recorded, name):
            match kind_of(line):
                case "asset":
                    assert len(parse_assets([b"[" + data + b"]"], ALPACA)) == 1
                case "clock":
                    url = "https://api.alpaca.markets/v2/clock#asked_ns=1"
                    (sample,) = decoder.decode("http", 0, 3, url, data)
                    assert sample.offset_ns == 1_651_169_265_485_843_765 - 2
                case "stream" | "private":
                    kind = (
                        "send"
                        if isinstance(line["msg"], dict) and "action" in line["msg"]
                        else "recv"
                    )
                    events = decoder.decode(kind, 0, 1, "", data)
                    rejected += [event for event in events if isinstance(event, FrameRejected)]
    codes = [event.reason.split()[2] for event in rejected if event.reason.startswith("alpaca")]
    assert codes == ["400", "402", "404", "406", "408", "500"]
    # The account's stream of orders, and a piece of news, are named as what they are.
    assert [event.channel for event in rejected if not event.reason.startswith("alpaca")] == [
        "n", "listening", "authorization", "authorization", "trade_updates",
    ]  # fmt: skip


def test_recorded_prints_and_quotes_are_read_as_the_stream_has_them(recorded):
    decoder = AlpacaDecoder()
    decoder.unlisted = instrument
    read = {"t": 0, "q": 0}
    for line, _ in lines(recorded, "rest_market_data"):
        if kind_of(line) != PRINTS:
            continue
        for key, tag in (("trades", "t"), ("quotes", "q")):
            series = line["msg"].get(key, {})
            if isinstance(series, list):
                series = {line["msg"]["symbol"]: series}
            for symbol, rows in series.items():
                for row in rows if isinstance(rows, list) else [rows]:
                    message = json.dumps([row | {"T": tag, "S": symbol}]).encode()
                    (event,) = decoder.decode("recv", 0, 1, "", message)
                    item = decoder.instruments[symbol]
                    if isinstance(event, Trade):
                        assert float(item.price(event.price_ticks)) == row["p"]
                        assert float(item.size(event.size_lots)) == row["s"]
                    else:
                        assert isinstance(event, Quote)
                        assert float(item.price(event.bid_ticks)) == row["bp"]
                        assert float(item.size(event.ask_lots)) == row["as"]
                    read[tag] += 1
    assert read == {"t": 22, "q": 17}
