from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import OrderState, PositionSide

CID = "clxt-0000000001-00000001"
D = Decimal
PERP = "BTC-USDT-PERP.binance_usdm"
PERP_ITEM = Instrument(
    id=InstrumentId(PERP), venue=VenueName("binance_usdm"), venue_symbol="BTCUSDT", base="BTC",
    quote="USDT", kind=InstrumentKind.PERPETUAL, price_tick=D("0.1"), size_lot=D("0.001"),
)  # fmt: skip


def order_row(number, cid, **more):
    return {
        "orderId": number, "symbol": "BTCUSDT", "status": "NEW", "clientOrderId": cid,
        "price": "50000.1", "origQty": "0.010", "executedQty": "0", "type": "LIMIT",
        "side": "BUY", "updateTime": 5, "reduceOnly": True,
    } | more  # fmt: skip


def trade(number, time_ms, order_id=7):
    return {
        "id": number, "orderId": order_id, "side": "SELL", "price": "50000", "qty": "0.010",
        "realizedPnl": "-1.5", "commission": "0.2", "commissionAsset": "USDT", "time": time_ms,
        "maker": True, "positionSide": "SHORT",
    }  # fmt: skip


def income(kind, number, time_ms, **more):
    return {
        "symbol": "BTCUSDT", "incomeType": kind, "income": "-0.5", "asset": "USDT",
        "time": time_ms, "tranId": number,
    } | more  # fmt: skip


async def test_open_orders_are_those_that_rest_and_those_that_wait(server, make, desk, run):
    waiting = {
        "algoId": 3, "clientAlgoId": "clxt-0000000001-00000002", "algoStatus": "NEW",
        "symbol": "BTCUSDT", "side": "SELL", "orderType": "STOP", "quantity": "0.010",
        "triggerPrice": "49000", "price": "48900", "reduceOnly": False, "closePosition": True,
    }  # fmt: skip
    server.answer("GET /v1/openOrders", (200, [order_row(7, "web_1")]))
    server.answer("GET /v1/openAlgoOrders", (200, [waiting]))
    venue = make()
    async with run(venue, desk):
        plain, stop = await venue.open_orders()
    assert (plain.client_order_id, plain.instrument_id, plain.reduce_only) == ("web_1", PERP, True)
    assert (stop.venue_order_id, stop.trigger_price, stop.price, stop.state, stop.reduce_only) == (
        "algo-3", D(49000), D(48900), OrderState.ACCEPTED, True,
    )  # fmt: skip


async def test_fills_are_paged_to_the_end_and_named_by_client_id(server, make, desk, run):
    venue = make()
    async with run(venue, desk):
        since_ms = venue._rest.timestamp_ms() - 8 * 86_400_000
        server.answer(
            "GET /v1/userTrades",
            (200, []),
            (200, [trade(7, since_ms + 700_000_000), trade(8, since_ms + 700_000_001, 9)]),
            (200, [trade(11, since_ms + 700_000_002)]),
            (200, []),
        )
        gone = (400, {"code": -2013, "msg": "Order does not exist."})
        server.answer("GET /v1/order", (200, order_row(7, CID)), gone)
        fills = await venue.fills(PERP, since_ms * 1_000_000)
    assert [(f.execution_id, f.client_order_id) for f in fills] == [
        ("7", CID),
        ("8", ""),
        ("11", CID),
    ]
    assert (fills[0].realised, fills[0].position_side) == (D("-1.5"), PositionSide.SHORT)
    pages = server.asked("GET /v1/userTrades")
    assert int(pages[0]["endTime"]) - int(pages[0]["startTime"]) < 7 * 86_400_000
    assert [page.get("fromId") for page in pages] == [None, None, "9", "12"]


async def test_positions_are_signed_and_carry_leverage_and_liquidation(server, make, desk, run):
    short = {
        "symbol": "BTCUSDT", "positionSide": "SHORT", "positionAmt": "-0.010",
        "entryPrice": "50000", "liquidationPrice": "61000", "initialMargin": "25",
        "updateTime": 5,
    }  # fmt: skip
    flat = short | {"positionSide": "LONG", "positionAmt": "0.000", "liquidationPrice": "0"}
    server.answer("GET /v3/positionRisk", (200, [short, flat]))
    server.answer("GET /v1/symbolConfig", (200, [{"symbol": "BTCUSDT", "leverage": 20}]))
    venue = make()
    async with run(venue, desk):
        (position,) = await venue.positions()
    assert (position.size, position.side, position.leverage, position.liquidation_price) == (
        D("-0.01"), PositionSide.SHORT, D(20), D(61000),
    )  # fmt: skip


async def test_a_comparison_learns_how_the_account_holds_positions_by_now(server, make, desk, run):
    venue = make()
    server.answer("GET /v3/positionRisk", (200, []), (200, []))
    async with run(venue, desk):
        assert venue.abilities(None).hedging is False
        server.hedging = True
        await venue.positions()
        assert venue.abilities(None).hedging is True
        server.hedging = False
        await venue.positions()
        assert venue.abilities(None).hedging is False
        long = {
            "symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "0.010",
            "entryPrice": "50000", "liquidationPrice": "0", "initialMargin": "25", "updateTime": 5,
        }  # fmt: skip
        server.answer("GET /v3/positionRisk", (200, [long]))
        server.answer("GET /v1/symbolConfig", (200, [{"symbol": "BTCUSDT", "leverage": 20}]))
        await venue.positions()
        assert venue.abilities(None).hedging is True, "the positions themselves say it"


def bracket(number: int, floor: int, cap: int, rate: float, cum: float) -> dict[str, object]:
    return {
        "bracket": number, "initialLeverage": 50, "notionalFloor": floor, "notionalCap": cap,
        "maintMarginRatio": rate, "cum": cum,
    }  # fmt: skip


async def test_brackets_become_tiers_and_a_gap_is_refused(server, make, desk, run):
    rows = [bracket(2, 10_000, 50_000, 0.01, 35.0), bracket(1, 0, 10_000, 0.0065, 0.0)]
    answer = [{"symbol": "BTCUSDT", "notionalCoef": 1.5, "brackets": rows}]
    broken = [{"symbol": "BTCUSDT", "brackets": [rows[1], bracket(2, 20_000, 50_000, 0.01, 35.0)]}]
    server.answer("GET /v1/leverageBracket", (200, answer), (200, broken), (200, {"oops": 1}))
    venue = make()
    async with run(venue, desk):
        (table,) = await venue.tiers([PERP_ITEM])
        with pytest.raises(DataError, match="bracket 2: must begin at 10000, was 20000"):
            await venue.tiers([PERP_ITEM])
        with pytest.raises(TemporaryError):
            await venue.tiers([PERP_ITEM])
    assert [(tier.up_to, tier.rate, tier.deduction) for tier in table.tiers] == [
        (D(10_000), D("0.0065"), D(0)), (D(50_000), D("0.01"), D(35)),
    ]  # fmt: skip
    assert server.asked("GET /v1/leverageBracket")[0]["symbol"] == "BTCUSDT"


async def test_balances_leave_out_what_positions_are_worth(server, make, desk, run):
    rows = [
        {"asset": "USDT", "balance": "100", "availableBalance": "70", "crossUnPnl": "9"},
        {"asset": "BNB", "balance": "0", "availableBalance": "0"},
    ]
    server.answer("GET /v3/balance", (200, rows))
    venue = make()
    async with run(venue, desk):
        (balance,) = await venue.balances()
    assert (balance.asset, balance.total, balance.held) == ("USDT", D(100), D(30))


async def test_the_income_is_paged_and_what_fills_tell_is_left_out(server, make, desk, run):
    first = [income("COMMISSION", number, number) for number in range(999)]
    first.append(income("TRANSFER", 5, 1000, symbol=""))
    second = [income("SOMETHING_NEW", 6, 1002), income("FUNDING_FEE", 5, 1001)]
    server.answer("GET /v1/income", (200, first), (200, second))
    venue = make()
    async with run(venue, desk):
        flows = await venue.cash_flows(7_000_000)
    assert [(f.kind, f.flow_id, f.instrument_id) for f in flows] == [
        ("transfer", "TRANSFER-5", None),
        ("funding", "FUNDING_FEE-5", PERP),
        ("adjustment", "SOMETHING_NEW-6", PERP),
    ]
    asked = [(page["startTime"], page["page"]) for page in server.asked("GET /v1/income")]
    assert asked == [("7", "1"), ("7", "2")]


@pytest.mark.parametrize(
    "answer",
    [
        (500, "oops"),
        (200, "{}"),
        (400, {"code": -1022, "msg": "Signature for this request is not valid."}),
        (400, {"code": -1021, "msg": "Timestamp for this request is outside"}),
        (418, {"code": -1003, "msg": "Way too many requests"}, {"Retry-After": "1"}),
    ],
)
async def test_a_question_without_a_usable_answer_is_temporary(server, make, desk, run, answer):
    server.answer("GET /v3/balance", answer)
    venue = make()
    async with run(venue, desk):
        with pytest.raises(TemporaryError):
            await venue.balances()
