from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.alphavantage.decoder import AlphaVantageDecoder, Lists
from core.feeds.alphavantage.symbols import listing_rows, parse_listing
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import DayTicker, FeedStatus, FrameRejected, Quote

MSFT = InstrumentId("MSFT-USD.alphavantage")
EUR = InstrumentId("EUR-USD.alphavantage")
QUOTE = {"Global Quote": {"01. symbol": "MSFT", "02. open": "112.6300", "03. high": "113.1700",
         "04. low": "110.6400", "05. price": "112.1300", "06. volume": "29062853",
         "07. latest trading day": "2018-10-05"}}  # fmt: skip
RATE = {"Realtime Currency Exchange Rate": {
    "1. From_Currency Code": "EUR", "3. To_Currency Code": "USD", "5. Exchange Rate": "1.08000000",
    "6. Last Refreshed": "2020-05-03 20:50:48", "7. Time Zone": "UTC", "8. Bid Price": "1.07990000",
    "9. Ask Price": "1.08010000"}}  # fmt: skip


def read(decoder: AlphaVantageDecoder, function: str, body: object) -> list[object]:
    url = f"https://www.alphavantage.co/query?function={function}"
    return [*decoder.decode("http", 0, 5, url, json.dumps(body).encode())]


def test_a_quote_is_the_day_so_far_of_no_stated_time(decoder):
    assert read(decoder, "GLOBAL_QUOTE", QUOTE) == [
        DayTicker(
            instrument_id=MSFT, ts_event_ns=0, ts_recv_ns=5, last=Decimal("112.1300"),
            open=Decimal("112.6300"), high=Decimal("113.1700"), low=Decimal("110.6400"),
            volume=Decimal("29062853"),
        )
    ]  # fmt: skip


def test_a_rate_with_bid_and_ask_is_a_quote_too(decoder):
    day, quote = read(decoder, "CURRENCY_EXCHANGE_RATE", RATE)
    assert (day.last, day.ts_event_ns) == (Decimal("1.08000000"), 1_588_539_048_000_000_000)
    assert quote == Quote(EUR, 1_588_539_048_000_000_000, 5, 107_990_000, 0, 108_010_000, 0, 0)


def test_a_rate_without_bid_and_ask_is_none(decoder):
    rate = RATE["Realtime Currency Exchange Rate"] | {"8. Bid Price": "-", "9. Ask Price": "-"}
    body = {"Realtime Currency Exchange Rate": rate}
    assert [type(event) for event in read(decoder, "CURRENCY_EXCHANGE_RATE", body)] == [DayTicker]


@pytest.mark.parametrize(
    ("function", "body", "words"),
    [
        ("GLOBAL_QUOTE", {"Global Quote": {}}, "check the symbol"),
        ("GLOBAL_QUOTE", {}, "check the symbol"),
        ("GLOBAL_QUOTE", {"Error Message": "Invalid API call."}, "Invalid API call"),
        (
            "GLOBAL_QUOTE",
            {"Note": "Our standard API call frequency is 5 calls per minute"},
            "5 calls",
        ),
        ("GLOBAL_QUOTE", {"Global Quote": QUOTE["Global Quote"] | {"05. price": "0"}}, "above 0"),
        ("GLOBAL_QUOTE", {"Global Quote": QUOTE["Global Quote"] | {"05. price": "NaN"}}, "decimal"),
        ("GLOBAL_QUOTE", {"Global Quote": QUOTE["Global Quote"] | {"01. symbol": "X"}}, "unknown"),
        ("CURRENCY_EXCHANGE_RATE", {}, "check the symbol"),
    ],
)
def test_what_is_no_quote_is_refused_with_words(decoder, function, body, words):
    (rejected,) = read(decoder, function, body)
    assert isinstance(rejected, FrameRejected)
    assert words in rejected.reason


def test_other_answers_hold_no_market_events(decoder):
    assert read(decoder, "TIME_SERIES_DAILY", {}) == []


def test_there_is_no_stream(decoder):
    (rejected,) = decoder.decode("recv", 0, 5, "", b"{}")
    assert rejected.reason == "alphavantage has no stream"


def test_what_is_polled_counts_as_subscribed(decoder):
    (started,) = decoder.decode("send", 0, 1, "", b'{"action":"subscribe","symbols":["MSFT"]}')
    assert (started.instrument_id, started.status) == (MSFT, FeedStatus.SYNCING)
    (left,) = decoder.decode("send", 0, 2, "", b'{"action":"unsubscribe","symbols":["MSFT"]}')
    assert left.status is FeedStatus.UNSUBSCRIBED


def test_label_is_the_function(decoder):
    assert decoder.label("http", "https://h/query?function=GLOBAL_QUOTE", b"", ()) == [
        "GLOBAL_QUOTE"
    ]


def test_listing_names_stocks_coins_and_currencies(listed):
    assert {symbol: item.id for symbol, item in listed.items()} == {
        "AAPL": "AAPL-USD.alphavantage", "MSFT": "MSFT-USD.alphavantage",
        "BTC": "BTC-USD-STOCK.alphavantage", "BTC/USD": "BTC-USD.alphavantage",
        "ETH/USD": "ETH-USD.alphavantage", "EUR/USD": "EUR-USD.alphavantage",
    }  # fmt: skip
    assert listed["EUR/USD"].kind is InstrumentKind.FX


def test_lists_on_the_tape_teach_the_same_names(listed):
    bodies = listing_rows([listed["BTC"], listed["EUR/USD"], listed["ETH/USD"]])
    decoder = AlphaVantageDecoder()
    body = msgspec.json.encode(Lists(*(item.decode() for item in bodies)))
    assert decoder.decode("http", 0, 1, "https://h/listing", body) == ()
    assert decoder.instruments["BTC"] == listed["BTC"]
    assert decoder.instruments["ETH/USD"] == listed["ETH/USD"]


def test_a_listing_that_is_none_is_refused(lists):
    _, coins, currencies = lists
    with pytest.raises(DataError, match="must be a table with 'symbol'"):
        parse_listing(b"<html>", coins, currencies, VenueName("alphavantage"))


STOCK = Instrument(
    id=MSFT, venue=VenueName("alphavantage"), venue_symbol="MSFT", base="MSFT", quote="USD",
    kind=InstrumentKind.STOCK, price_tick=Decimal("0.0001"), size_lot=Decimal(1),
)  # fmt: skip
GOOD = json.dumps(QUOTE).encode()


@given(at=st.integers(0, len(GOOD)), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_to_an_answer_ends_in_events_never_in_an_exception(at, byte, cut):
    data = GOOD[:at] if cut else GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    url = "https://www.alphavantage.co/query?function=GLOBAL_QUOTE&symbol=MSFT"
    for event in AlphaVantageDecoder(instruments=[STOCK]).decode("http", 0, 5, url, data):
        if isinstance(event, DayTicker):
            assert event.last > 0
