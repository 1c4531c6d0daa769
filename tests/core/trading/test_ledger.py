import random
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.model.accounts import EntryKind
from core.model.errors import InvariantError
from core.model.facts import BalanceSet
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import OrderFilled
from core.trading.ledger import EXACT, Ledger


def fill(
    side: Side, size: Decimal, price: Decimal, fee: Decimal, asset: str, n: int
) -> OrderFilled:
    return OrderFilled(
        client_order_id=f"o{n}",
        venue="binance",
        instrument_id="BTC-USDT.binance",
        venue_order_id=str(n),
        execution_id=str(n),
        side=side,
        price=price,
        size=size,
        fee=fee,
        fee_asset=asset,
        maker=True,
        ts_event_ns=n,
        ts_ns=n,
    )


def balance(total: str, asset: str = "USDT", reason: str = "opening") -> BalanceSet:
    return BalanceSet(venue="binance", asset=asset, total=Decimal(total), reason=reason, ts_ns=1)


def test_a_buy_moves_base_quote_and_fee(btc: Instrument) -> None:
    ledger = Ledger()
    ledger.book_balance(balance("1000"))
    ledger.book_fill(fill(Side.BUY, Decimal(2), Decimal(100), Decimal("0.3"), "BNB", 1), btc)
    assert ledger.total("binance", "BTC") == 2
    assert ledger.total("binance", "USDT") == 800
    assert ledger.total("binance", "BNB") == Decimal("-0.3")
    assert ("fees:binance", "BNB", Decimal("0.3")) in list(ledger.accounts())
    ledger.check()


def test_an_adopted_difference_is_an_adjustment_with_its_reason() -> None:
    ledger = Ledger()
    ledger.book_balance(balance("1000"))
    assert ledger.book_balance(balance("990", reason="venue says 990, ledger had 1000")) == -10
    kinds = [(entry.kind, entry.account, entry.amount) for entry in ledger.entries(2)]
    assert kinds == [
        (EntryKind.ADJUSTMENT, "venue:binance", Decimal(-10)),
        (EntryKind.ADJUSTMENT, "equity:adjustment", Decimal(10)),
    ]
    assert ledger.entries(1)[0].ref == "venue says 990, ledger had 1000"


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_what_is_no_number_is_refused_whole(amount: str, btc: Instrument) -> None:
    ledger = Ledger()
    with pytest.raises(InvariantError, match=f"moves -?{amount} USDT"):
        ledger.book_fill(fill(Side.BUY, Decimal(1), Decimal(amount), Decimal(0), "", 1), btc)
    assert ledger.transactions == 0
    assert list(ledger.accounts()) == []


def test_the_lines_kept_are_the_newest_transactions_whole(btc: Instrument) -> None:
    ledger = Ledger(max_entries=11)
    for number in range(1, 5):
        ledger.book_fill(fill(Side.BUY, Decimal(1), Decimal(2), Decimal(0), "", number), btc)
    kept = ledger.entries(100)
    assert [line.transaction for line in kept] == [3] * 4 + [4] * 4
    assert [(line.transaction, line.account, line.amount) for line in kept[4:]] == [
        (4, "venue:binance", Decimal(1)),
        (4, "trading:BTC-USDT.binance", Decimal(-1)),
        (4, "venue:binance", Decimal(-2)),
        (4, "trading:BTC-USDT.binance", Decimal(2)),
    ]
    assert ledger.entries(7) == ledger.entries(4) == kept[4:], "no half of one"
    assert ledger.entries(2) == kept[4:], "but the newest in any case"
    assert ledger.entries(0) == ()


def test_amounts_of_more_digits_than_the_common_context_keep_every_one(btc: Instrument) -> None:
    ledger = Ledger()
    much = Decimal("1000000.00000001")
    ledger.book_fill(fill(Side.BUY, much, much, Decimal(0), "BTC", 1), btc)
    ledger.book_balance(balance("0.00000001"))
    ledger.check()


amounts = st.decimals("0.00000001", "1000000", places=8)
fills = st.builds(
    fill,
    st.sampled_from(Side),
    amounts,
    st.decimals("0.00000001", "10000000", places=8),
    st.decimals("-1", "100", places=8),
    st.sampled_from(["BTC", "USDT", "BNB"]),
    st.integers(1, 10**9),
)


@example(
    moves=[
        fill(Side.BUY, Decimal("1E-8"), Decimal("1E-8"), Decimal(0), "BTC", 1),
        fill(
            Side.BUY, Decimal("1000000.00000000"), Decimal("1000000.00000000"), Decimal(0), "BTC", 1
        ),
        balance("1E-8"),
    ],
    order=random.Random(1),
)
@given(
    moves=st.lists(st.one_of(fills, amounts.map(lambda x: balance(str(x)))), max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_the_ledger_sums_to_zero_and_does_not_care_about_the_order_of_fills(
    btc: Instrument, moves: list[Any], order: Any
) -> None:
    ledger, other = Ledger(), Ledger()
    for move in moves:
        ledger.book_fill(move, btc) if isinstance(move, OrderFilled) else ledger.book_balance(move)
    ledger.check()
    for _, legs in groupby(ledger.entries(10_000), key=lambda entry: entry.transaction):
        sums: dict[str, Decimal] = {}
        for leg in legs:
            sums[leg.asset] = EXACT.add(sums.get(leg.asset, Decimal(0)), leg.amount)
        assert not any(sums.values())
    only_fills = [move for move in moves if isinstance(move, OrderFilled)]
    first = Ledger()
    for move in only_fills:
        first.book_fill(move, btc)
    order.shuffle(only_fills)
    for move in only_fills:
        other.book_fill(move, btc)
    assert list(first.accounts()) == list(other.accounts())
