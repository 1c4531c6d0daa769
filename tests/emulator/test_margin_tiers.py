"""The console's margin by size beside the emulated venues' own, which work it out another way."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.feeds.okx.tiers import read_tiers
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import PositionSide
from core.venues.binance_usdm.messages import BRACKETS
from core.venues.binance_usdm.tiers import bracket_tiers
from core.venues.margin import Margin, Terms
from core.venues.wallet import Wallet
from emulator.binancefut.accounts import brackets_of
from emulator.binancefut.instruments import LISTINGS as USDM
from emulator.binancefut.venue import TERMS as USDM_TERMS
from emulator.clock import SECOND
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import Economy, Product
from emulator.market.listings import E8
from emulator.market.market import Market
from emulator.okx.instruments import LISTINGS as OKX
from emulator.okx.instruments import family, position_tiers
from emulator.okx.venue import SWAP_TERMS

D = Decimal
NET = PositionSide.NET


class Twin:
    """One position at an emulated venue, and on paper with the tiers that venue tells."""

    def __init__(self, name: str, units: int, entry: int, money: int) -> None:
        listing = next(each for each in (*USDM, *OKX) if each.symbol == name)
        market = Market(7, 1_790_000_000 * SECOND, history_days=1, listings=(listing,))
        usdm = name == "BTCUSDT"
        self.price = float(entry)
        self.product = Product(
            market.shards[name],
            Economy.INVERSE if listing.inverse else Economy.LINEAR,
            listing.base if listing.inverse else listing.quote,
            USDM_TERMS if usdm else SWAP_TERMS,
            lambda: self.price,
        )
        asset = self.product.settle
        self.account = MarginAccount(1, {asset: money})
        self.position = self.account.position(self.product, Leg.NET)
        lots = units * E8 // listing.lot_e8
        self.position.apply(lots, self.product.debit_e8(entry * E8 // listing.tick_e8, lots))
        self.item = Instrument(
            id=InstrumentId("X.x"), venue=VenueName("x"), venue_symbol=name, base=listing.base,
            quote=listing.quote, kind=InstrumentKind.PERPETUAL, inverse=listing.inverse,
            settle=asset, contract_size=D(str(listing.contract)), size_lot=D(listing.lot_e8) / E8,
            price_tick=D(listing.tick_e8) / E8,
        )  # fmt: skip
        if usdm:
            row = {"symbol": name, "brackets": brackets_of(USDM_TERMS)}
            told = BRACKETS.decode(msgspec.json.encode([row]))
            tiers = bracket_tiers(told[0], self.item, VenueName("a"))
        else:
            answer = {"code": "0", "data": position_tiers(self.product)}
            (tiers,) = read_tiers(msgspec.json.encode(answer), [self.item], "x")
            assert family(listing) == "-".join(name.split("-")[:2])
        terms = Terms(D(20), tiers, D(0))
        wallet = Wallet(VenueName("x"), {asset: D(money)})
        self.paper = Margin(wallet, lambda _: terms, lambda _: None)
        self.paper.trade(self.item, NET, D(units), D(entry))
        self.asset = asset

    def at(self, price: int) -> tuple[Decimal, Decimal]:
        """Return the maintenance margin at a mark: the venue's, and on paper."""
        self.price = float(price)
        self.paper.marks[self.item.id] = D(price)
        return D(self.account.maintenance_e8(self.asset)) / E8, self.paper.maintenance(self.asset)


@pytest.mark.parametrize(
    ("name", "units", "money"),
    [
        ("BTCUSDT", 20, 200_000),
        ("BTCUSDT", -45, 300_000),
        ("BTC-USDT-SWAP", 4_000, 250_000),
        ("BTC-USDT-SWAP", -30_000, 2_000_000),
        ("BTC-USD-SWAP", 15_000, 5),
        ("BTC-USD-SWAP", -15_000, 10),
    ],
)
def test_margin_and_liquidation_are_the_venues_own(name: str, units: int, money: int) -> None:
    twin = Twin(name, units, 64_000, money)
    for price in (20_000, 50_000, 64_000, 90_000):
        there, here = twin.at(price)
        assert abs(there - here) < D("1e-6")
    twin.at(64_000)
    (held,) = twin.paper.open(twin.asset)
    there = D(twin.account.liquidation_e8(twin.position)) / E8
    here = twin.paper.liquidation_price(held)
    assert here is not None
    assert abs(there - here) <= held.instrument.price_tick
