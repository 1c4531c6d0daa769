"""What an order costs at a venue: its own list, else its standard schedule, else the settings."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.settings import FeedSettings, PaperSettings

_BPS: Final = Decimal(10_000)
_Rates: TypeAlias = tuple[str, str]
"""Maker and taker in basis points."""

STANDARD: Final[Mapping[str, tuple[_Rates, _Rates]]] = MappingProxyType(
    {
        "alpaca": (("15", "25"), ("0", "0")),
        "binance": (("10", "10"), ("2", "5")),
        "binance_usdm": (("10", "10"), ("2", "5")),
        "bybit": (("10", "10"), ("2", "5.5")),
        "coinbase": (("60", "120"), ("0", "0")),
        "coinbase_exchange": (("40", "60"), ("0", "0")),
        "kraken": (("16", "26"), ("2", "5")),
        "kucoin": (("10", "10"), ("2", "6")),
        "okx": (("10", "15"), ("2", "5")),
    }
)
"""By kind of feed, of holdings and of contracts: the lowest tier, without a discount.

As ccxt 4.5.90 states them for its exchanges (`describe()["fees"]`); Bybit's, where that has one
pair for everything, as its fee page does. A venue that lists rates itself is not asked here.
"""

IN_RECEIVED: Final = frozenset({"alpaca", "binance", "bybit", "okx"})
"""Kinds of which a holding's buyer pays the fee in what was bought (ccxt: `feeSide` get)."""
_OPTION_CAP: Final = Decimal("0.125")
_FREE: Final = frozenset({"stock"})


class FeeRates(msgspec.Struct, frozen=True):
    """Rates as fractions of what is traded; a negative one is a rebate."""

    maker: Decimal
    taker: Decimal
    source: str
    """Who says so, in words."""
    in_received: bool = False
    """Whether the buyer of a holding pays in what was bought."""

    def words(self) -> str:
        """Return both in basis points with their source."""
        maker, taker = (f"{(rate * _BPS).normalize():f}" for rate in (self.maker, self.taker))
        return f"{maker}/{taker} bp ({self.source})"


def option_fee(
    instrument: Instrument, worth: Decimal, size: Decimal, rate: Decimal, index: Decimal | None
) -> Decimal:
    """Return an option's fee: of what it is an option on, but no more than a part of its premium.

    Deribit, "Fees": 0.03 % of the underlying, at most 12.5 % of the option's price. Without an
    index price the strike stands for it.
    """
    one = Decimal(1)
    if instrument.quote != instrument.base:
        one = index or instrument.strike
    return min(size * instrument.contract_size * one * rate, worth * _OPTION_CAP)


def kind_of(venue: VenueName, feeds: Mapping[str, FeedSettings]) -> str:
    """Return the kind of the feed an instrument's venue is named after."""
    table = feeds.get(venue)
    return (table.kind if table is not None else "") or venue


def fee_rates(
    instrument: Instrument, paper: PaperSettings, feeds: Mapping[str, FeedSettings]
) -> FeeRates:
    """Return what the venue of an instrument charges whom nobody gave a better rate."""
    kind = kind_of(instrument.venue, feeds)
    received = (
        paper.fee_asset == "venue"
        and kind.removeprefix("ccxt:") in IN_RECEIVED
        and not instrument.derivative
    )
    if paper.fees == "venue":
        if instrument.maker_fee is not None and instrument.taker_fee is not None:
            said = f"listed by {instrument.venue}"
            return FeeRates(instrument.maker_fee, instrument.taker_fee, said, received)
        if instrument.kind.value in _FREE:
            return FeeRates(Decimal(0), Decimal(0), "no commission", received)
        known = STANDARD.get(kind)
        if known is not None:
            maker, taker = known[instrument.derivative]
            said = f"{kind}'s standard rates"
            return FeeRates(Decimal(maker) / _BPS, Decimal(taker) / _BPS, said, received)
    return FeeRates(paper.maker_fee_bps / _BPS, paper.taker_fee_bps / _BPS, "[paper]", received)
