"""Recorded and documented private messages as referees: every field they have, ours have too."""

import json
import os
from pathlib import Path

import pytest

from core.model.market import Side
from emulator.binancefut.private_wire import algo_update, margin_call
from emulator.deribit import accounts, trading
from emulator.deribit.private_wire import portfolio
from emulator.market.derivatives.orders import (
    Branch,
    Conditional,
    ConditionalReport,
    Ticket,
    Wait,
    Warned,
)
from emulator.market.triggers import Trigger
from emulator.okx import algos
from emulator.okx.private_wire import algo

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("CLX_RECORDED_DATA", _DEFAULT))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
VENUES = ("binancefut", "okx", "deribit")
OLD = {
    # No longer sent, or of trailing stops before they moved to the algo service.
    "ORDER_TRADE_UPDATE": {"AP", "cr"},
}


def recorded(name, ctx):
    """Return a message of a file of fixtures by where it comes from."""
    for line in (DATA / name).read_text().splitlines():
        row = json.loads(line)
        if row["ctx"].endswith(ctx):
            message = row["msg"]
            if "data" in message or "stream" not in message:
                yield message


def sample(name, ctx, wanted=lambda message: True):
    """Return the first such message that is what is wanted."""
    return next(message for message in recorded(name, ctx) if wanted(message))


def kinds(message):
    """Return a message's fields by what they hold; None for what may hold anything."""
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "map"}
    return {key: names.get(type(value)) for key, value in message.items()}


def compare(ours, theirs, without=()):
    """Fail on a field that is theirs and not ours, or holds another kind of value."""
    mine, known = kinds(ours), kinds(theirs)
    missing = set(known) - set(mine) - set(without)
    assert not missing
    other = {
        key: (mine[key], kind)
        for key, kind in known.items()
        if key in mine and None not in (mine[key], kind) and mine[key] != kind
    }
    assert not other


@pytest.fixture
async def quiet(remote):
    await remote.control("POST", "flow", {"on": False})
    return remote.emulator.venues


def collect(outlet):
    """Gather what an account is told."""
    told = []
    outlet.sinks["test"] = told.append
    return told


async def test_usdm_events_have_the_documented_fields(quiet):
    venue = quiet["binancefut"]
    venue.users.open()
    told = collect(venue.users._outlet)
    product = venue.house.products["BTCUSDT"]
    venue.house.desk.place(
        venue.account, product, Ticket(side=Side.BUY, market=True, lots=10, client_id="x")
    )
    file = "binance_usdm/ws_frames_jkorf.jsonl"
    for kind, ctx in (("ORDER_TRADE_UPDATE", "OrderUpdate.txt"), ("TRADE_LITE", "TradeUpdate.txt")):
        theirs = sample(file, f"UsdFutures/{ctx}")["data"]
        ours = next(event for event in told if event["e"] == kind)
        compare(ours, theirs)
        if "o" in theirs:
            compare(ours["o"], theirs["o"], OLD.get(kind, ()))
    account = next(event for event in told if event["e"] == "ACCOUNT_UPDATE")
    assert set(account["a"]["P"][0]) == {"s", "pa", "ep", "bep", "cr", "up", "mt", "iw", "ps"}
    assert set(account["a"]["B"][0]) == {"a", "wb", "cw", "bc"}


async def test_usdm_algo_updates_and_margin_calls_have_the_documented_fields(quiet):
    venue = quiet["binancefut"]
    product = venue.house.products["BTCUSDT"]
    words = {
        "type": "STOP_MARKET", "tif": "GTC", "stp": "EXPIRE_MAKER", "match": "NONE",
        "working": "MARK_PRICE", "protect": False,
    }  # fmt: skip
    waits = Conditional(
        id=1, client_id="x", product=product, created_ms=1, updated_ms=1, words=words,
        branches=[Branch(trigger=Trigger(id=1, rises=False, price=10**12),
                         ticket=Ticket(side=Side.SELL, market=True, lots=1))],
    )  # fmt: skip
    report = ConditionalReport(conditional=waits, ts_ms=1, told=Wait.ARMED)
    ours = algo_update(report, venue.scales["BTCUSDT"], 1)
    theirs = sample("binance_usdm/ws_frames_jkorf.jsonl", "UsdFutures/AlgoOrderUpdate.txt")["data"]
    compare(ours, theirs)
    compare(ours["o"], theirs["o"])
    venue.house.desk.place(venue.account, product, Ticket(side=Side.BUY, market=True, lots=10))
    warned = Warned(ts_ms=1, settle="USDT", positions=tuple(venue.account.open_positions()))
    ours = margin_call(warned, venue.account, 1)
    theirs = sample("binance_usdm/ws_frames_jkorf.jsonl", "UsdFutures/MarginUpdate.txt")["data"]
    compare(ours, theirs)
    compare(ours["p"][0], theirs["p"][0])


async def test_okx_channels_have_the_recorded_fields(quiet):
    venue = quiet["okx"]
    told = []
    venue.users._subscribed[object()] = []
    venue.users._outlet.sinks["test"] = told.append
    product = venue.house.products["BTC-USDT-SWAP"]
    ticket = Ticket(side=Side.BUY, market=True, lots=10, words={"ordType": "market"})
    venue.house.desk.place(venue.account, product, ticket)
    venue.users._subscribed.clear()
    ours = {message["channel"]: message["data"] for message in told}
    frames = "okx/ws_frames_jkorf.jsonl"
    for channel, ctx in (("orders", "Trading/Order.txt"), ("fills", "Trading/UserTrade.txt")):
        theirs = sample(frames, ctx, lambda m: "data" in m)["data"][0]
        compare(ours[channel], theirs)
    theirs = sample(frames, "BalanceAndPosition.txt", lambda m: "data" in m)["data"][0]
    both = ours["balance_and_position"]
    compare(both, theirs)
    for part in ("balData", "posData", "trades"):
        compare(both[part][0], theirs[part][0])
    nautilus = "okx/messages_nautilus.jsonl"
    theirs = sample(nautilus, "ws_account.json")["data"][0]
    compare(ours["account"], theirs)
    compare(ours["account"]["details"][0], theirs["details"][0])
    compare(ours["positions"], sample(nautilus, "http_get_positions.json")["data"][0])
    for name in ("ws_orders_liquidation.json", "ws_orders_adl.json"):
        compare(ours["orders"], sample(nautilus, name)["data"][0])


async def test_okx_algo_orders_have_the_recorded_fields(quiet):
    venue = quiet["okx"]
    args = {
        "instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "sell", "ordType": "oco",
        "sz": "1", "slTriggerPx": "30000", "slOrdPx": "-1", "tpTriggerPx": "99000",
        "tpOrdPx": "-1",
    }  # fmt: skip
    algos.place(venue, venue.account, args)
    waits = next(iter(venue.account.armed.values()))
    ours = algo(waits, venue.scales["BTC-USDT-SWAP"], 10)
    theirs = sample("okx/ws_frames_jkorf.jsonl", "Trading/AlgoOrder.txt", lambda m: "data" in m)
    pushed = {"amendResult", "notionalUsd", "reqId"}
    compare(ours, theirs["data"][0], pushed)
    name = "http_get_orders_algo_pending_attached_oco.json"
    compare(ours, sample("okx/messages_nautilus.jsonl", name)["data"][0])


async def test_deribit_replies_have_the_recorded_fields(quiet):
    venue = quiet["deribit"]
    file = "deribit/messages_nautilus.jsonl"
    placed = trading.place(
        venue, venue.account, {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 30_000},
        Side.BUY, "",
    )  # fmt: skip
    theirs = sample(file, "ws_order_buy_response.json")["result"]
    compare(placed["order"], theirs["order"], {"user_id"})
    stop = trading.place(
        venue,
        venue.account,
        {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "stop_market",
         "trigger": "mark_price", "trigger_price": 30_000},
        Side.SELL,
        "",
    )  # fmt: skip
    theirs = sample(file, "ws_order_stop_market_no_filled_amount.json")["result"]
    compare(stop["order"], theirs["order"], {"user_id"})
    assert "filled_amount" not in stop["order"]
    theirs = sample(file, "ws_portfolio.json")["params"]["data"]
    compare(portfolio(venue.account, "BTC", venue.dollars("BTC")), theirs)
    ours = accounts.summaries(venue, venue.account, {})
    theirs = sample(file, "http_get_account_summaries.json")["result"]
    compare(ours, theirs, {"block_rfq_self_match_prevention"})
    maps = {"estimated_liquidation_ratio_map", "delta_total_map"}
    compare(ours["summaries"][0], theirs["summaries"][0], maps)
