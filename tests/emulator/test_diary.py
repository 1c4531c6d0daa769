"""A venue that comes back remembers orders, fills, balances, books and ids to the last one."""

import contextlib
import json

import msgspec
import pytest

from core.model.market import Side
from emulator.alpaca.trading import rest as alpaca
from emulator.app import Emulator
from emulator.binance import rest as spot
from emulator.binance.gate.params import Params
from emulator.binance.striking import carry_out as at_spot
from emulator.binancefut import signed as futures
from emulator.clock import MS, SECOND, VirtualClock
from emulator.deribit import private as deribit
from emulator.deribit.venue import RpcError
from emulator.diary import Born, Command, Diary, remembered
from emulator.faults import Fault
from emulator.okx import signed as okx
from emulator.okx import trading as okx_trading
from emulator.wire.rest import Refusal

START_NS = 1_767_225_600 * SECOND
SYMBOLS = {
    "binance": "SOLUSDT",
    "binancefut": "SOLUSDT",
    "okx": "SOL-USDT",
    "deribit": "BTC-PERPETUAL",
    "alpaca": "BTC/USD",
}


def opened(folder, name="binance", **more):
    return Emulator(
        **{
            "seed": 7,
            "api_key": "k" * 32,
            "api_secret": "s" * 32,
            "control_token": "t",
            "history_days": 2,
            "clock": VirtualClock(START_NS),
            "venues": (name,),
            "state_dir": folder,
            **more,
        }
    )


async def ask(emulator, name, what, **args):
    """Ask for something as a request does that was let in."""
    venue = emulator.venues[name]
    account = venue.house.account("paper", "k" * 32) if name == "alpaca" else venue.account
    with contextlib.suppress(Refusal, RpcError):
        match name, what:
            case "binance", _:
                call = {"place": "trading.place", "cancel": "trading.cancel"}[what]
                return await at_spot(venue, account, Params(args), what, spot.CALLS[call])
            case "binancefut", _:
                method = {"place": "POST", "cancel": "DELETE"}[what]
                row = next(r for r in futures.TABLE if r.name == f"{method} v1/order")
                return await futures.carry_out(venue, row, account, Params(args))
            case "okx", _:
                op = {"place": "order", "cancel": "cancel-order"}[what]
                act = okx.OPERATIONS[op][0]
                return await okx.struck(
                    venue, op, what, args,
                    lambda: okx_trading.carried_out(venue, account, act, args),
                )  # fmt: skip
            case "alpaca", _:
                call = {"place": "POST /v2/orders", "cancel": "DELETE /v2/orders"}[what]
                told = {"host": "paper", "path": {}, "params": {}, "body": json.dumps(args)}
                venue.note("order", {"call": call, "owner": account.owner, "args": told})
                alpaca.run_again(venue.house, account, call, told)
            case "deribit", _:
                method = {"place": "private/buy", "cancel": "private/cancel"}[what]
                return await deribit.carry_out(venue, method, args, "key", "")


def order_of(name, client_id, price):
    """Return a bid as the venue spells it."""
    match name:
        case "okx":
            return {
                "instId": "SOL-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit",
                "px": price, "sz": "2", "clOrdId": client_id,
            }  # fmt: skip
        case "alpaca":
            return {
                "symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc",
                "limit_price": price, "qty": "0.02", "client_order_id": client_id,
            }  # fmt: skip
        case "deribit":
            return {
                "instrument_name": "BTC-PERPETUAL", "amount": 100, "type": "limit",
                "price": float(price), "label": client_id,
            }  # fmt: skip
    return {
        "symbol": "SOLUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "2", "price": price, "newClientOrderId": client_id,
    }  # fmt: skip


def told(emulator, name):
    venue = emulator.venues[name]
    shard = venue.market.shards[SYMBOLS[name]]
    return (
        msgspec.to_builtins(venue.truth()),
        venue.oracle(shard, 1_000),
        shard.trade_id,
        list(shard.trades),
        venue.market.now_ns,
    )


async def live(emulator, name):
    """Trade a little in a market that goes on by itself."""
    venue = emulator.venues[name]
    shard = venue.market.shards[SYMBOLS[name]]
    for number in range(3):
        text = venue.scales[SYMBOLS[name]].short_price(shard.top()[0] + number % 2)
        await ask(emulator, name, "place", **order_of(name, f"mine{number}", text))  # fmt: skip
        emulator.clock.advance(130 * MS)
        venue.catch_up()
        venue.market.crowd_trade(SYMBOLS[name], Side.SELL, 3, None)
    await ask(emulator, name, "place", nonsense="1")
    emulator.clock.advance(3_600 * SECOND)
    venue.catch_up()
    if name in {"binance", "binancefut"}:
        await ask(emulator, name, "cancel", symbol="SOLUSDT", origClientOrderId="mine2")
    emulator.clock.advance(250 * MS)
    venue.catch_up()


@pytest.mark.parametrize("name", list(SYMBOLS))
async def test_venue_that_died_comes_back_with_all_it_had_told(tmp_path, name):
    first = opened(tmp_path, name)
    await first.start()
    await live(first, name)
    account = first.venues[name].truth()[0]
    assert len(account.orders) == 3
    assert account.fills
    before = told(first, name)

    again = opened(tmp_path, name, clock=VirtualClock(START_NS))
    await again.start()
    try:
        assert told(again, name) == before
        # It goes on where it was: the same things happen to both from here.
        for each in (first, again):
            each.clock.advance(before[-1] + 500 * MS - each.clock.now_ns())
            each.venues[name].catch_up()
            await ask(each, name, "place", **order_of(name, "next", "1"))  # fmt: skip
        assert told(again, name) == told(first, name)
    finally:
        await again.stop()
        await first.stop()


async def test_accounts_lasting_faults_and_what_faults_ended_are_remembered(tmp_path):
    first = opened(tmp_path, flow=False)
    await first.start()
    venue, control = first.venue, first._control
    venue.note("account", {"api_key": "x" * 32, "secret": "y", "funds": {"USDT": 500}})
    venue.add_account("x" * 32, "y", {"USDT": 500})
    await ask(first, "binance", "place", **order_of("binance", "one", "50.00"))
    told_end = {"owner": 1, "symbol": "SOLUSDT", "id": venue.account.newest.id}
    venue.note("expire", told_end)
    venue.expire_again(*told_end.values())
    halt = Fault(kind="halt", symbol="ETHUSDT")
    venue.note("strike", msgspec.to_builtins(halt))
    await control.strike_again(venue, msgspec.to_builtins(halt))
    await first.stop()

    again = opened(tmp_path, flow=False)
    await again.start()
    try:
        assert [each.owner for each in again.venue.truth()] == ["1", "2"]
        assert [row.state for row in again.venue.truth()[0].orders] == ["expired"]
        assert again.venue.market.shards["ETHUSDT"].halted
    finally:
        await again.stop()


def test_half_a_line_was_never_obeyed(tmp_path):
    born = Born(
        seed=7, started_ns=START_NS, history_days=2, events_per_second=80.0, venues=("okx",)
    )
    diary = Diary(tmp_path, born)
    command = Command(at=START_NS, venue="okx", what="refill", args={"symbol": "BTC-USDT"})
    diary.write(command)
    diary.moved(START_NS + 5)
    with (tmp_path / "commands.jsonl").open("ab") as file:
        file.write(b'{"at":17,"ven')
    again = Diary(tmp_path, born)
    assert list(again.commands()) == [command]
    again.write(command)
    assert list(again.commands()) == [command, command]
    assert again.now_ns() == START_NS + 5
    assert remembered(tmp_path) == born
    diary.close()
    again.close()


def test_folder_of_another_market_is_refused(tmp_path):
    opened(tmp_path)._diary.close()
    with pytest.raises(ValueError, match="remembers another market"):
        opened(tmp_path, seed=8)
