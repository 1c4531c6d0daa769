from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.binance_usdm.decoder import BINANCE_USDM, UsdmDecoder
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Trade,
)

BTC = InstrumentId("BTC-USDT-PERP.binance_usdm")
DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1622368962075,'
    b'"T":1622368962065,"s":"BTCUSDT","U":10,"u":20,"pu":9,"b":[["2437.1","82.320"]],'
    b'"a":[["2437.2","0.000"]]}}'
)
LIQUIDATION = (
    b'{"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT",'
    b'"S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910.0","ap":"9910.12345","X":"FILLED",'
    b'"l":"0.010","z":"0.010","T":1568014460890}}}'
)
MARK = (
    b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1617308820003,'
    b'"s":"BTCUSDT","p":"58940.14924532","P":"58905.14663658","i":"58857.26693664",'
    b'"r":"-0.00058455","T":1617321600000}}'
)
TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1616201036113,"a":21021,'
    b'"s":"BTCUSDT","p":"62595.8","q":"0.094","f":21824,"l":21826,"T":1616201035958,"m":true}}'
)
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":400900217,"E":1568014460893,'
    b'"T":1568014460891,"s":"BTCUSDT","b":"25.3","B":"31.21","a":"25.4","A":"40.66","st":1,'
    b'"ps":"BTCUSDT"}}'
)


SINGLE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,'
    b'"s":"BTCUSDT","t":5266583935,"p":"61800.3","q":"0.006","X":"MARKET","m":false}}'
)
CANDLE = (
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":'
    b'1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"61837.6","c":'
    b'"61838","h":"61838.1","l":"61837.50","v":"3.482","n":100,"x":false,"q":"1.0","V":"500",'
    b'"Q":"0.5","B":"0"}}}'
)


def instrument(symbol: str = "BTCUSDT") -> Instrument:
    return Instrument(
        id=BTC, venue=BINANCE_USDM, venue_symbol=symbol, base="BTC", quote="USDT",
        price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
    )  # fmt: skip


@pytest.fixture
def decoder() -> UsdmDecoder:
    return UsdmDecoder(instruments=[instrument()])


def recv(decoder: UsdmDecoder, data: bytes) -> Sequence[MarketEvent]:
    return decoder.decode("recv", 0, 77, "", data)


def one(decoder: UsdmDecoder, data: bytes) -> Any:
    (event,) = recv(decoder, data)
    return event


def rejection(decoder: UsdmDecoder, data: bytes) -> str:
    event = one(decoder, data)
    assert isinstance(event, FrameRejected)
    return event.reason


def raw(data: bytes) -> bytes:
    """Return the message as a socket at ``/ws`` sends it."""
    return data.partition(b'"data":')[2][:-1]


def test_book_change_carries_the_previous_id(decoder: UsdmDecoder) -> None:
    for data in (DEPTH, raw(DEPTH)):
        event = one(decoder, data)
        assert isinstance(event, BookDelta)
        assert (event.first_id, event.last_id, event.prev_id) == (10, 20, 9)
        assert (event.bids.tolist(), event.asks.tolist()) == ([[24371, 82320]], [[24372, 0]])
        assert event.ts_event_ns == 1_622_368_962_075_000_000


def test_quotes_and_trades_are_read_in_either_spelling(decoder: UsdmDecoder) -> None:
    quote = Quote(BTC, 1_568_014_460_893_000_000, 77, 253, 31210, 254, 40660, 400900217)
    trade = Trade(BTC, 1_616_201_035_958_000_000, 77, 625958, 94, True, 21021, 21824)
    for data, event in ((QUOTE, quote), (TRADE, trade)):
        assert one(decoder, data) == one(decoder, raw(data)) == event


def slow(instruments: Sequence[Instrument] = ()) -> UsdmDecoder:
    """Return a decoder that goes without the scanner."""
    made = UsdmDecoder(instruments=instruments)
    made._tell = lambda *_: None
    return made


def test_hot_messages_need_no_slow_reading(
    decoder: UsdmDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reversed_fields = (
        b'{"stream":"btcusdt@bookTicker","data":{"A":"40.66","a":"25.4","B":"31.21","b":"25.3",'
        b'"ps":"BTCUSDT","s":"BTCUSDT","new":true,"old":17,"T":1,"E":2,"u":5,"e":"bookTicker"}}'
    )
    turned_candle = (
        b'{"stream":"btcusdt@kline_1m","data":{"k":{"x":true,"v":"0","l":"1.5","h":"2","c":"1.9",'
        b'"o":"1.7","longer":"x","i":"12h","t":1},"new":true,"s":"BTCUSDT","e":"kline"}}'
    )
    every = (
        DEPTH, QUOTE, TRADE, SINGLE, reversed_fields, DEPTH.replace(b'"E"', b'"st":1,"E"'), CANDLE,
        turned_candle,
    )  # fmt: skip
    expected = [repr(recv(slow([instrument()]), data)) for data in every]
    monkeypatch.setattr(UsdmDecoder, "message", None)
    assert [repr(recv(decoder, data)) for data in every] == expected


@given(st.sampled_from([DEPTH, QUOTE, TRADE, SINGLE, CANDLE]), st.data())
def test_scanner_reads_what_the_decoder_reads_or_leaves_it(
    whole: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 6))
    pieces = [b'"', b",", b"0", b"9", b".", b"-", b"e", b"{", b"[", b"]", b"}", b"null", b"true",
              b'"st":2,', b'"a":1,', b'"E":0,', b'"T":9,', b" ", b"\\", b"\xff", b"", b"NA",
              b'"b":[],']  # fmt: skip
    piece = data.draw(st.sampled_from(pieces))
    broken = whole[:place] + piece + whole[place + length :]
    quick = UsdmDecoder(instruments=[instrument()])
    assert repr(recv(quick, broken)) == repr(recv(slow([instrument()]), broken))


def test_liquidation_is_marked_as_one_of_some(decoder: UsdmDecoder) -> None:
    assert one(decoder, LIQUIDATION) == Liquidation(
        instrument_id=BTC, ts_event_ns=1_568_014_460_890_000_000, ts_recv_ns=77, side=Side.SELL,
        price_ticks=99100, size_lots=10, lossy=True,
    )  # fmt: skip


def test_mark_comes_with_the_funding_to_come(decoder: UsdmDecoder) -> None:
    event = one(decoder, MARK)
    assert isinstance(event, MarkPrice)
    assert (event.mark, event.index) == (Decimal("58940.14924532"), Decimal("58857.26693664"))
    assert event.funding_rate == Decimal("-0.00058455")
    assert event.next_funding_ns == 1_617_321_600_000_000_000


def test_dated_contract_has_no_funding(decoder: UsdmDecoder) -> None:
    event = one(decoder, MARK.replace(b'"T":1617321600000', b'"T":0'))
    assert isinstance(event, MarkPrice)
    assert (event.funding_rate, event.next_funding_ns) == (None, 0)


def test_open_interest_and_premium_are_read_from_rest(decoder: UsdmDecoder) -> None:
    body = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    (interest,) = decoder.decode("http", 0, 77, "https://x/fapi/v1/openInterest", body)
    assert isinstance(interest, OpenInterest)
    assert (interest.instrument_id, interest.size) == (BTC, Decimal("10659.509"))
    body = (
        b'[{"symbol":"BTCUSDT","markPrice":"11793.6","indexPrice":"","lastFundingRate":"0.0003",'
        b'"nextFundingTime":1597392000000,"time":1597370495002}]'
    )
    (premium,) = decoder.decode("http", 0, 77, "https://x/fapi/v1/premiumIndex", body)
    assert isinstance(premium, MarkPrice)
    assert (premium.mark, premium.index) == (Decimal("11793.6"), None)


@pytest.mark.parametrize("data", [DEPTH, TRADE, LIQUIDATION, MARK, QUOTE])
def test_messages_of_coin_margined_contracts_are_left_out(
    decoder: UsdmDecoder, data: bytes
) -> None:
    mine = data.replace(b',"st":1', b"").replace(b'"data":{', b'"data":{"st":1,')
    assert len(recv(decoder, mine)) == 1
    assert recv(decoder, mine.replace(b'"st":1', b'"st":2')) == ()


def test_stream_of_the_whole_market_gives_what_we_know_and_rejects_the_rest(
    decoder: UsdmDecoder,
) -> None:
    mark = raw(MARK)
    both = b'{"stream":"!markPrice@arr","data":[%s,%s]}' % (
        mark, mark.replace(b'{"e"', b'{"st":2,"ps":"X","e"').replace(b"BTCUSDT", b"BTCUSD_PERP"),
    )  # fmt: skip
    assert [type(event) for event in recv(decoder, both)] == [MarkPrice]
    assert "unknown symbol 'ETHUSDT'" in rejection(decoder, both.replace(b"BTCUSDT", b"ETHUSDT"))


def test_trade_of_the_insurance_fund_is_no_trade_of_the_book(decoder: UsdmDecoder) -> None:
    single = raw(SINGLE)
    assert isinstance(one(decoder, single), Trade)
    for data in (single, SINGLE):
        assert recv(decoder, data.replace(b"MARKET", b"NA")) == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DEPTH.replace(b"2437.1", b"2437.15"), "price must be a whole number of steps of 0.1"),
        (DEPTH.replace(b'"2437.1"', b'"0"'), "must have a price above 0"),
        (DEPTH.replace(b'"pu":9,', b""), "missing required field `pu`"),
        (DEPTH.replace(b"@depth@", b"@depth20@"), "of top levels is not one we follow"),
        (TRADE.replace(b'"0.094"', b'"NaN"'), "size must be a decimal number, was 'NaN'"),
        (TRADE.replace(b'"0.094"', b'"0"'), "must have a price and a size above 0"),
        (TRADE.replace(b"BTCUSDT", b"ABCUSDT"), "unknown symbol 'ABCUSDT'"),
        (TRADE.replace(b"aggTrade", b"ORDER_TRADE_UPDATE"), "is not one of a market data stream"),
        (MARK.replace(b'"58940.14924532"', b'""'), "mark price must be a decimal number"),
        (LIQUIDATION.replace(b"SELL", b"LEFT"), "must be BUY or SELL, was 'LEFT'"),
        (b'{"code":2,"msg":"Invalid request: unknown variant"}', "Invalid request: unknown"),
        (b'{"error":{"code":-1,"msg":"no"},"id":4}', "the venue refused a request of ours"),
        (b'{"stream":"x","data":5}', "Expected `object`"),
        (b"<html>502</html>", "JSON is malformed"),
        (b"[]", "Expected `object`"),
        (b"{}", "has no event type"),
    ],
)
def test_wrong_message_is_rejected_with_what_is_wrong(
    decoder: UsdmDecoder, data: bytes, words: str
) -> None:
    assert words in rejection(decoder, data)


def test_every_truncation_is_rejected_or_silent(decoder: UsdmDecoder) -> None:
    for whole in (DEPTH, TRADE, MARK, QUOTE, LIQUIDATION):
        for length in range(len(whole)):
            assert rejection(decoder, whole[:length])


@pytest.mark.parametrize(
    "data",
    [
        b'{"result":null,"id":1}',
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"!contractInfo","data":{"e":"contractInfo","E":1669647330163,"s":"IOTAUSDT"}}',
    ],
)
def test_what_needs_no_event_gives_none(decoder: UsdmDecoder, data: bytes) -> None:
    assert recv(decoder, data) == ()


def test_loss_of_the_trades_connection_alone_takes_trust(decoder: UsdmDecoder) -> None:
    def send(conn: int, *streams: str) -> Sequence[MarketEvent]:
        import msgspec

        body = msgspec.json.encode({"method": "SUBSCRIBE", "params": streams, "id": 1})
        return decoder.decode("send", conn, 5, "", body)

    for conn in (0, 1, 2):
        decoder.decode("connect", conn, 1, "wss://x/stream", b"")
    (status,) = send(0, "btcusdt@depth@100ms", "btcusdt@bookTicker")
    assert isinstance(status, FeedStatusChanged)
    assert list(send(1, "btcusdt@aggTrade", "btcusdt@markPrice@1s")) == []
    send(2, "btcusdt@aggTrade")
    (lost,) = decoder.decode("disconnect", 2, 9, "", b"replaced")
    assert isinstance(lost, FeedDisconnected)
    assert lost.instrument_ids == (), "another connection carries the trades"
    (lost,) = decoder.decode("disconnect", 1, 9, "", b"reset")
    assert isinstance(lost, FeedDisconnected)
    assert lost.instrument_ids == (BTC,)
    for _ in range(2):
        assert list(recv(decoder, DEPTH)) == [], "without trades a book is no market"
    assert [type(event) for event in recv(decoder, QUOTE)] == [Quote]
    decoder.decode("connect", 3, 10, "wss://x/stream", b"")
    (again,) = send(3, "btcusdt@aggTrade")
    assert isinstance(again, FeedStatusChanged)
    assert (again.instrument_id, again.status) == (BTC, FeedStatus.SYNCING)
    assert isinstance(one(decoder, DEPTH), BookDelta)


def test_size_of_an_order_older_than_the_step_becomes_the_nearest_and_is_noted(
    decoder: UsdmDecoder,
) -> None:
    event = one(decoder, DEPTH.replace(b'"82.320"', b'"0.0001"'))
    assert isinstance(event, BookDelta)
    assert event.bids.tolist() == [[24371, 1]]
    assert decoder.off_step == {"BTCUSDT": (0, 4)}
