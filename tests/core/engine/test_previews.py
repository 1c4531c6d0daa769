from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.engine.handlers import execute
from core.model.commands import Request, parse_command
from core.model.errors import ConfigError, TemporaryError
from core.model.ids import VenueName
from core.model.inspection import OrderPreview
from core.model.instruments import Instrument, InstrumentKind
from core.model.tiers import flat

BTC = "BTC-USDT.binance"


@pytest.fixture
def traded(desk: Any, tape: Any) -> Any:
    run = desk()
    run.play(tape(seed=1, seconds=3.0))
    return run


def preview(run: Any, **args: Any) -> OrderPreview:
    command = parse_command("preview_order", {"instrument": BTC, "side": "buy", **args})
    found: OrderPreview = execute(run.kernel, Request(command=command, origin="cli"))
    return found


def test_a_notional_is_floored_to_whole_lots(traded: Any) -> None:
    found = preview(traded, amount="$1000", price="50000.00")
    assert found.size == Decimal("0.02")
    assert preview(traded, amount="$1000.49", price="50000.00").size == Decimal("0.02")
    assert found.cost == 1000
    assert found.fee == found.cost * found.fee_bps / 10_000


def test_a_part_of_the_equity_is_counted_from_what_the_desk_is_worth(traded: Any) -> None:
    equity = traded.kernel.desk.equity()
    found = preview(traded, amount="10%", price="50000.00")
    assert 0 <= equity / 10 - found.cost < Decimal("0.5")
    assert found.of_equity_pct == Decimal("10.00")


@pytest.mark.parametrize(("side", "stop"), [("buy", "49000.00"), ("sell", "51000.00")])
def test_a_risk_is_what_the_stop_would_lose(traded: Any, side: str, stop: str) -> None:
    found = preview(
        traded, side=side, amount="r1%", price="50000.00", stop_price=stop, target_price="50000.01"
    )
    equity = traded.kernel.desk.equity()
    assert found.risk is not None
    assert 0 <= equity / 100 - found.risk < Decimal("0.01")
    assert found.risk_pct == Decimal("1.00")


def test_a_trailing_stop_starts_its_distance_away(traded: Any) -> None:
    found = preview(traded, amount="0.1", price="50000.00", stop_trail_pct="2")
    assert (found.stop, found.risk) == (49000, 100)


def test_a_market_order_is_walked_through_the_book(traded: Any) -> None:
    small = preview(traded, amount="0.00001", type="market")
    large = preview(traded, amount="100000", type="market")
    top = traded.kernel.market.top(BTC)
    best = traded.kernel.listing.instrument(BTC).price(top[1])
    assert small.price == best
    assert small.price_from == "book"
    assert large.price >= best
    assert "does not hold as much" in large.notes[0]


def test_what_is_held_is_netted_with_what_would_be(traded: Any) -> None:
    command = parse_command(
        "submit_order",
        {
            "instrument": BTC, "side": "buy", "type": "market", "size": "0.01",
            "client_order_id": "in",
        },
    )  # fmt: skip
    execute(traded.kernel, Request(command=command, origin="cli"))
    traded.pump()
    held = traded.kernel.desk.position(BTC)
    found = preview(traded, side="sell", amount="0.01", price="90000.00")
    assert found.position == held.size - Decimal("0.01")
    assert found.realised > 0


def test_a_contract_says_what_must_stay_behind_it_and_where_it_would_be_closed(
    desk: Any, tape: Any, btc: Instrument
) -> None:
    perp = msgspec.structs.replace(btc, kind=InstrumentKind.PERPETUAL, settle="USDT")
    run = desk(instruments=(perp,))
    run.play(tape(seed=1, seconds=3.0))
    nothing = preview(run, amount="0.1", price="50000.00")
    assert (nothing.maintenance, nothing.liquidation_price) == (None, None)
    account = run.kernel.desk.books.account
    account.tiers.learn([flat(perp.id, Decimal("0.01"), "x's tiers")])
    money = account.money(VenueName("paper"), "USDT")
    found = preview(run, amount="30", price="50000.00")
    mark = account.mark(perp)
    assert found.maintenance == 30 * mark / 100
    assert found.maintenance_from == "1 % (x's tiers)"
    # money - fee + 30 * (p - 50000) = 0.01 * 30 * p
    closed = (1_500_000 - money + found.fee) / (30 * Decimal("0.99"))
    assert closed > 0
    assert abs(found.liquidation_price - closed) < Decimal("0.01")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"amount": "r1%", "price": "50000"}, "needs a stop"),
        ({"amount": "0.1", "price": "50000", "stop_price": "50001"}, "must be below"),
        ({"amount": "$0.01", "price": "50000"}, "less than the least size"),
        ({"amount": "0.000000001", "price": "50000"}, "whole number of size lot"),
        ({"amount": "lots", "price": "50000"}, "size must be"),
        ({"amount": "1"}, "needs a price"),
        ({"amount": "1", "type": "stop"}, "preview_order.trigger_price"),
    ],
)
def test_what_cannot_be_worked_out_is_an_error(
    traded: Any, args: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        preview(traded, **args)


def test_no_price_is_made_up_before_the_market_is_known(desk: Any) -> None:
    with pytest.raises(TemporaryError, match="no price"):
        preview(desk(), amount="1", type="market")
