from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.feeds.bybit.symbols import parse_listing
from core.model.errors import DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.wire.tape_reader import TapeReader

BYBIT = VenueName("bybit")
FUTURE = {
    "symbol": "BTCUSDU23", "contractType": "InverseFutures", "status": "Trading",
    "baseCoin": "BTC", "quoteCoin": "USD", "settleCoin": "BTC", "launchTime": "1680000000000",
    "deliveryTime": "1695974400000", "priceFilter": {"minPrice": "0.5", "maxPrice": "999999",
    "tickSize": "0.50"}, "lotSizeFilter": {"maxOrderQty": "1000000", "minOrderQty": "1",
    "qtyStep": "1"},
}  # fmt: skip
OPTION = FUTURE | {
    "symbol": "ETH-26JUN26-16000-P",
    "contractType": "",
    "optionsType": "Put",
    "baseCoin": "ETH",
    "quoteCoin": "USDC",
    "settleCoin": "USDC",
    "deliveryTime": "1782460800000",
}


def page(*entries: dict[str, Any], code: int = 0, cursor: Any = "") -> bytes:
    result = {"category": "x", "list": list(entries), "nextPageCursor": cursor} if not code else {}
    return json.dumps({"retCode": code, "retMsg": "words", "result": result}).encode()


def only(entry: dict[str, Any]) -> Instrument:
    (item,) = parse_listing(page(entry), BYBIT).instruments
    return item


@pytest.fixture(scope="module")
def capture(request: pytest.FixtureRequest) -> dict[str, Instrument]:
    path: Path = request.getfixturevalue("recorded") / "bybit_v5/capture_linear_20260809.jsonl.zst"
    body = next(frame.data for frame in TapeReader(path).frames() if frame.kind == "http")
    listing = parse_listing(body, BYBIT)
    assert not listing.cursor
    assert len({item.id for item in listing.instruments}) == len(listing.instruments) == 800
    return {item.venue_symbol: item for item in listing.instruments}


def test_perpetuals_name_their_quote(capture: dict[str, Instrument]) -> None:
    usdt, usdc = capture["BTCUSDT"], capture["BTCPERP"]
    assert (usdt.id, usdc.id) == ("BTC-USDT-PERP.bybit", "BTC-USDC-PERP.bybit")
    assert (usdt.kind, usdt.expiry_ns, usdt.settle) == (InstrumentKind.PERPETUAL, 0, "USDT")
    assert (usdt.price_tick, usdt.size_lot) == (Decimal("0.1"), Decimal("0.001"))
    assert (usdt.min_notional, usdt.inverse, usdt.trading) == (5, False, True)
    assert usdt.listed_ns == 1584230400000 * 10**6


def test_dated_future(capture: dict[str, Instrument]) -> None:
    item = capture["BTCUSDT-14AUG26"]
    assert (item.id, item.kind) == ("BTC-USDT-20260814.bybit", InstrumentKind.FUTURE)
    assert item.expiry_ns == 1786694400000 * 10**6


def test_inverse_future() -> None:
    item = only(FUTURE)
    assert (item.id, item.inverse, item.settle) == ("BTC-USD-20230929.bybit", True, "BTC")


def test_inverse_perpetual_has_no_end_though_it_states_one() -> None:
    item = only(FUTURE | {"symbol": "BTCUSD", "contractType": "InversePerpetual"})
    assert (item.id, item.expiry_ns) == ("BTC-USD-PERP.bybit", 0)


def test_option() -> None:
    item = only(OPTION)
    assert item.id == "ETH-USDC-20260626-16000-P.bybit"
    assert (item.option_right, item.strike) == ("put", 16000)


def test_spot_has_a_precision_for_a_step() -> None:
    spot = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "PreLaunch",
            "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.001",
                              "minOrderAmt": "10"},
            "priceFilter": {"tickSize": "0.01"}}  # fmt: skip
    item = only(spot)
    assert (item.id, item.kind, item.trading) == ("BTC-USDT.bybit", InstrumentKind.SPOT, False)
    assert (item.size_lot, item.min_notional, item.settle) == (Decimal("0.000001"), 10, "")


def test_next_page_is_named() -> None:
    assert parse_listing(page(FUTURE, cursor="a%3Db"), BYBIT).cursor == "a%3Db"
    assert parse_listing(page(FUTURE, cursor=None), BYBIT).cursor == ""


@pytest.mark.parametrize(
    "change", [{"priceFilter": {"tickSize": "0"}}, {"lotSizeFilter": {}}, {"deliveryTime": "0"},
               {"contractType": "Strange"}, {"launchTime": "x"}, {"symbol": None}],
    ids=str,
)  # fmt: skip
def test_listing_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        parse_listing(page(FUTURE | change), BYBIT)


@pytest.mark.parametrize(
    "change", [{"optionsType": "Both"}, {"symbol": "ETH-16000"}, {"symbol": "ETH-26JUN26-x-P"}]
)
def test_option_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        parse_listing(page(OPTION | change), BYBIT)


@pytest.mark.parametrize(("code", "error"), [(10006, TemporaryError), (10001, DataError)])
def test_refusal_in_a_good_answer_is_told(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(code)):
        parse_listing(page(code=code), BYBIT)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"retCode":0}'])
def test_body_that_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        parse_listing(body, BYBIT)
