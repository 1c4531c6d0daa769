from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.feeds.coinbase.symbols import Listing, parse_products
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import InstrumentKind
from core.wire.tape_reader import TapeReader

VENUE = VenueName("coinbase")


def product(**changes: Any) -> dict[str, Any]:
    return {
        "product_id": "BTC-USD", "base_increment": "0.00000001", "quote_increment": "0.01",
        "quote_min_size": "1", "base_min_size": "0.0001", "base_max_size": "3400",
        "status": "online", "product_type": "SPOT", "quote_currency_id": "USD",
        "base_currency_id": "BTC", "alias": "", "alias_to": ["BTC-USDC"],
        "price_increment": "0.01", "new_at": "2023-01-01T00:00:00Z",
    } | changes  # fmt: skip


def parse(*products: dict[str, Any]) -> Listing:
    return parse_products(json.dumps({"products": products}).encode(), VENUE)


def test_spot_product_with_its_steps_and_limits() -> None:
    (item,) = parse(product()).instruments
    assert (item.id, item.kind) == ("BTC-USD.coinbase", InstrumentKind.SPOT)
    assert (item.price_tick, item.size_lot) == (Decimal("0.01"), Decimal("0.00000001"))
    assert (item.min_size, item.max_size, item.min_notional) == (
        Decimal("0.0001"), Decimal(3400), Decimal(1),
    )  # fmt: skip
    assert item.listed_ns == 1672531200_000_000_000
    assert item.aliases == ("BTC-USDC",)
    assert item.trading


@pytest.mark.parametrize(
    "change", [{"status": "delisted"}, {"trading_disabled": True}, {"view_only": True}]
)
def test_product_that_cannot_be_traded_is_not_trading(change: dict[str, Any]) -> None:
    assert not parse(product(**change)).instruments[0].trading


def test_alias_has_no_market_of_its_own() -> None:
    listing = parse(product(product_id="BTC-USDC", alias="BTC-USD", alias_to=[]))
    assert not listing.instruments
    assert "BTC-USD" in listing.left_out["BTC-USDC"]


def test_futures_are_named_by_their_contract() -> None:
    details = {"contract_code": "BIT", "contract_size": "0.01", "contract_root_unit": "BTC",
               "contract_expiry": "2026-08-28T15:00:00Z",
               "contract_expiry_type": "EXPIRING"}  # fmt: skip
    future = product(product_id="BIT-28AUG26-CDE", product_type="FUTURE", base_increment="1",
                     base_currency_id="", alias_to=[], future_product_details=details)  # fmt: skip
    perpetual = future | {
        "product_id": "BTC-PERP-INTX",
        "future_product_details": {"contract_expiry_type": "PERPETUAL", "contract_size": "1"},
    }
    dated, endless = parse(future, perpetual).instruments
    assert (dated.id, dated.kind) == ("BIT-USD-20260828.coinbase", InstrumentKind.FUTURE)
    assert (dated.base, dated.contract_size, dated.expiry_ns) == (
        "BTC", Decimal("0.01"), 1787929200_000_000_000,
    )  # fmt: skip
    assert (endless.id, endless.kind) == ("BTC-USD-PERP.coinbase", InstrumentKind.PERPETUAL)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_increment": "0"}, "base_increment"),
        ({"price_increment": "NaN"}, "price_increment"),
        ({"base_min_size": "-1"}, "base_min_size"),
        ({"product_type": "FUTURE"}, "details"),
        ({"product_type": "MOON"}, "not one we know"),
        ({"new_at": "yesterday"}, "time"),
    ],
)
def test_odd_product_is_left_out_with_a_reason_and_the_others_stay(
    change: dict[str, Any], words: str
) -> None:
    listing = parse(product(**change), product(product_id="ETH-USD"))
    assert [item.venue_symbol for item in listing.instruments] == ["ETH-USD"]
    assert words in listing.left_out["BTC-USD"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"products":[{}]}', b'{"x":1}'])
def test_answer_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(DataError, match="products of coinbase"):
        parse_products(body, VENUE)


def test_single_product_is_read_too() -> None:
    (item,) = parse_products(json.dumps(product()).encode(), VENUE).instruments
    assert item.venue_symbol == "BTC-USD"


def test_recorded_listing_gives_unique_ids(recorded: Path) -> None:
    path = recorded / "coinbase_advanced/capture_btc_eth_20260809_first_half.jsonl.zst"
    body = next(frame.data for frame in TapeReader(path).frames() if frame.kind == "http")
    listing = parse_products(body, VENUE)
    assert len(listing.instruments) + len(listing.left_out) == 920
    assert len({item.id for item in listing.instruments}) == len(listing.instruments) == 520
    assert all("its market is" in reason for reason in listing.left_out.values())
