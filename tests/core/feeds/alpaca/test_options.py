"""Options: contracts to instruments, packed frames, polled snapshots, trades without ids."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.msgpack import Ext

from core.feeds.alpaca.contracts import fetch_chain, fetch_one, read_contracts
from core.feeds.alpaca.decoder import AlpacaDecoder
from core.feeds.alpaca.packing import pack, plain
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.market import FrameRejected, OptionGreeks, Quote, Trade
from core.model.occ import read_option

ALPACA = VenueName("alpaca")
SYMBOL = "AAPL261218C00200000"
ROW: dict[str, Any] = {
    "id": "98359ef7", "symbol": SYMBOL, "name": "AAPL Dec 18 2026 200 Call", "status": "active",
    "tradable": True, "expiration_date": "2026-12-18", "root_symbol": "AAPL",
    "underlying_symbol": "AAPL", "type": "call", "style": "american", "strike_price": "200",
    "multiplier": "100", "size": "100",
}  # fmt: skip
NOON_NS = 1_700_000_000_123_456_789
STAMP = Ext(-1, struct.pack(">Q", (123_456_789 << 34) | 1_700_000_000))
QUOTE = {"T": "q", "S": SYMBOL, "t": STAMP, "bx": "X", "bp": 6.8, "bs": 72, "ax": "H", "ap": 7.4,
         "as": 38, "c": "A"}  # fmt: skip
TRADE = {"T": "t", "S": SYMBOL, "t": STAMP, "p": 7.05, "s": 2, "x": "N", "c": "S"}


def page(*rows: dict[str, Any], token: str | None = None) -> bytes:
    return json.dumps({"option_contracts": rows, "next_page_token": token}).encode()


@pytest.fixture
def options() -> AlpacaDecoder:
    return AlpacaDecoder(instruments=read_contracts(page(ROW), ALPACA))


def test_a_contract_is_of_a_hundred_shares_traded_whole() -> None:
    (made,) = read_contracts(page(ROW), ALPACA)
    assert (made.id, made.venue_symbol) == ("AAPL-USD-20261218-200-C.alpaca", SYMBOL)
    assert (made.contract_size, made.size_lot, made.min_size) == (100, 1, 1)
    assert (made.strike, made.option_right, made.price_tick) == (200, "call", Decimal("0.01"))
    assert made.expiry_ns == 1_797_627_600_000_000_000  # 16:00 in New York
    assert made.pays_in == "USD"


@pytest.mark.parametrize(
    "wrong", [{"type": "put"}, {"strike_price": "210"}, {"expiration_date": "2026-12-19"},
              {"symbol": "AAPL"}, {"multiplier": "0"}],
)  # fmt: skip
def test_contract_whose_name_says_something_else_is_no_data(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read_contracts(page(ROW | wrong), ALPACA)


async def test_chain_is_read_in_all_pages_and_one_option_by_its_name() -> None:
    other = ROW | {"symbol": "AAPL261218P00200000", "type": "put"}
    answers = {"": page(ROW, token="next"), "next": page(other)}
    asked: list[dict[str, str]] = []

    async def fetch(path: str, params: list[tuple[str, str]], what: str) -> bytes:
        asked.append(dict(params))
        return answers[dict(params).get("page_token", "")]

    chain = await fetch_chain(fetch, "AAPL", "2026-11-21", ALPACA)
    assert [item.option_right for item, _ in chain] == ["call", "put"]
    assert asked[0]["underlying_symbols"] == "AAPL"
    name = read_option(SYMBOL)
    assert name is not None
    assert [item.venue_symbol for item, _ in await fetch_one(fetch, name, ALPACA)] == [SYMBOL]
    assert asked[2]["strike_price_gte"] == asked[2]["strike_price_lte"] == "200"


def test_packed_frames_are_read_to_the_nanosecond(options: AlpacaDecoder) -> None:
    packed = msgspec.msgpack.encode([QUOTE, TRADE])
    quote, trade = options.decode("recv", 1, 5, "", packed)
    assert isinstance(quote, Quote)
    assert isinstance(trade, Trade)
    assert (quote.bid_ticks, quote.ask_ticks, quote.bid_lots) == (680, 740, 72)
    assert (trade.price_ticks, trade.size_lots) == (705, 2)
    assert quote.ts_event_ns == trade.ts_event_ns == NOON_NS
    assert options.label("recv", "", packed, ()) == ["q", "t"]


def test_trades_without_ids_differ_by_what_is_told_of_them(options: AlpacaDecoder) -> None:
    frames = [TRADE, TRADE, TRADE | {"s": 3}, TRADE | {"x": "C"}]
    ids = [
        event.trade_id
        for event in options.decode("recv", 1, 5, "", msgspec.msgpack.encode(frames))
        if isinstance(event, Trade)
    ]
    assert len(ids) == 4
    assert len(set(ids)) == 3


def test_trade_of_a_share_must_have_an_id(decode: Callable[..., Any]) -> None:
    trade = {"T": "t", "S": "AAPL", "t": "2026-11-20T15:00:00Z", "p": 200.5, "s": 1, "x": "V"}
    (refused,) = decode(trade)
    assert isinstance(refused, FrameRejected)


def test_snapshot_gives_greeks_and_a_quote_unless_the_stream_is_ahead(
    options: AlpacaDecoder,
) -> None:
    url = "https://data.alpaca.markets/v1beta1/options/snapshots"
    quote = {"t": "2023-11-14T22:13:20Z", "bp": 6.5, "bs": 1, "ap": 7.5, "as": 1}
    greeks = {"delta": 0.75, "gamma": 0.04, "rho": 0.01, "theta": -0.28, "vega": 0.05}
    told = {"latestQuote": quote, "greeks": greeks, "impliedVolatility": 0.38}
    body = json.dumps({"snapshots": {SYMBOL: told}, "next_page_token": None}).encode()
    first, value = options.decode("http", 0, 5, url, body)
    assert isinstance(first, Quote)
    assert isinstance(value, OptionGreeks)
    assert (first.bid_ticks, value.delta, value.mark_iv) == (650, 0.75, 0.38)
    assert math.isnan(value.underlying)
    options.decode("recv", 1, 5, "", msgspec.msgpack.encode([QUOTE]))
    assert [type(event) for event in options.decode("http", 0, 6, url, body)] == [OptionGreeks]


@pytest.mark.parametrize(
    "frame", [b"\xff\xff", b"\x93\x01\x02\x03", b"\xde\x00", b"\x91\x81\xa1t\xd4\x05\x00"]
)
def test_what_is_no_array_of_messages_is_refused(options: AlpacaDecoder, frame: bytes) -> None:
    (refused,) = options.decode("recv", 1, 5, "", frame)
    assert isinstance(refused, FrameRejected)


def test_text_stays_as_it_is_and_requests_are_packed() -> None:
    text = '{"action":"subscribe","quotes":["A"]}'
    assert plain(text.encode()) == text.encode()
    assert msgspec.msgpack.decode(pack(text)) == json.loads(text)
