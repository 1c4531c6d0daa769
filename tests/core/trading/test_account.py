from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.accounts import EntryKind
from core.model.facts import CashMoved, PositionSet
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderFilled, PositionSide
from core.trading.account import Account
from core.trading.ledger import Ledger

D = Decimal


def fill(
    side: str, size: str | D, price: str | D, fee: str = "0", asset: str = "USDT", n: int = 1
) -> OrderFilled:
    return OrderFilled(
        client_order_id="o1",
        venue="binance",
        instrument_id="BTC-USDT.binance",
        venue_order_id="1",
        execution_id=str(n),
        side=Side(side),
        price=D(price),
        size=D(size),
        fee=D(fee),
        fee_asset=asset,
        maker=True,
        ts_event_ns=n,
        ts_ns=n,
    )


@pytest.fixture
def account(floor: Any, btc: Instrument, eth: Instrument) -> Account:
    return Account(Ledger(), {btc.id: btc, eth.id: eth}, floor.marks, "USDT")


def test_average_cost_and_realised_profit(account: Account, btc: Instrument) -> None:
    account.book_fill(fill("buy", "1", "90"), btc)
    account.book_fill(fill("buy", "1", "110"), btc)
    account.book_fill(fill("sell", "0.5", "120"), btc)
    position = account.position(btc.id)
    assert position.size == D("1.5")
    assert position.average_price == 100
    assert position.realised_pnl == 10
    assert position.mark_price == 100
    assert position.unrealised_pnl == 0


def test_a_sale_through_flat_realises_the_old_side_and_opens_the_other(
    account: Account, btc: Instrument
) -> None:
    account.book_fill(fill("buy", "1", "90"), btc)
    account.book_fill(fill("sell", "3", "105"), btc)
    position = account.position(btc.id)
    assert (position.size, position.average_price, position.realised_pnl) == (-2, 105, 15)
    assert position.unrealised_pnl == 10


def test_a_fee_in_base_shrinks_the_position_and_is_counted_once(
    account: Account, btc: Instrument
) -> None:
    account.book_fill(fill("buy", "1", "100", "0.001", "BTC"), btc)
    position = account.position(btc.id)
    assert position.size == D("0.999")
    assert position.fees == D("0.1")
    account.book_fill(fill("sell", "0.999", "100"), btc)
    assert account.total_pnl() == D("-0.1")


def test_a_fee_in_a_third_asset_is_valued_by_its_market(account: Account, btc: Instrument) -> None:
    account.book_fill(fill("buy", "1", "100", "0.2", "ETH"), btc)
    assert account.position(btc.id).fees == D("2.0")


@pytest.mark.parametrize(("fee", "asset"), [("0.001", "BTC"), ("0.1", "USDT"), ("0.01", "ETH")])
def test_a_fee_told_apart_counts_as_if_its_fill_had_told_it(
    account: Account, floor: Any, btc: Instrument, eth: Instrument, fee: str, asset: str
) -> None:
    whole = Account(Ledger(), {btc.id: btc, eth.id: eth}, floor.marks, "USDT")
    whole.book_fill(fill("buy", "1", "100", fee, asset), btc)
    apart = CashMoved(
        venue=VenueName("binance"), asset=asset, amount=-D(fee), kind=EntryKind.FEE, flow_id="f",
        instrument_id=btc.id, ts_event_ns=2, ts_ns=2,
    )  # fmt: skip
    account.book_cash(apart)
    assert account.positions() == (), "nothing was traded that it could belong to"
    account.book_fill(fill("buy", "1", "100"), btc)
    account.book_cash(apart)
    assert account.positions() == whole.positions()
    assert account.total_pnl() == whole.total_pnl() < 0


def test_a_flat_instrument_has_no_average_price(account: Account, btc: Instrument) -> None:
    assert account.position(btc.id).average_price is None
    account.book_fill(fill("buy", "1", "90"), btc)
    account.book_fill(fill("sell", "1", "95"), btc)
    assert account.position(btc.id).average_price is None


def test_without_any_market_the_last_own_fill_is_the_mark(
    floor: Any, account: Account, btc: Instrument
) -> None:
    floor.marks.tops.clear()
    account.book_fill(fill("buy", "1", "90"), btc)
    assert account.position(btc.id).mark_price == 90
    assert not account.marked()


trades = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.001", "50", places=3),
        st.decimals("1", "500", places=2),
        st.decimals("0", "1", places=4),
    ),
    max_size=25,
)


@given(moves=trades, shuffle=st.randoms(use_true_random=False))
def test_profit_is_cash_plus_worth_whatever_the_order_of_fills(
    new_floor: Any, btc: Instrument, moves: list[tuple[str, D, D, D]], shuffle: Any
) -> None:
    def total(order: list[tuple[str, D, D, D]]) -> tuple[D, D]:
        account = Account(Ledger(), {btc.id: btc}, new_floor().marks, "USDT")
        for side, size, price, fee in order:
            account.book_fill(fill(side, size, price, str(fee)), btc)
        return account.size(btc.id), account.total_pnl()

    size = sum((D(Side(m[0]).sign) * m[1] for m in moves), D(0))
    cash = sum((-D(Side(m[0]).sign) * m[1] * m[2] - m[3] for m in moves), D(0))
    expected = size, cash + size * 100
    for _ in range(3):
        found = total(moves)
        assert found[0] == expected[0]
        assert abs(found[1] - expected[1]) < D("1e-20")
        shuffle.shuffle(moves)


OPTION = ("BTC-USDT-20261127-100-C.other", InstrumentKind.OPTION, (600, 620))
INDEX = ("BTC-USDT-INDEX.other", InstrumentKind.INDEX, None)
PERP = ("BTC-USDT-PERP.other", InstrumentKind.PERPETUAL, (10100, 10300))


@pytest.mark.parametrize(
    ("others", "spot", "rate"),
    [
        ([OPTION, INDEX, PERP], True, "100"),
        ([OPTION, INDEX, PERP], False, "102"),
        ([OPTION, INDEX], False, None),
    ],
    ids=["spot", "perpetual while nobody follows the coin", "nothing: a premium is no price"],
)
def test_a_coin_is_worth_what_its_nearest_market_with_quotes_says(
    floor: Any, btc: Instrument, others: list[Any], spot: bool, rate: str | None
) -> None:
    instruments = {btc.id: btc}
    for name, kind, top in others:
        instruments[name] = msgspec.structs.replace(btc, id=name, kind=kind)
        if top is not None:
            floor.marks.tops[name] = top
    if not spot:
        floor.marks.tops.pop(btc.id, None)
    account = Account(Ledger(), instruments, floor.marks, "USDT")
    assert account.rate("BTC") == (None if rate is None else D(rate))


def test_it_is_known_since_when_a_position_is_held(account: Account, btc: Instrument) -> None:
    def since(*fills: OrderFilled) -> int:
        for each in fills:
            account.book_fill(each, btc)
        return account.since_ns(btc.id, PositionSide.NET, VenueName("binance"))

    assert since() == 0
    assert since(fill("buy", "1", "90", n=10)) == 10
    assert since(fill("buy", "1", "90", n=20), fill("sell", "1.5", "90", n=30)) == 10
    dust = fill("sell", "0.4995", "90", n=40)
    assert since(dust) == 10
    assert since(fill("buy", "1", "90", n=50)) == 50, "dust is no position"
    assert since(fill("sell", "2", "90", n=60)) == 60, "it turned"
    again = msgspec.structs.replace(fill("buy", "3", "90", n=70), ts_ns=80)
    assert since(again) == 70, "booked later than it traded"
    record = {"venue": VenueName("binance"), "instrument_id": btc.id, "reason": "found"}
    account.adopt(PositionSet(**record, size=D(0), average_price=D(90), ts_ns=90))
    account.adopt(PositionSet(**record, size=D(1), average_price=D(90), ts_ns=100))
    assert since() == 100
