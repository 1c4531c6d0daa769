"""Every documented Massive (Polygon) fixture: read, or named here with the reason why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.feeds.massive.decoder import MassiveDecoder
from core.feeds.massive.history import AggregateHistory
from core.feeds.massive.symbols import (
    COIN_LOT,
    COIN_TICK,
    STOCK_LOT,
    STOCK_TICK,
    parse_tickers,
    read_page,
    split_results,
)
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FrameRejected, MarketEvent, Timeframe

MASSIVE = VenueName("massive")

OTHER_CLUSTER = "options, forex, indices and business values: clusters the feed does not join"
OTHER_REST = "not asked for by the feed: indicators, conversions, news, financials, snapshots"
LATEST = "last values, single prints and quotes over REST: the stream has them"


def instrument(symbol: str) -> Instrument:
    coin = symbol.startswith("X:") or "-" in symbol
    name = symbol.removeprefix("X:")
    if coin and "-" not in name:
        name = f"{name[:-3]}-{name[-3:]}"
    return Instrument(
        id=instrument_id(name if coin else f"{name}-USD", MASSIVE),
        venue=MASSIVE,
        venue_symbol=symbol,
        base=name.partition("-")[0],
        quote="USD",
        kind=InstrumentKind.SPOT if coin else InstrumentKind.STOCK,
        price_tick=COIN_TICK if coin else STOCK_TICK,
        size_lot=COIN_LOT if coin else STOCK_LOT,
    )


def lines(recorded: Path, name: str) -> list[tuple[dict[str, Any], bytes]]:
    out = []
    for text in (recorded / "polygon" / f"{name}.jsonl").read_bytes().splitlines():
        out.append((json.loads(text), text[text.index(b'"msg":') + 6 : -1]))
    return out


def decoded(data: bytes) -> list[MarketEvent]:
    decoder = MassiveDecoder()
    decoder.unlisted = instrument
    return list(decoder.decode("recv", 0, 1, "", data))


STREAM = [
    ("/stocks/T", ["Trade"]),
    ("/stocks/A", ["VenueBar"]),
    ("/stocks/LULD", []),
    ("/business/stocks/FMV", OTHER_CLUSTER),
    ("/options/T", OTHER_CLUSTER),
    ("/options/A", OTHER_CLUSTER),
    ("/launchpad/options/AM", OTHER_CLUSTER),
    ("/forex/C", OTHER_CLUSTER),
    ("/forex/CAS", OTHER_CLUSTER),
    ("/launchpad/forex/AM", OTHER_CLUSTER),
    ("/crypto/XT", ["Trade"]),
    ("/crypto/XL2", ["BookSnapshot"]),
    ("/crypto/XAS", ["VenueBar"]),
    ("/launchpad/crypto/AM", ["VenueBar", "DayTicker"]),
    ("/indices/A", OTHER_CLUSTER),
    ("/indices/V", OTHER_CLUSTER),
    ("", ["Trade", "Trade"]),
    ("", []),
    ("", []),
]
"""Of each line of ws.jsonl the events it gives, or why it gives none."""


def test_every_message_of_the_stream_is_read_or_has_its_reason(recorded):
    found = lines(recorded, "ws")
    assert [line.get("url", "") for line, _ in found] == [url for url, _ in STREAM]
    for (_, data), (_, expected) in zip(found, STREAM, strict=True):
        events = decoded(data)
        if isinstance(expected, list):
            assert [type(event).__name__ for event in events] == expected
        elif any(not isinstance(event, FrameRejected) for event in events):
            # Shaped as a stock's; no cluster we join ever sends one.
            assert json.loads(data)["ev"] in {"T", "AM", "A"}


def test_values_of_the_documented_messages(recorded):
    trade = decoded(lines(recorded, "ws")[0][1])[0]
    assert (trade.price_ticks, trade.size_lots, trade.ts_event_ns) == (
        1_141_250, 100_000_000, 1_536_036_818_784_000_000,
    )  # fmt: skip
    book = decoded(lines(recorded, "ws")[11][1])[0]
    assert book.asks[0].tolist() == [337_182_300_000_000, 355_274_830]


def kind_of(line: dict[str, Any]) -> str:
    msg, url = line["msg"], line.get("url", "")
    if isinstance(msg, list):
        return OTHER_REST
    rows = msg.get("results")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        if {"o", "h", "l", "c", "t"} <= rows[0].keys():
            return "bars"
        if {"ticker", "market", "locale"} <= rows[0].keys():
            return "tickers"
    if isinstance(rows, dict) and {"ticker", "market", "locale"} <= rows.keys():
        return "ticker"
    if {"o", "h", "l", "c", "t"} <= msg.keys():
        return "bar"
    if {"bid_price", "ask_price"} & msg.keys() or {"price", "sip_timestamp"} <= msg.keys():
        return LATEST
    if any(part in url for part in ("/v2/last", "/v3/trades", "/v3/quotes", "/nbbo")):
        return LATEST
    if isinstance(rows, dict) and {"P", "p"} & rows.keys():
        return LATEST
    return OTHER_REST


def test_every_line_of_rest_is_of_a_kind_that_is_read_or_has_its_reason(recorded):
    counts: dict[str, int] = {}
    for line, _ in lines(recorded, "rest"):
        kind = kind_of(line)
        counts[kind] = counts.get(kind, 0) + 1
    assert counts == {
        "bars": 9, "bar": 1, "tickers": 2, "ticker": 2, LATEST: 13, OTHER_REST: 66,
    }  # fmt: skip


async def test_every_page_of_bars_gives_exactly_its_rows(recorded, clock):
    read = 0
    for line, data in lines(recorded, "rest"):
        kind = kind_of(line)
        if kind not in {"bars", "bar"}:
            continue
        msg = line["msg"]
        results = [msg] if kind == "bar" else msg["results"]
        if kind == "bar":
            data = b'{"status":"OK","results":[' + data + b"]}"
        page = read_page(data, "bars")
        for at, row in enumerate(results):
            item = instrument(row.get("T") or msg.get("ticker") or "AAPL")
            raw = msgspec.json.decode(page.results, type=list[msgspec.Raw])[at]
            body = b'{"status":"OK","results":[' + bytes(raw) + b"]}"

            async def host(path: str, query: str, what: str, body: bytes = body) -> bytes:
                return body

            ask = AggregateHistory(host, clock).bars(item, Timeframe.M1, 0, clock.now_ns())
            if "v" not in row:
                # An index has no volume, and none is subscribed to.
                with pytest.raises(DataError, match="missing required field `v`"):
                    await ask
                continue
            (bar,) = await ask
            values = [bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks]
            for key, ticks in zip("ohlc", values, strict=True):
                assert abs(float(item.price(ticks)) - row[key]) <= float(item.price_tick) * 0.51
            assert float(item.size(bar.volume_lots)) == row["v"]
            assert bar.trades == row.get("n", 0)
            read += 1
    assert read == 13


def test_every_reference_ticker_is_read(recorded):
    names = []
    for line, data in lines(recorded, "rest"):
        kind = kind_of(line)
        if kind == "tickers":
            raws = split_results([data], "tickers")
        elif kind == "ticker":
            raws = [msgspec.json.decode(data, type=dict[str, msgspec.Raw])["results"]]
        else:
            continue
        names += [item.id for item, _ in parse_tickers(raws, MASSIVE)]
    assert names == [
        "AAA-USD.massive",
        "AAAU-USD.massive",
        "AAPL-USD.massive",
        "AAPL-USD.massive",
        "A-USD.massive",
    ]


def test_a_plan_too_small_is_named_as_the_cause(recorded):
    for text in (recorded / "edge_cases" / "provider_errors.jsonl").read_text().splitlines():
        line = json.loads(text)
        if line["venue"] == "polygon":
            with pytest.raises(DataError, match="NOT_AUTHORIZED You are not entitled"):
                read_page(json.dumps(line["msg"]).encode(), "bars")
            return
    pytest.fail("the fixture is gone")
