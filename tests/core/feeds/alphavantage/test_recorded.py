"""Every recorded Alpha Vantage fixture: read, or named here with the reason why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.feeds.alphavantage.decoder import AlphaVantageDecoder
from core.feeds.alphavantage.refusals import AskedTooOften, refuse
from core.feeds.alphavantage.series import parse_json
from core.feeds.alphavantage.symbols import STEPS
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import DayTicker, Timeframe

ALPHAVANTAGE = VenueName("alphavantage")

LONGER = "weeks and months: no bars of ours are that long"
OTHER = "indicators, fundamentals, economy, search: not asked for by the feed"
POINTS = "prices at points in time, no bars: a form retired in 2018"


def instrument(symbol: str) -> Instrument:
    pair = "/" in symbol
    base, _, quote = symbol.partition("/")
    kind = (
        InstrumentKind.STOCK if not pair
        else InstrumentKind.FX if base in {"EUR", "USD"} else InstrumentKind.SPOT
    )  # fmt: skip
    price_tick, size_lot = STEPS[kind]
    return Instrument(
        id=instrument_id(f"{base}-{quote or 'USD'}", ALPHAVANTAGE), venue=ALPHAVANTAGE,
        venue_symbol=symbol, base=base, quote=quote or "USD", kind=kind, price_tick=price_tick,
        size_lot=size_lot,
    )  # fmt: skip


def lines(recorded: Path) -> list[tuple[dict[str, Any], bytes]]:
    out = []
    for text in (recorded / "alphavantage" / "rest.jsonl").read_bytes().splitlines():
        out.append((json.loads(text), text[text.index(b'"msg":') + 6 : -1]))
    return out


def kind_of(msg: dict[str, Any]) -> str:
    if "Global Quote" in msg:
        return "GLOBAL_QUOTE"
    if "Realtime Currency Exchange Rate" in msg:
        return "CURRENCY_EXCHANGE_RATE"
    name = next((name for name in msg if "Time Series" in name), "")
    if not name:
        return OTHER
    if any(word in name for word in ("Weekly", "Monthly")):
        return LONGER
    first = next(iter(msg[name].values()))
    return "series" if any("open" in key for key in first) else POINTS


def test_every_line_is_of_a_kind_that_is_read_or_has_its_reason(recorded):
    counts: dict[str, int] = {}
    for line, _ in lines(recorded):
        kind = kind_of(line["msg"])
        counts[kind] = counts.get(kind, 0) + 1
    assert counts == {
        "GLOBAL_QUOTE": 1, "CURRENCY_EXCHANGE_RATE": 1, "series": 7, LONGER: 8, POINTS: 1,
        OTHER: 43,
    }  # fmt: skip


def test_every_series_gives_exactly_its_rows(recorded):
    read = 0
    for line, data in lines(recorded):
        msg = line["msg"]
        if kind_of(msg) != "series":
            continue
        (name,) = (name for name in msg if "Time Series" in name)
        timeframe = Timeframe.M5 if "5min" in name else Timeframe.D1
        head = msg["Meta Data"]
        symbol = head.get("2. Symbol") or (
            f"{head['2. From Symbol']}/{head['3. To Symbol']}" if "2. From Symbol" in head
            else f"{head['2. Digital Currency Code']}/{head['4. Market Code']}"
        )  # fmt: skip
        item = instrument(symbol)
        bars = parse_json(data, item, timeframe)
        assert len(bars) == len(msg[name])
        for bar, row in zip(reversed(bars), msg[name].values(), strict=True):
            for ticks, key in (
                (bar.open_ticks, "1. open"), (bar.high_ticks, "2. high"),
                (bar.low_ticks, "3. low"), (bar.close_ticks, "4. close"),
            ):  # fmt: skip
                assert float(item.price(ticks)) == float(row[key])
        read += len(bars)
    assert read == 12


def test_quote_and_rate_are_read(recorded):
    decoder = AlphaVantageDecoder()
    decoder.unlisted = instrument
    found = []
    for line, data in lines(recorded):
        kind = kind_of(line["msg"])
        if kind in {"GLOBAL_QUOTE", "CURRENCY_EXCHANGE_RATE"}:
            url = f"https://www.alphavantage.co/query?function={kind}"
            found += decoder.decode("http", 0, 1, url, data)
    assert [(type(event), event.instrument_id, str(event.last)) for event in found] == [
        (DayTicker, "MSFT-USD.alphavantage", "112.1300"),
        (DayTicker, "USD-JPY.alphavantage", "106.89000000"),
    ]


def test_refusals_with_status_200_are_told_from_data(recorded):
    seen = 0
    for text in (recorded / "edge_cases" / "provider_errors.jsonl").read_text().splitlines():
        line = json.loads(text)
        if line["venue"] != "alphavantage":
            continue
        body = json.dumps(line["msg"]).encode()
        error = AskedTooOften if "Note" in line["msg"] else DataError
        with pytest.raises(error):
            refuse(body, "quote")
        seen += 1
    assert seen == 2
