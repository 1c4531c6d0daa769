from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.feeds.deribit.symbols import COMBO, make_index, parse_instruments, parse_names
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.wire.tape_reader import TapeReader

VENUE = VenueName("deribit")


def item(**changes: Any) -> dict[str, Any]:
    return {
        "tick_size": 0.0001, "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
        "strike": 100000.0, "settlement_period": "month", "quote_currency": "BTC",
        "counter_currency": "USD", "settlement_currency": "BTC", "instrument_type": "reversed",
        "option_type": "call", "min_trade_amount": 0.1, "kind": "option", "is_active": True,
        "instrument_name": "BTC-25DEC26-100000-C", "expiration_timestamp": 1798185600000,
        "creation_timestamp": 1719561600000, "contract_size": 1.0, "base_currency": "BTC",
    } | changes  # fmt: skip


def parse(*items: dict[str, Any]) -> list[Instrument]:
    return parse_instruments(json.dumps({"result": items}).encode(), VENUE).instruments


def test_option_on_coin_is_quoted_in_coin_and_named_by_its_counter_currency() -> None:
    (option,) = parse(item())
    assert option.id == "BTC-USD-20261225-100000-C.deribit"
    assert (option.kind, option.option_right, option.strike) == (
        InstrumentKind.OPTION, "call", Decimal(100000),
    )  # fmt: skip
    assert (option.quote, option.settle, option.inverse) == ("BTC", "BTC", False)
    assert option.expiry_ns == 1798185600000_000_000
    assert option.listed_ns == 1719561600000_000_000


def test_finest_tick_is_taken_of_steps_and_blocks() -> None:
    (option,) = parse(item(tick_size=0.0005, tick_size_steps=[{"tick_size": 0.001}]))
    assert option.price_tick == Decimal("0.0005")
    (option,) = parse(item(block_trade_tick_size=0.00001))
    assert option.price_tick == Decimal("0.00001")


def test_linear_option_with_a_decimal_point_in_its_strike() -> None:
    (option,) = parse(
        item(
            instrument_name="XRP_USDC-30JUN26-2d1-C", strike=2.1, base_currency="XRP",
            quote_currency="USDC", counter_currency="USDC", settlement_currency="USDC",
            instrument_type="linear", min_trade_amount=1000, contract_size=1000,
        )
    )  # fmt: skip
    assert option.id == "XRP-USDC-20261225-2.1-C.deribit"
    assert (option.quote, option.size_lot) == ("USDC", Decimal(1000))


def test_futures_are_inverse_or_linear_as_the_venue_says() -> None:
    future = item(kind="future", option_type="", strike=0, quote_currency="USD", contract_size=10.0,
                  min_trade_amount=10.0, tick_size=0.5, tick_size_steps=[])  # fmt: skip
    dated = future | {"instrument_name": "BTC-25DEC26"}
    perpetual = future | {
        "instrument_name": "BTC_USDC-PERPETUAL", "instrument_type": "linear",
        "settlement_period": "perpetual", "expiration_timestamp": 32503708800000,
        "quote_currency": "USDC", "counter_currency": "USDC", "settlement_currency": "USDC",
    }  # fmt: skip
    inverse, linear = parse(dated, perpetual)
    assert (inverse.id, inverse.inverse, inverse.settle) == (
        "BTC-USD-20261225.deribit", True, "BTC",
    )  # fmt: skip
    assert (linear.id, linear.inverse, linear.settle, linear.expiry_ns) == (
        "BTC-USDC-PERP.deribit", False, "USDC", 0,
    )  # fmt: skip


def test_spot_is_spot() -> None:
    (spot,) = parse(
        item(kind="spot", instrument_name="BTC_USDC", option_type="", strike=0,
             quote_currency="USDC", counter_currency="USDC", min_trade_amount=0.0001,
             contract_size=0.0001, expiration_timestamp=32503708800000)
    )  # fmt: skip
    assert (spot.id, spot.kind, spot.size_lot) == (
        "BTC-USDC.deribit", InstrumentKind.SPOT, Decimal("0.0001"),
    )  # fmt: skip


def test_halted_instrument_is_not_trading() -> None:
    assert not parse(item(state="halted"))[0].trading
    assert not parse(item(is_active=False))[0].trading


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tick_size": 0}, "above 0"),
        ({"tick_size": "NaN"}, "above 0"),
        ({"min_trade_amount": 1e30}, "below"),
        ({"strike": -5}, "strike"),
        ({"option_type": "both"}, "call or put"),
        ({"expiration_timestamp": -1}, "expiration"),
        ({"expiration_timestamp": 10**18}, "expiration"),
        ({"kind": "swaption"}, "swaption"),
    ],
)
def test_odd_instrument_is_left_out_with_a_reason_and_the_others_stay(
    changes: dict[str, Any], words: str
) -> None:
    good = item(instrument_name="GOOD")
    body = json.dumps({"result": [item(**changes), good]}).encode()
    listing = parse_instruments(body, VENUE)
    assert [item.venue_symbol for item in listing.instruments] == ["GOOD"]
    assert words in listing.left_out["BTC-25DEC26-100000-C"]


@pytest.mark.parametrize("body", [b"<html>", b'{"result":[{}]}', b"{}", b'{"result":null}'])
def test_answer_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(DataError, match="get_instruments"):
        parse_instruments(body, VENUE)


def test_combos_are_left_out_and_the_reason_is_kept(fixtures: Callable[[str], Any]) -> None:
    for line, msg in fixtures("deribit/messages_nautilus.jsonl"):
        if line["ctx"] == "http_get_instruments_future_combo.json":
            listing = parse_instruments(msg, VENUE)
            assert not listing.instruments
            assert listing.left_out["BTC-FS-19MAY26_PERP"] == COMBO
            return
    pytest.fail("fixture is missing")


def test_recorded_listings_give_unique_ids_and_their_own_spelling(recorded: Path) -> None:
    listed: list[Instrument] = []
    for name in ("capture_options_20210722", "rest_instruments_SOL_USDC"):
        for frame in TapeReader(recorded / f"deribit/{name}.jsonl.zst").frames():
            if frame.kind == "http":
                listed += parse_instruments(frame.data, VENUE).instruments
    names = {item.venue_symbol: item.id for item in listed}
    assert len(set(names.values())) == len(listed) == len(names) > 1000
    assert names["BTC-PERPETUAL"] == "BTC-USD-PERP.deribit"
    assert names["BTC-24JUN22-15000-C"] == "BTC-USD-20220624-15000-C.deribit"
    assert names["UNI_USDC-PERPETUAL"] == "UNI-USDC-PERP.deribit"
    assert names["SOL-10JUN22-28-P"] == "SOL-USD-20220610-28-P.deribit"


def test_names_of_indices_become_instruments_with_a_volatility_where_there_is_one() -> None:
    found = parse_names(b'{"result":["btc_usd","eth_usdc","btc_usd"]}', VENUE)
    assert [(item.id, item.venue_symbol) for item in found] == [
        ("BTC-USD-INDEX.deribit", "deribit_price_index.btc_usd"),
        ("ETH-USDC-INDEX.deribit", "deribit_price_index.eth_usdc"),
        ("BTC-DVOL.deribit", "deribit_volatility_index.btc_usd"),
    ]
    assert make_index("deribit_price_index.", VENUE) is None
    assert make_index("BTC-PERPETUAL", VENUE) is None
    with pytest.raises(DataError, match="index names"):
        parse_names(b'{"result":1}', VENUE)
