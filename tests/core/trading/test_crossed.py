"""The price an account would be closed at beside what paper trading itself goes by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.facts import BalanceSet
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderFilled, PositionSide
from core.model.tiers import MarginTiers, Tier
from core.trading.account import Account
from core.trading.crossed import kept_behind
from core.trading.ledger import Ledger
from core.trading.net import Net
from core.venues.margin import Margin, Terms
from core.venues.wallet import Wallet

D = Decimal
X = VenueName("x")
NET = PositionSide.NET


@pytest.fixture
def items(btc: Instrument, eth: Instrument) -> list[Instrument]:
    return [
        msgspec.structs.replace(item, kind=InstrumentKind.PERPETUAL, settle="USDT", venue=X)
        for item in (btc, eth)
    ]


def table(item: Instrument) -> MarginTiers:
    tiers = (
        Tier(up_to=D(500), rate=D("0.01"), max_leverage=D(20)),
        Tier(up_to=D(9_000), rate=D("0.03"), deduction=D(10), max_leverage=D(10)),
    )
    return MarginTiers(instrument_id=item.id, measure="worth", tiers=tiers, said="x")


def fill(item: Instrument, side: Side, size: str, price: str) -> OrderFilled:
    return OrderFilled(
        client_order_id="o", venue=X, instrument_id=item.id, venue_order_id="1", execution_id=side,
        side=side, price=D(price), size=D(size), fee=D(0), fee_asset="USDT", maker=True,
        ts_event_ns=1, ts_ns=1,
    )  # fmt: skip


def test_two_positions_behind_one_another_are_what_paper_works_out(
    floor: Any, items: list[Instrument]
) -> None:
    ledger = Ledger()
    account = Account(ledger, {item.id: item for item in items}, floor.marks, "USDT")
    ledger.book_balance(
        BalanceSet(venue=X, asset="USDT", total=D(200), reason="opening", ts_ns=1)
    )  # fmt: skip
    paper = Margin(
        Wallet(X, {"USDT": D(200)}),
        lambda item: Terms(D(10), table(item), D(0)),
        lambda name: {items[0].id: D(100), items[1].id: D(10)}[name],
    )
    for item, side, size, price in (
        (items[0], Side.BUY, "8", "101"), (items[1], Side.SELL, "30", "11"),
    ):  # fmt: skip
        account.book_fill(fill(item, side, size, price), item)
        paper.trade(item, NET, D(size) * side.sign, D(price))
    for held in paper.open():
        net = account.net(held.instrument.id, NET, X)
        assert net is not None
        found = kept_behind(account, X, held.instrument, NET, net, table)
        assert found is not None
        assert found.price == paper.liquidation_price(held)
        assert found.price is not None
    # An order that takes the short away, and costs 4: nothing to be closed, nothing kept.
    gone = kept_behind(account, X, items[1], NET, Net(items[1]), table, D(4))
    assert gone == (0, None)
    # Where the margin of anything beside it is not known, nothing is made up.
    net = account.net(items[0].id, NET, X)
    assert net is not None
    known = items[0].id
    half = kept_behind(
        account, X, items[0], NET, net, lambda item: table(item) if item.id == known else None
    )
    assert half is None


def test_a_price_the_venue_has_not_stated_is_worked_out_and_one_it_did_is_kept(
    floor: Any, items: list[Instrument]
) -> None:
    from core.model.accounts import VenuePosition

    item = items[0]
    account = Account(Ledger(), {item.id: item}, floor.marks, "USDT")
    account.book_fill(fill(item, Side.BUY, "8", "101"), item)
    assert account.liquidation_price(item.id, NET, X) is None
    account.estimate = lambda key, net: net.size
    assert account.liquidation_price(item.id, NET, X) == 8
    account.state([VenuePosition(venue=X, instrument_id=item.id, size=D(8))])
    assert account.liquidation_price(item.id, NET, X) is None
