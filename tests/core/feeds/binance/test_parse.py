from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.compiled import address
from core.feeds.binance.parse import BinanceDecoder
from core.feeds.binance.scan import (
    BLOCK,
    MAX_FRAME_BYTES,
    OTHER,
    OUT,
    desk,
    layout,
    room,
    scan,
    table,
)
from core.feeds.binance.scan import DEPTH as DEPTH_KIND
from core.feeds.binance.scan import KLINE as KLINE_KIND
from core.feeds.binance.scan import QUOTE as QUOTE_KIND
from core.feeds.binance.scan import TRADE as TRADE_KIND
from core.feeds.binance.told import teller
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FeedConnected,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

BTC = InstrumentId("BTCUSDT.binance")
DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT",'
    b'"U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],'
    b'["56854.58000000","1.25000000"]],"a":[["61837.64000000","1.54698000"]]}}'
)
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000",'
    b'"B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}'
)
TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
AGGREGATE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1616176861895,"s":"BTCUSDT",'
    b'"a":640283266,"p":"58942.01000000","q":"0.00035000","f":716849523,"l":716849523,'
    b'"T":1616176861893,"m":false,"M":true}}'
)

KLINE = (
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161255343,"s":"BTCUSDT","k":{'
    b'"t":1723161240000,"T":1723161299999,"s":"BTCUSDT","i":"1m","f":100,"L":200,'
    b'"o":"61837.63000000","c":"61837.64000000","h":"61838.00000000","l":"61837.00000000",'
    b'"v":"15.47321000","n":100,"x":false,"q":"1.0","V":"500","Q":"0.5","B":"0"}}}'
)


@pytest.fixture
def decoder(btc: Instrument) -> BinanceDecoder:
    return BinanceDecoder(instruments=[btc])


def recv(decoder: BinanceDecoder, data: bytes) -> MarketEvent:
    (event,) = decoder.decode("recv", 0, 77, "", data)
    return event


def rejection(decoder: BinanceDecoder, data: bytes, kind: FrameKind = "recv", url: str = "") -> str:
    (event,) = decoder.decode(kind, 0, 77, url, data)
    assert isinstance(event, FrameRejected)
    assert event.sample == data.decode(errors="replace")[:120]
    return event.reason


def test_trade_becomes_ticks_lots_and_nanoseconds(decoder: BinanceDecoder) -> None:
    assert recv(decoder, TRADE) == Trade(
        BTC, 1723161255342_000_000, 77, 6183763, 2000, True, 3735683259
    )


def test_aggregate_trade_keeps_its_first_trade_id(decoder: BinanceDecoder) -> None:
    assert recv(decoder, AGGREGATE) == Trade(
        BTC, 1616176861893_000_000, 77, 5894201, 35, False, 640283266, 716849523
    )


def test_book_ticker_becomes_a_quote(decoder: BinanceDecoder) -> None:
    assert recv(decoder, QUOTE) == Quote(BTC, 0, 77, 6183763, 378826, 6183764, 154698, 50093239212)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: b"  " + data + b"\n",
        lambda data: json.dumps(json.loads(data), indent=1).encode(),
        lambda data: json.dumps(json.loads(data)["data"]).encode(),
        lambda data: json.dumps({"new": [1], **json.loads(data), "x": None}).encode(),
        lambda data: data.replace(b'"61837', b'"0061837').replace(b'40000"', b'4"'),
    ],
    ids=["as sent", "white space", "indented", "raw stream", "new fields", "other digits"],
)
def test_any_spelling_of_a_depth_message_gives_the_same_delta(
    decoder: BinanceDecoder, change: object
) -> None:
    event = recv(decoder, change(DEPTH))  # type: ignore[operator]  # a lambda of the list above
    assert isinstance(event, BookDelta)
    assert (event.instrument_id, event.ts_event_ns) == (BTC, 1723161255208_000_000)
    assert (event.first_id, event.last_id, event.prev_id) == (50093239189, 50093239202, -1)
    assert event.bids.tolist() == [[6173763, 0], [5685458, 125000]]
    assert event.asks.tolist() == [[6183764, 154698]]
    assert event.bids.dtype == np.int64
    assert event.bids.flags.c_contiguous


@pytest.mark.parametrize("data", [TRADE, QUOTE, AGGREGATE], ids=["trade", "quote", "aggregate"])
def test_raw_and_combined_streams_give_the_same_event(decoder: BinanceDecoder, data: bytes) -> None:
    raw = json.dumps(json.loads(data)["data"]).encode()
    assert recv(decoder, raw) == recv(decoder, data)


def test_kline_becomes_a_venue_bar(decoder: BinanceDecoder) -> None:
    data = (
        b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":'
        b'{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":1,"L":2,"o":"100.01",'
        b'"c":"100.02","h":"100.05","l":"100.00","v":"7.5","n":2,"x":true}}}'
    )
    assert recv(decoder, data) == VenueBar(
        BTC, "1m", 1672515780000_000_000, 77, 10001, 10005, 10000, 10002, 750000, True
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"result":null,"id":1}',
        b'{"result":["btcusdt@trade"],"id":"x"}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1672515782136}}',
    ],
)
def test_acknowledgements_and_notices_give_no_event(decoder: BinanceDecoder, data: bytes) -> None:
    assert len(decoder.decode("recv", 0, 77, "", data)) == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"61837.63000000"', b'"61837.63500000"', "BTCUSDT price must be a whole number of step"),
        (b'"61837.63000000"', b'"61837.63000000000001"', "BTCUSDT price must be a whole number"),
        (
            b'"0.02000000"',
            b'"0.02000001"',
            "BTCUSDT size must be a whole number of steps of 0.0000",
        ),
        (b'"61837.63000000"', b'"NaN"', "BTCUSDT price must be a decimal number, was 'NaN'"),
        (b'"61837.63000000"', b'"Infinity"', "BTCUSDT price must be a decimal number"),
        (b'"61837.63000000"', b'""', "BTCUSDT price must be a decimal number, was ''"),
        (b'"61837.63000000"', b'"-1.00000000"', "BTCUSDT price must be a decimal number"),
        (b'"61837.63000000"', b'"1_0.00000000"', "BTCUSDT price must be a decimal number"),
        (b'"61837.63000000"', b'" 10.00000000"', "BTCUSDT price must be a decimal number"),
        (b'"61837.63000000"', '"\u0663.00000000"'.encode(), "BTCUSDT price must be a decimal"),
        (b'"61837.63000000"', b'"1e30"', "BTCUSDT price is beyond 64 bits"),
        (b'"61837.63000000"', b'"99999999999999999999.00000000"', "BTCUSDT price is beyond 64"),
        (b'"61837.63000000"', b'"0.00000000"', "trade 3735683259 must have a price and a size"),
        (b'"61837.63000000"', b"61837.63", "Expected `str`, got `float` - at `$.p`"),
        (b'"61837.63000000"', b"null", "Expected `str`, got `null` - at `$.p`"),
        (b'"T":1723161255342', b'"T":null', "Expected `int`, got `null` - at `$.T`"),
        (b'"T":1723161255342', b'"T":-5', "Expected `int` >= 1 - at `$.T`"),
        (b'"T":1723161255342', b'"T":99999999999999999', "Expected `int` <= 41024447"),
        (b'"s":"BTCUSDT"', b'"s":"UNKNOWN-SYM"', "unknown symbol 'UNKNOWN-SYM'"),
        (b'"e":"trade"', b'"e":"avgPrice"', "event 'avgPrice' is not one of"),
        (b'"m":true', b'"m":"yes"', "Expected `bool`, got `str` - at `$.m`"),
        (b'"q":"0.02000000",', b"", "missing required field `q`"),
    ],
)
def test_wrong_value_is_rejected_with_its_name(
    decoder: BinanceDecoder, old: bytes, new: bytes, reason: str
) -> None:
    assert reason in rejection(decoder, TRADE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"61737.63000000"', b'"61737.63500000"', "BTCUSDT price must be a whole number"),
        (b'"1.25000000"', b'"NaN"', "BTCUSDT size must be a decimal number"),
        (b'"61737.63000000"', b'"0.00000000"', "a level must have a price above 0"),
        (b'["61737.63000000","0.00000000"]', b'["61737.63000000"]', "Expected `array` of length 2"),
        (b'"E":1723161255208', b'"E":null', "Expected `int`, got `null` - at `$.E`"),
        (b'"U":50093239189', b'"U":-1', "Expected `int` >= 0 - at `$.U`"),
        (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"', "unknown symbol 'ETHUSDT'"),
        (b"}}", b"}}}", "trailing characters"),
        (b"}}", b"}}\x00", "trailing characters"),
        (b"}}", b"", "truncated"),
    ],
)
def test_wrong_depth_message_is_rejected_with_its_reason(
    decoder: BinanceDecoder, old: bytes, new: bytes, reason: str
) -> None:
    assert reason in rejection(decoder, DEPTH.replace(old, new))


def test_exponent_is_read_exactly(decoder: BinanceDecoder) -> None:
    event = recv(decoder, TRADE.replace(b'"0.02000000"', b'"2e-05"'))
    assert isinstance(event, Trade)
    assert event.size_lots == 2


def test_off_step_value_names_its_symbol_for_a_finer_reading(decoder: BinanceDecoder) -> None:
    rejection(decoder, TRADE.replace(b'"0.02000000"', b'"0.02000001"'))
    assert set(decoder.off_step) == {"BTCUSDT"}


@pytest.mark.parametrize(
    "data",
    [b"", b"pong", b"<html>502</html>", b"null", b"42", b'"ok"', b"{}", b"[]", b"[" * 100_000,
     b"\xff\xfe", b'{"stream":"btcusdt@trade","data":{"e":"trade\xff"}}',
     "\ufeff".encode() + TRADE, TRADE + TRADE, b'{"stream":1}', b'{"code":2,"msg":"Invalid"}',
     b'{"stream":"btcusdt@depth5","data":{"lastUpdateId":160,"bids":[],"asks":[]}}'],
)  # fmt: skip
def test_rubbish_is_rejected_never_raised(decoder: BinanceDecoder, data: bytes) -> None:
    assert rejection(decoder, data)


def test_every_truncation_of_every_kind_is_rejected(decoder: BinanceDecoder) -> None:
    for whole in (TRADE, QUOTE, AGGREGATE, DEPTH, KLINE):
        for length in range(len(whole)):
            rejection(decoder, whole[:length])


@given(st.binary(max_size=300))
def test_any_bytes_give_events_and_no_exception(data: bytes) -> None:
    decoder = BinanceDecoder()
    for kind in ("recv", "send", "http", "connect", "disconnect"):
        for event in decoder.decode(kind, 0, 77, "/api/v3/depth?symbol=X", data):
            assert isinstance(event, FrameRejected | FeedConnected | FeedDisconnected)


def test_oversized_frame_is_refused_unread(decoder: BinanceDecoder) -> None:
    many = b'["61737.63000000","0.00000000"],' * (MAX_FRAME_BYTES // 32)
    for data in (DEPTH.replace(b'"b":[', b'"b":[' + many), QUOTE + b" " * MAX_FRAME_BYTES):
        assert rejection(decoder, data) == f"frame must be at most 8388608 bytes, was {len(data)}"
    reason = rejection(decoder, data, "http", "https://x/api/v3/depth?symbol=BTCUSDT")
    assert reason == f"answer must be at most 8388608 bytes, was {len(data)}"


texts = st.one_of(
    st.decimals(0, 10**9, places=8).map(lambda value: f"{value:f}"),
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{0,12})?", fullmatch=True),
    st.sampled_from(["", "NaN", "1e-5", "-1", "0", "00", "1.", ".5", '1"', "\\u0031"]),
)


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(texts, texts), max_size=4), st.sampled_from(["0.01", "5", "0.25"]))
def test_scanner_reads_what_the_parser_reads_or_leaves_it(
    pairs: list[tuple[str, str]], tick: str
) -> None:
    item = Instrument(
        id=BTC, venue=VenueName("binance"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal(tick), size_lot=Decimal("0.00001"),
    )  # fmt: skip
    levels = ",".join(f'["{price}","{size}"]' for price, size in pairs)
    data = (
        '{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,'
        f'"b":[{levels}],"a":[]}}}}'
    ).encode()
    plan = layout("BTCUSDT", item.price_tick, item.size_lot)
    assert plan is not None
    out = room()
    kind, row, scanned, _, *ids = scan(data, table([plan]), out, 0)
    if kind == OTHER:
        return
    (parsed,) = BinanceDecoder(instruments=[item])._other(77, data)
    assert isinstance(parsed, BookDelta)
    assert (kind, row) == (DEPTH_KIND, 0)
    assert out[:scanned].tolist() == parsed.bids.tolist()
    assert ids == [1, 1, 2]


ticks = st.one_of(st.integers(1, 99), st.integers(1, 10**7), st.integers(1, 10**12))


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(st.tuples(ticks, ticks.map(lambda lots: lots // 2)), max_size=12),
    st.sampled_from(["0.01", "5", "0.25", "0.00000003"]),
    st.integers(0, 11),
    texts,
)
def test_scanner_reads_levels_of_any_width_exactly(
    levels: list[tuple[int, int]], tick: str, odd: int, text: str
) -> None:
    step, lot = Decimal(tick), Decimal("0.00001")
    item = Instrument(
        id=BTC, venue=VenueName("binance"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=step, size_lot=lot,
    )  # fmt: skip
    pairs = [[f"{price * step:.8f}", f"{lots * lot:.8f}"] for price, lots in levels]
    clean = (
        DEPTH.partition(b'"b":[')[0]
        + ('"b":[],"a":' + json.dumps(pairs, separators=(",", ":")) + "}}").encode()
    )
    (read,) = BinanceDecoder(instruments=[item]).decode("recv", 0, 7, "", clean)
    assert isinstance(read, BookDelta)
    assert read.asks.tolist() == [list(level) for level in levels]
    if pairs:
        pairs[odd % len(pairs)][odd % 2] = text
        data = (
            clean.partition(b'"a":')[0]
            + ('"a":' + json.dumps(pairs, separators=(",", ":")) + "}}").encode()
        )
        quick = BinanceDecoder(instruments=[item]).decode("recv", 0, 7, "", data)
        slow = BinanceDecoder(instruments=[item])
        slow._tell = lambda *_: None
        assert repr(quick) == repr(slow.decode("recv", 0, 7, "", data))


@pytest.mark.parametrize("place", [*range(5), *range(6, 14)])
@pytest.mark.parametrize("mark", list("x:/ -+\x7f"))
def test_digit_of_a_level_that_is_none_is_never_read_as_one(
    decoder: BinanceDecoder, place: int, mark: str
) -> None:
    good = "61737.63000000"
    bad = good[:place] + mark + good[place + 1 :]
    levels = f'["{good}","1.00000000"],["{bad}","1.00000000"],["{good}","1.00000000"]'
    data = DEPTH.partition(b'"b":[')[0] + f'"b":[{levels}],"a":[]}}}}'.encode()
    assert "must be a" in rejection(decoder, data)
    swapped = data.replace(b'"1.00000000"', b'"?"').replace(bad.encode(), b"61737.63000000")
    size = swapped.replace(b'"?"', f'"{bad}"'.encode())
    assert "must be a" in rejection(decoder, size)


@given(texts, texts, st.sampled_from(["0.01", "5", "0.25"]))
def test_scanner_reads_quotes_and_trades_as_the_parser_or_leaves_them(
    price: str, size: str, tick: str
) -> None:
    item = Instrument(
        id=BTC, venue=VenueName("binance"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal(tick), size_lot=Decimal("0.00001"),
    )  # fmt: skip
    for data in (
        QUOTE.replace(b"61837.63000000", price.encode()).replace(b"3.78826000", size.encode()),
        TRADE.replace(b"61837.63000000", price.encode()).replace(b"0.02000000", size.encode()),
    ):
        scanned = BinanceDecoder(instruments=[item])
        parsed = BinanceDecoder(instruments=[item])
        parsed._tell = lambda *_: None
        assert scanned.decode("recv", 0, 7, "", data) == parsed.decode("recv", 0, 7, "", data)


@given(
    texts, texts, st.sampled_from(["1m", "1M", "12h", "7m", "", "1\\n", "1month"]),
    st.sampled_from(["true", "false", "null"]), st.sampled_from(["0", "-1", "01", "12345678901"]),
    st.sampled_from(["1.5", "", "\\u0031", "\n", '"']),
)  # fmt: skip
def test_scanner_reads_candles_as_the_parser_or_leaves_them(
    price: str, size: str, interval: str, over: str, trade: str, turnover: str
) -> None:
    item = Instrument(
        id=BTC, venue=VenueName("binance"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal("0.01"), size_lot=Decimal("0.00001"),
    )  # fmt: skip
    for place in "oclh":
        prices = dict.fromkeys("oclh", "61837.63000000") | {place: price}
        data = (
            '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161255343,"s":"BTCUSDT",'
            f'"k":{{"t":1723161240000,"T":1723161299999,"s":"BTCUSDT","i":"{interval}",'
            f'"f":{trade},"L":{trade},"o":"{prices["o"]}","c":"{prices["c"]}",'
            f'"h":"{prices["h"]}","l":"{prices["l"]}","v":"{size}","n":100,"x":{over},'
            f'"q":"{turnover}","V":"0.5","Q":"0.5","B":"0"}}}}}}'
        ).encode()
        scanned = BinanceDecoder(instruments=[item])
        parsed = BinanceDecoder(instruments=[item])
        parsed._tell = lambda *_: None
        assert scanned.decode("recv", 0, 7, "", data) == parsed.decode("recv", 0, 7, "", data)


def test_scanner_takes_what_the_venue_sends(btc: Instrument, nkn: Instrument) -> None:
    plans = [layout(item.venue_symbol, item.price_tick, item.size_lot) for item in (nkn, btc)]
    rows = table([plan for plan in plans if plan is not None])
    out, names = room(), np.array([id(nkn.id), id(btc.id)])

    def by_address(data: bytes, rows: Any, out: Any, used: int) -> tuple[int, ...]:
        on = desk(rows, out, used, names, np.zeros(2, np.int64))
        teller()(data, address(on), 77)
        return tuple(on[0, OUT:].tolist())

    for read, ns in ((scan, 1), (by_address, 1_000_000)):
        ids = (1723161255208 * ns, 50093239189, 50093239202)
        # By address it tells the rows where bids and asks end, not their number.
        assert read(DEPTH, rows, out, 0) == (DEPTH_KIND, 1, 2, 1 if ns == 1 else 3, *ids)
        assert read(QUOTE, rows, out, 0) == (
            QUOTE_KIND, 1, 50093239212, 6183763, 378826, 6183764, 154698,
        )  # fmt: skip
        assert read(TRADE, rows, out, 0) == (
            TRADE_KIND, 1, 1723161255342 * ns, 3735683259, 6183763, 2000, 1,
        )  # fmt: skip
        assert read(TRADE.replace(b'"m":true', b'"m":false'), rows, out, 0)[-1] == 0
        assert read(DEPTH, rows, out, BLOCK - 2)[0] == OTHER
        assert read(KLINE, rows, out, 0) == (
            KLINE_KIND, 1, 0, int.from_bytes(b"1m", "big"), 1723161240000, 0, 0,
        )  # fmt: skip
        assert out[:3].ravel().tolist() == [6183763, 6183800, 6183700, 6183764, 1547321, 0]
        assert read(KLINE, rows, out, BLOCK - 2)[0] == OTHER
        assert read(QUOTE.replace(b"BTCUSDT", b"NKNUSDT"), rows, out, 0)[0] == OTHER


def test_deltas_stay_as_they_were_while_more_are_decoded(decoder: BinanceDecoder) -> None:
    kept = [recv(decoder, DEPTH) for _ in range(BLOCK)]
    for event in kept:
        assert isinstance(event, BookDelta)
        assert event.bids.tolist() == [[6173763, 0], [5685458, 125000]]
        assert event.asks.tolist() == [[6183764, 154698]]


def test_depth_message_larger_than_the_array_is_read_all_the_same(decoder: BinanceDecoder) -> None:
    recv(decoder, DEPTH)
    levels = b",".join(b'["%d.00000000","1.00000000"]' % price for price in range(1, BLOCK + 10))
    event = recv(decoder, DEPTH.replace(b'["61737.63000000","0.00000000"]', levels))
    assert isinstance(event, BookDelta)
    assert len(event.bids) == BLOCK + 10


def test_scanner_finds_each_of_many_symbols(btc: Instrument) -> None:
    names = [f"{chr(65 + number % 26) * (1 + number // 26)}USDT" for number in range(300)]
    items = [msgspec.structs.replace(btc, venue_symbol=name) for name in names]
    rows = table(
        [
            plan
            for item in items
            if (plan := layout(item.venue_symbol, item.price_tick, item.size_lot)) is not None
        ]
    )
    for number, name in enumerate(names):
        data = QUOTE.replace(b"btcusdt", name.lower().encode()).replace(b"BTCUSDT", name.encode())
        expected = (QUOTE_KIND, number) if len(name) <= 24 else (OTHER, 0)
        assert scan(data, rows, room(), 0)[:2] == expected


def test_rest_book_becomes_an_image_of_the_symbol_in_its_url(decoder: BinanceDecoder) -> None:
    body = b'{"lastUpdateId":160,"bids":[["100.01","1.5"]],"asks":[["100.02","2"],["101","3"]]}'
    (event,) = decoder.decode("http", 0, 77, "https://x/api/v3/depth?symbol=BTCUSDT&limit=5", body)
    assert isinstance(event, BookSnapshot)
    assert (event.instrument_id, event.last_id) == (BTC, 160)
    assert event.bids.tolist() == [[10001, 150000]]
    assert event.asks.tolist() == [[10002, 200000], [10100, 300000]]


@pytest.mark.parametrize(
    ("url", "body", "reason"),
    [
        ("https://x/api/v3/depth", b"{}", "unknown symbol ''"),
        ("https://x/api/v3/depth?symbol=ABC", b"{}", "unknown symbol 'ABC'"),
        ("https://x/api/v3/depth?symbol=BTCUSDT", b'{"code":-1003}', "missing required field"),
        ("https://x/api/v3/depth?symbol=BTCUSDT", b"<html>", "JSON is malformed"),
        ("https://x/api/v3/exchangeInfo", b'{"symbols":3}', "exchangeInfo of binance"),
    ],
)
def test_wrong_rest_answer_is_rejected(
    decoder: BinanceDecoder, url: str, body: bytes, reason: str
) -> None:
    assert reason in rejection(decoder, body, "http", url)


def test_listing_on_the_tape_teaches_steps(decoder: BinanceDecoder) -> None:
    body = b"""{"symbols":[{"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH",
        "quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01000000"},
        {"filterType":"LOT_SIZE","stepSize":"0.00010000"}]}]}"""
    assert len(decoder.decode("http", 0, 77, "https://x/api/v3/exchangeInfo", body)) == 0
    event = recv(decoder, TRADE.replace(b"BTCUSDT", b"ETHUSDT"))
    assert isinstance(event, Trade)
    assert event.instrument_id == "ETH-USDT.binance"
    assert event.size_lots == 200


def test_subscriptions_follow_their_connection(decoder: BinanceDecoder) -> None:
    opened = decoder.decode("connect", 3, 1, "wss://x/stream?streams=btcusdt@depth", b"")
    assert [type(event) for event in opened] == [FeedConnected, FeedStatusChanged]
    ask = msgspec.json.encode({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})
    assert len(decoder.decode("send", 3, 2, "", ask)) == 0
    (gone,) = decoder.decode("send", 3, 3, "", ask.replace(b"SUB", b"UNSUB"))
    assert isinstance(gone, FeedStatusChanged)
    assert gone.status is FeedStatus.UNSUBSCRIBED
    (back,) = decoder.decode("send", 3, 4, "", ask)
    assert isinstance(back, FeedStatusChanged)
    assert back.status is FeedStatus.SYNCING
    (lost,) = decoder.decode("disconnect", 3, 5, "", b"reset by peer")
    assert isinstance(lost, FeedDisconnected)
    assert (lost.instrument_ids, lost.reason) == ((BTC,), "reset by peer")
    (other,) = decoder.decode("disconnect", 4, 6, "", b"")
    assert isinstance(other, FeedDisconnected)
    assert other.instrument_ids == ()


def test_recorded_malformed_frames_are_all_rejected_but_the_valid_ones(
    recorded: Path, btc: Instrument
) -> None:
    names = ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR")
    decoder = BinanceDecoder(
        instruments=[
            msgspec.structs.replace(
                btc, venue_symbol=name, price_tick=Decimal("1e-8"), size_lot=Decimal("1e-8")
            )
            for name in names
        ]
    )
    lines = (recorded / "edge_cases/malformed_frames_binance_spot.jsonl").read_text("utf-8")
    taken = []
    for line in lines.splitlines():
        case = json.loads(line)
        (event,) = decoder.decode("recv", 0, 77, "", case["text"].encode())
        if not isinstance(event, FrameRejected):
            taken.append(case["kind"])
    assert taken == [
        "leading/trailing whitespace (valid)", "unknown extra field (valid)", "duplicate key",
    ]  # fmt: skip


def test_recorded_messages_agree_with_the_values_other_parsers_found(recorded: Path) -> None:
    folder = recorded / "binance_spot"
    found = 0
    for line in (folder / "messages_with_expected_tardis.jsonl").read_text().splitlines():
        case = json.loads(line)
        if not case["expected"]:
            continue
        expected = case["expected"][0]
        decoder = BinanceDecoder(
            instruments=[
                Instrument(
                    id=InstrumentId("X.binance"), venue=VenueName("binance"), base="", quote="",
                    venue_symbol=expected["symbol"], price_tick=Decimal("1e-8"),
                    size_lot=Decimal("1e-8"),
                )
            ]
        )  # fmt: skip
        (event,) = decoder.decode("recv", 0, 77, "", json.dumps(case["msg"]).encode())
        if expected["type"] == "trade":
            assert isinstance(event, Trade)
            assert event.price_ticks == round(expected["price"] * 1e8)
            assert event.size_lots == round(expected["amount"] * 1e8)
            assert event.buyer_is_maker == (expected["side"] == "sell")
            found += 1
        elif expected["type"] == "book_ticker":
            assert isinstance(event, Quote)
            assert (event.bid_ticks, event.ask_ticks) == (
                round(expected["bidPrice"] * 1e8), round(expected["askPrice"] * 1e8),
            )  # fmt: skip
            found += 1
    assert found == 2


def test_value_off_a_step_that_divides_nothing_evenly_is_rejected(btc: Instrument) -> None:
    item = msgspec.structs.replace(btc, price_tick=Decimal("0.00000003"))
    decoder = BinanceDecoder(instruments=[item])
    (event,) = decoder.decode("recv", 0, 7, "", QUOTE.replace(b"61837.63000000", b"1.00000001"))
    assert isinstance(event, FrameRejected)
    assert "must be a whole number of steps of 3E-8" in event.reason


def test_size_of_an_order_older_than_the_step_becomes_the_nearest_and_is_noted(
    decoder: BinanceDecoder,
) -> None:
    event = recv(decoder, DEPTH.replace(b'"1.25000000"', b'"0.00000400"'))
    assert isinstance(event, BookDelta)
    assert event.bids.tolist() == [[6173763, 0], [5685458, 1]]
    assert decoder.off_step == {"BTCUSDT": (0, 6)}
    price = DEPTH.replace(b'"56854.58000000"', b'"56854.58500000"')
    assert "price must be a whole number of steps" in rejection(decoder, price)
