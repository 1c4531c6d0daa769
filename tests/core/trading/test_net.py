from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.instruments import Instrument, InstrumentKind
from core.trading.net import Net

D = Decimal
LINEAR = {"kind": InstrumentKind.PERPETUAL, "contract_size": D("0.01"), "settle": "USDT"}
INVERSE = {"kind": InstrumentKind.PERPETUAL, "contract_size": D(10), "inverse": True}
TRADES = st.lists(
    st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**6)), min_size=1, max_size=30
)


def made(btc: Instrument, **fields: object) -> Net:
    return Net(msgspec.structs.replace(btc, **fields))


def test_average_and_first_in_first_out_tell_different_profits(btc: Instrument) -> None:
    net = made(btc)
    net.trade(D(1), D(100))
    net.trade(D(1), D(200))
    assert net.trade(D(-1), D(180)) == 30
    assert (net.realised, net.realised_fifo) == (30, 80)
    assert (net.average(), net.oldest()) == (150, 200)


def test_a_linear_contract_counts_its_size(btc: Instrument) -> None:
    net = made(btc, **LINEAR)
    net.trade(D(100), D(60_000))
    assert net.average() == 60_000
    assert net.unrealised(D(61_000)) == 1000
    assert net.trade(D(-40), D(61_000)) == 400


def test_an_inverse_contract_pays_in_the_base(btc: Instrument) -> None:
    net = made(btc, **INVERSE)
    net.trade(D(-100), D(50_000))  # 1,000 USD short
    assert net.average() == 50_000
    assert net.unrealised(D(40_000)) == D("0.005")
    assert net.trade(D(100), D(40_000)) == D("0.005")
    assert net.size == net.cost == 0


def test_turning_round_opens_the_rest_at_the_new_price(btc: Instrument) -> None:
    net = made(btc)
    net.trade(D(2), D(100))
    net.trade(D(-5), D(110))
    assert (net.size, net.average(), net.realised) == (-3, 110, 20)


@pytest.mark.parametrize("fields", [{}, LINEAR, INVERSE], ids=["spot", "linear", "inverse"])
@given(trades=TRADES)
def test_cost_methods_agree_once_flat_and_with_cash(
    fields: dict[str, object], trades: list[tuple[int, int]]
) -> None:
    btc = Instrument(
        id="BTC-USDT.binance", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=D(1), size_lot=D(1),
    )  # fmt: skip
    net = made(btc, **fields)
    cash = D(0)
    way = -1 if fields.get("inverse") else 1
    for size, price in [*trades, (-sum(size for size, _ in trades), 777)]:
        if not size:
            continue
        net.trade(D(size), D(price))
        cash += (-1 if size > 0 else 1) * way * net.worth(abs(D(size)), D(price))
        if net.size:
            assert net.cost > 0
    assert net.size == 0
    assert net.cost == 0
    assert net.average() is None
    assert net.oldest() is None
    assert net.realised == net.realised_fifo
    # A division is rounded, so an inverse trade that turns round is worth its parts but for that.
    assert abs(net.realised - cash) <= (D("1e-18") * len(trades) if way < 0 else 0)


@given(trades=TRADES, size=st.integers(-9, 9), price=st.integers(1, 10**6))
def test_an_adopted_position_has_its_size_and_price_and_keeps_its_past(
    trades: list[tuple[int, int]], size: int, price: int
) -> None:
    btc = Instrument(
        id="BTC-USDT.binance", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=D(1), size_lot=D(1),
    )  # fmt: skip
    net = made(btc)
    for lots, at in trades:
        net.trade(D(lots), D(at))
    before = net.realised
    net.adopt(D(size), D(price))
    assert (net.size, net.realised) == (size, before)
    assert net.average() == (price if size else None)
