from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.model.fees import fee_rates, option_fee
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.settings import FeedSettings, PaperSettings

BTC = Instrument(
    id=InstrumentId("BTC-USDT.binance"), venue=VenueName("binance"), venue_symbol="BTCUSDT",
    base="BTC", quote="USDT", price_tick=Decimal(1), size_lot=Decimal(1),
)  # fmt: skip
PAPER = PaperSettings(maker_fee_bps=Decimal(33), taker_fee_bps=Decimal(44))


def at(venue: str, **changes: object) -> Instrument:
    return msgspec.structs.replace(BTC, venue=VenueName(venue), **changes)


@pytest.mark.parametrize(
    ("item", "maker", "taker", "source", "received"),
    [
        (at("binance"), "10", "10", "binance's standard rates", True),
        (at("kraken"), "16", "26", "kraken's standard rates", False),
        (at("binance_usdm", kind=InstrumentKind.PERPETUAL), "2", "5",
         "binance_usdm's standard rates", False),
        (at("deribit", kind=InstrumentKind.FUTURE, maker_fee=Decimal("-0.0001"),
            taker_fee=Decimal("0.0005")), "-1", "5", "listed by deribit", False),
        (at("deribit"), "33", "44", "[paper]", False),
        (at("mine"), "10", "15", "okx's standard rates", True),
        (at("alpaca", kind=InstrumentKind.STOCK), "0", "0", "no commission", True),
    ],
    ids=["spot", "quote", "contract", "listed", "unknown", "named", "stock"],
)  # fmt: skip
def test_rates_are_the_venues_own_where_anything_says_them(
    item: Instrument, maker: str, taker: str, source: str, received: bool
) -> None:
    feeds = {"mine": FeedSettings(kind="okx")}
    found = fee_rates(item, PAPER, feeds)
    assert (found.maker * 10_000, found.taker * 10_000) == (Decimal(maker), Decimal(taker))
    assert (found.source, found.in_received) == (source, received)
    assert source in found.words()


def test_flat_fees_are_those_of_the_settings_in_the_quote_if_wanted() -> None:
    flat = PAPER.model_copy(update={"fees": "flat", "fee_asset": "quote"})
    found = fee_rates(at("binance"), flat, {})
    assert (found.maker, found.taker, found.in_received) == (
        Decimal("0.0033"),
        Decimal("0.0044"),
        False,
    )


def test_option_costs_a_part_of_what_it_is_on_but_never_much_of_its_premium() -> None:
    # Deribit: 0.03 % of the underlying, at most 12.5 % of the option's price.
    coin = at("deribit", kind=InstrumentKind.OPTION, quote="BTC", strike=Decimal(50_000))
    rate = Decimal("0.0003")
    assert option_fee(coin, Decimal("0.05"), Decimal(2), rate, None) == Decimal("0.0006")
    assert option_fee(coin, Decimal("0.0002"), Decimal(2), rate, None) == Decimal("0.000025")
    linear = at("deribit", kind=InstrumentKind.OPTION, quote="USDC", strike=Decimal(50_000))
    assert option_fee(linear, Decimal(900), Decimal(1), rate, Decimal(60_000)) == 18
    assert option_fee(linear, Decimal(900), Decimal(1), rate, None) == 15
