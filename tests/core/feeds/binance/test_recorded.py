"""Whatever was recorded of Binance spot and USD-M, against what others made of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.engine.market import MarketState
from core.feeds.binance.aggregates import map_aggregates
from core.feeds.binance.decoder import BinanceStreams
from core.feeds.binance.history import map_rows
from core.feeds.binance.parse import BinanceDecoder
from core.feeds.binance_usdm.decoder import UsdmDecoder
from core.model.errors import DataError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FormingBar,
    FrameRejected,
    MarkPrice,
    Quote,
    Timeframe,
    Trade,
    VenueBar,
)
from core.wire.tape_reader import TapeReader

ORDERS = "an account's stream or answer, order issue"
WALLET = "an account's fees and funds, order issue"
STATISTICS = "statistics nothing here uses"
PAST = "past funding, which nothing here uses"
SINGLES = "the newest single trades; those asked for by id are read for holes"
EXAMPLE = "an example of the documentation without values"
OTHER_CANDLES = "candles of other things than the instruments listed"
TOP = "a stream of top levels, which the book makes needless"
ONCE = "asked once over REST; the stream of the same is read"

# Keys are of the form FOLDER/FILE#LINE, lines counted from 0.
UNREAD = {
    **dict.fromkeys([f"binance_spot/messages_nautilus#{n}" for n in (0, 1, 3, 5)], ORDERS),
    **dict.fromkeys([f"binance_spot/messages_nautilus#{n}" for n in range(8, 14)], ORDERS),
    **dict.fromkeys([f"binance_spot/messages_nautilus#{n}" for n in range(21, 30)], ORDERS),
    **dict.fromkeys([f"binance_spot/messages_nautilus#{n}" for n in (2, 7, 17)], ONCE),
    "binance_spot/messages_nautilus#14": STATISTICS,
    **dict.fromkeys([f"binance_spot/messages_nautilus#{n}" for n in (16, 18)], SINGLES),
    "binance_spot/messages_nautilus#19": WALLET,
    "binance_spot/ws_frames_jkorf#0": EXAMPLE,
    "binance_spot/ws_frames_jkorf#2": ORDERS,
    "binance_spot/ws_frames_jkorf#5": EXAMPLE,
    "binance_spot/ws_frames_jkorf#8": TOP,
    "binance_spot/ws_frames_jkorf#9": STATISTICS,
    "binance_spot/messages_with_expected_crypto_msg_parser#1": TOP,
    "binance_spot/messages_with_expected_tardis#2": "made up by its recorder",
    "binance_spot/messages_with_expected_tardis#4": "made up by its recorder",
    **dict.fromkeys([f"binance_spot/ws_gocryptotrader#{n}" for n in (2, 3)], ORDERS),
    "binance_spot/rest_gocryptotrader#10": STATISTICS,
    **dict.fromkeys([f"binance_spot/rest_gocryptotrader#{n}" for n in (18, 19, 20)], ONCE),
    "binance_spot/rest_gocryptotrader#21": SINGLES,
    "binance_spot/rest_gocryptotrader#1": "its recorder lost a key: its rows have one without name",
    **dict.fromkeys([f"binance_spot/rest_gocryptotrader#{n}" for n in (22, 23)], STATISTICS),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in range(3)], ORDERS),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in range(7, 16)], ORDERS),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in (16, 29)], WALLET),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in (18, 19)], OTHER_CANDLES),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in (21, 22, 27)], STATISTICS),
    "binance_usdm/messages_nautilus#26": ONCE,
    "binance_usdm/messages_nautilus#28": SINGLES,
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in (30, 31)], ORDERS),
    **dict.fromkeys([f"binance_usdm/messages_nautilus#{n}" for n in range(33, 38)], ORDERS),
    "binance_usdm/messages_with_expected_crypto_msg_parser#3": TOP,
    "binance_usdm/messages_with_expected_tardis#0": "its id is missing; its recorder left it out",
    **dict.fromkeys([f"binance_usdm/rest_gocryptotrader#{n}" for n in (4, 5, 6)], PAST),
    "binance_usdm/rest_gocryptotrader#11": "the venue's own refusal: no such symbol",
    **dict.fromkeys([f"binance_usdm/rest_gocryptotrader#{n}" for n in (12, 13, 14)], ONCE),
    "binance_usdm/rest_gocryptotrader#15": SINGLES,
    **dict.fromkeys([f"binance_usdm/ws_frames_jkorf#{n}" for n in (2, 9, 12, 15, 19)], ORDERS),
    **dict.fromkeys([f"binance_usdm/ws_frames_jkorf#{n}" for n in (3, 6)], STATISTICS),
    "binance_usdm/ws_frames_jkorf#7": EXAMPLE,
    "binance_usdm/ws_frames_jkorf#16": TOP,
}
"""What gives no market event, and why."""

REST = {
    "binance_spot/messages_nautilus#4": "/api/v3/exchangeInfo",
    "binance_spot/messages_nautilus#6": "/api/v3/time#asked_ns=70",
    "binance_spot/messages_nautilus#15": "/api/v3/depth?symbol=BTCUSDT",
    "binance_usdm/messages_nautilus#17": "/fapi/v1/aggTrades?symbol=BTCUSDT",
    "binance_usdm/messages_nautilus#20": "/fapi/v1/exchangeInfo",
    "binance_usdm/messages_nautilus#23": "/fapi/v1/klines?symbol=BTCUSDT&interval=1d",
    "binance_usdm/messages_nautilus#24": "/fapi/v1/openInterest",
    "binance_usdm/messages_nautilus#25": "/fapi/v1/premiumIndex",
    "binance_usdm/messages_with_expected_crypto_msg_parser#8": (
        "/fapi/v1/depth?symbol=BTCUSDT_220624"
    ),
    "binance_usdm/messages_with_expected_crypto_msg_parser#9": "/fapi/v1/openInterest",
}
"""Answers whose file does not tell the question."""

DERIVED = ("quantity_quote", "quote_volume", "quantity_contract", ".pair", "len()", "period")
"""What the other parser computed from values compared anyway."""


def lines(recorded: Path, folder: str) -> Iterator[tuple[str, dict[str, Any], bytes]]:
    for path in sorted((recorded / folder).glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            raw = line[line.index('"msg":') + 6 : -1].encode()
            yield f"{folder}/{path.stem}#{number}", json.loads(line), raw


def anything(symbol: str, venue: str) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.{venue}"), venue=venue, venue_symbol=symbol, base="",  # type: ignore[arg-type]
        quote="", price_tick=Decimal("1e-8"), size_lot=Decimal("1e-8"),
    )  # fmt: skip


def decoder_of(folder: str) -> BinanceStreams:
    decoder = BinanceDecoder() if folder == "binance_spot" else UsdmDecoder()
    decoder.unlisted = lambda symbol: anything(symbol, decoder.venue)
    return decoder


def read(decoder: BinanceStreams, key: str, case: dict[str, Any], raw: bytes) -> Sequence[Any]:
    """Return what comes of a line, by the way the feed would read it."""
    url = case.get("url", "").removeprefix("GET ") or REST.get(key, "")
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    endpoint = parts.path.rpartition("/")[2]
    item = anything(query.get("symbol", ["X"])[0], decoder.venue)
    if endpoint == "aggTrades":
        return list(map_aggregates(raw, item))
    if endpoint == "klines":
        length = Timeframe(query.get("interval", ["1m"])[0])
        return list(map_rows(json.loads(raw), item, length))
    if url:
        return decoder.decode("http", 0, 77, f"https://venue{url}", raw)
    return decoder.decode("send" if "method" in case["msg"] else "recv", 0, 77, "", raw)


@pytest.mark.parametrize("folder", ["binance_spot", "binance_usdm"])
def test_every_recorded_line_is_read_or_has_a_reason(recorded: Path, folder: str) -> None:
    met = set()
    for key, case, raw in lines(recorded, folder):
        decoder = decoder_of(folder)
        try:
            events = list(read(decoder, key, case, raw))
        except DataError as error:
            events = [error]
        refused = any(isinstance(event, FrameRejected | DataError) for event in events)
        if key in UNREAD:
            met.add(key)
            assert refused or not events, (key, events)
        elif "method" in case["msg"] or "exchangeInfo" in case.get("url", REST.get(key, "")):
            assert not refused, (key, events)
            assert decoder.instruments or "method" in case["msg"], key
        elif case["msg"] == {"subscriptionId": 0}:
            assert refused, key
        else:
            assert events, key
            assert not refused, (key, events)
    assert met == {key for key in UNREAD if key.startswith(folder)}


def stated(events: Sequence[Any], item: Instrument, expression: str) -> Any:
    """Return what our events say of an expression of the other parser."""
    (event,) = events
    match event:
        case Trade():
            return {
                "trade.quantity_base": item.size(event.size_lots),
                "trade.side": "sell" if event.buyer_is_maker else "buy",
            }[expression]
        case MarkPrice():
            return {
                "funding_rates[0].funding_rate": event.funding_rate,
                "funding_rates[0].funding_time": event.next_funding_ns // 10**6,
                "funding_rates[0].timestamp": event.ts_event_ns // 10**6,
                "timestamp": event.ts_event_ns // 10**6,
            }[expression]
        case Quote():
            return {
                "bbo_msg.symbol": item.venue_symbol,
                "bbo_msg.timestamp": event.ts_event_ns // 10**6,
                "timestamp": event.ts_event_ns // 10**6,
                "bbo_msg.id": event.update_id,
                "bbo_msg.ask_price": item.price(event.ask_ticks),
                "bbo_msg.ask_quantity_base": item.size(event.ask_lots),
                "bbo_msg.bid_price": item.price(event.bid_ticks),
                "bbo_msg.bid_quantity_base": item.size(event.bid_lots),
            }[expression]
        case VenueBar():
            return {
                "candlestick_msg.symbol": item.venue_symbol,
                "candlestick_msg.begin_time": event.ts_open_ns // 10**9,
                "candlestick_msg.open": item.price(event.open_ticks),
                "candlestick_msg.high": item.price(event.high_ticks),
                "candlestick_msg.low": item.price(event.low_ticks),
                "candlestick_msg.close": item.price(event.close_ticks),
                "candlestick_msg.volume": item.size(event.volume_lots),
            }[expression]
        case BookDelta() | BookSnapshot():
            return booked(event, item, expression)
    return event.ts_event_ns // 10**6


def booked(event: BookDelta | BookSnapshot, item: Instrument, expression: str) -> Any:
    if "timestamp" in expression:
        return event.ts_event_ns // 10**6
    if expression == "orderbook.seq_id":
        return event.last_id
    if expression == "orderbook.prev_seq_id":
        return event.prev_id if isinstance(event, BookDelta) else None
    side, _, field = expression.removeprefix("orderbook.").partition("].")
    name, _, row = side.partition("[")
    price, lots = getattr(event, name)[int(row)].tolist()
    return item.price(price) if field == "price" else item.size(lots)


@pytest.mark.parametrize("folder", ["binance_spot", "binance_usdm"])
def test_values_agree_with_those_another_parser_found(recorded: Path, folder: str) -> None:
    compared = 0
    for key, case, raw in lines(recorded, folder):
        if "crypto_msg_parser" not in key or key in UNREAD:
            continue
        decoder = decoder_of(folder)
        events = read(decoder, key, case, raw)
        (item,) = decoder.instruments.values()
        for expression, value in case["expected"]:
            if expression.endswith(DERIVED) or ("trade::" in case["ctx"] and "time" in expression):
                continue  # Its time of a trade is that of the message, ours that of the trade.
            if "candlestick" in case["ctx"] and "timestamp" in expression:
                continue  # A candle's time is when it opened.
            mine = stated(events, item, expression)
            known = Decimal(str(value)) if isinstance(value, float) else value
            assert mine == known, (key, expression)
            compared += 1
    assert compared > (6 if folder == "binance_spot" else 40)


def test_futures_agree_with_what_another_mapper_made_of_them(recorded: Path) -> None:
    compared = 0
    for key, case, raw in lines(recorded, "binance_usdm"):
        if "tardis" not in key or not case["expected"]:
            continue
        decoder = decoder_of("binance_usdm")
        (event,) = read(decoder, key, case, raw)
        (said,) = case["expected"]
        item = decoder.instruments[said["symbol"]]
        match event:
            case Trade():
                assert (str(event.trade_id), event.buyer_is_maker) == (said["id"], True)
                assert item.price(event.price_ticks) == Decimal(str(said["price"]))
                assert item.size(event.size_lots) == Decimal(str(said["amount"]))
                assert said["timestamp"] == stamp(event.ts_event_ns)
            case MarkPrice():
                assert event.mark == Decimal(str(said["markPrice"]))
                assert event.index == exact(said["indexPrice"])
                assert event.funding_rate == exact(said["fundingRate"])
                assert said["timestamp"] == stamp(event.ts_event_ns)
                if event.next_funding_ns:
                    assert said["fundingTimestamp"] == stamp(event.next_funding_ns)
            case BookDelta():
                rows = [
                    {"price": float(item.price(price)), "amount": float(item.size(lots))}
                    for price, lots in event.bids.tolist()
                ]
                assert (rows, len(event.asks)) == (said["bids"], 0)
        compared += 1
    assert compared == 5


def exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def stamp(ts_ns: int) -> str:
    moment = datetime.fromtimestamp(ts_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ts_ns // 10**6 % 1000:03d}Z"


def test_bars_built_from_aggregates_go_through_the_candles_the_venue_sent(recorded: Path) -> None:
    path = recorded / "binance_usdm/capture_mixed_20210722.jsonl.zst"
    decoder = decoder_of("binance_usdm")
    market = MarketState((), {decoder.venue: decoder.rule}, eager=True)
    built, sent = set(), []
    for frame in TapeReader(path).frames(lambda line, error: None):
        kind: Any = frame.kind
        for event in decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data):
            market.add_instruments(
                [item for item in decoder.instruments.values() if item.id not in market]
            )
            market.apply(event)
            if isinstance(event, Trade):
                bar = market.forming(event.instrument_id, Timeframe.M1)
                assert bar is not None
                built.add(candle(bar))
            # The capture begins within a minute; of the next one it has the first ten seconds.
            elif isinstance(event, VenueBar) and event.ts_open_ns == 1_626_992_760_000_000_000:
                sent.append(candle(event))
    # Candles come every 250 ms, aggregates every 100 ms: some candles end within an aggregate.
    assert len(sent) == 21
    assert sum(item in built for item in sent) == 15


def candle(bar: FormingBar | VenueBar) -> tuple[object, ...]:
    return (
        bar.instrument_id, bar.ts_open_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks,
        bar.close_ticks, bar.volume_lots,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("capture", "most"), [("capture_mixed_20210722", 2000), ("capture_btcusdt_20240808", 4000)]
)
def test_scanner_of_futures_reads_recorded_frames_as_the_decoder_does(
    recorded: Path, capture: str, most: int
) -> None:
    quick, slow = decoder_of("binance_usdm"), decoder_of("binance_usdm")
    assert isinstance(slow, UsdmDecoder)
    slow._tell = lambda *_: None
    path = recorded / f"binance_usdm/{capture}.jsonl.zst"
    for frame in itertools.islice(TapeReader(path).frames(lambda line, error: None), most):
        kind: Any = frame.kind
        call = (kind, frame.conn, frame.ts_ns, frame.url, frame.data)
        assert repr(quick.decode(*call)) == repr(slow.decode(*call))
