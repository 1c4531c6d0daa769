"""Nonsense in signed requests is refused in the venues' words, and breaks nothing."""

import base64
import datetime as dt
import gc
import hashlib
import hmac
import json
import random
from urllib.parse import urlencode

import pytest
from yarl import URL

from emulator.binancefut.signed import TABLE as USDM
from emulator.deribit.private import METHODS as DERIBIT
from emulator.okx.signed import TABLE as OKX

VENUES = ("binancefut", "okx", "deribit")
KEY, SECRET = "k" * 32, "s" * 32
GOOD = {
    "binancefut": {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": "50000",
        "timeInForce": "GTC", "algoType": "CONDITIONAL", "triggerPrice": "50000", "leverage": "5",
        "orderId": "7", "origClientOrderId": "x", "countdownTime": "0", "limit": "5",
        "batchOrders": "[{}]", "orderIdList": "[7]", "marginType": "CROSSED", "startTime": "1",
        "dualSidePosition": "true", "clientAlgoId": "x", "fromId": "3", "callbackRate": "1",
    },
    "okx": {
        "instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1",
        "px": "50000", "clOrdId": "x", "ordId": "7", "newSz": "2", "algoId": "7", "limit": "5",
        "after": "9", "instType": "SWAP", "mgnMode": "cross", "lever": "5", "timeOut": "0",
        "posMode": "net_mode", "slTriggerPx": "40000", "attachAlgoOrds": [{}], "tag": "t",
        "callbackRatio": "0.01", "triggerPx": "50000", "begin": "1", "state": "live",
    },
    "deribit": {
        "instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 50_000, "type": "limit",
        "label": "x", "order_id": "7", "currency": "BTC", "trigger": "mark_price", "count": 5,
        "trigger_price": 50_000, "start_timestamp": 0, "end_timestamp": 9, "kind": "future",
        "time_in_force": "good_til_cancelled", "valid_until": 1 << 50, "trigger_offset": 5,
        "display_amount": 10, "post_only": True, "contracts": 1, "sorting": "asc",
    },
}  # fmt: skip
BAD = ["", "²", "-1", "1e9999", "NaN", "[]", "{", "x" * 300, "null", "0", "99999999999999999999",
       "\u0000", "0x1", "1.5", "Infinity", "[[[]]]"]  # fmt: skip
ROUNDS = 8


def requests(venue):
    if venue == "deribit":
        return [("GET", f"/api/v2/{method}") for method in DERIBIT]
    if venue == "okx":
        return [(row.method, f"/api/v5/{row.path}") for row in OKX]
    return [(row.method, f"/fapi/{row.path}") for row in USDM]


def written(house, venue, method, path, args):
    """Return query, body and headers of a signed request."""
    if venue == "binancefut":
        query = urlencode({**args, "timestamp": house.now_ms()})
        signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{query}&signature={signature}", None, {"X-MBX-APIKEY": KEY}
    if venue == "deribit":
        basic = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        return urlencode(args), None, {"Authorization": f"Basic {basic}"}
    query = urlencode(args) if method == "GET" else ""
    body = "" if method == "GET" else json.dumps(args)
    at = dt.datetime.fromtimestamp(house.now_ms() / 1_000, dt.UTC)
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = stamp + method + path + (f"?{query}" if query else "") + body
    digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    headers = {
        "OK-ACCESS-KEY": KEY,
        "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": "x",
    }
    return query, body or None, headers


@pytest.mark.parametrize("venue", GOOD)
async def test_nonsense_is_refused_and_breaks_nothing(remote, venue):
    house = remote.emulator.venues[venue]
    await remote.arm("weight_limit", venue=venue, value=10**7)
    rng = random.Random(11)
    names = list(GOOD[venue])
    for method, path in requests(venue) * ROUNDS:
        args = {name: GOOD[venue][name] for name in names if rng.random() < 0.6}
        for name in rng.sample(names, 2):
            args[name] = rng.choice(BAD)
        query, body, headers = written(house, venue, method, path, args)
        url = URL(f"{remote.url}/{venue}{path}" + (f"?{query}" if query else ""), encoded=True)
        async with remote.session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status < 500, (path, args, text)
            json.loads(text)
    assert not remote.emulator._driver.done()


def logged_in(house, venue):
    """Return what a socket of a venue is told first, and a way to write a request."""
    if venue == "okx":
        stamp = str(house.now_ms() // 1_000)
        text = f"{stamp}GET/users/self/verify"
        digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
        sign = base64.b64encode(digest).decode()
        arg = {"apiKey": KEY, "passphrase": "x", "timestamp": stamp, "sign": sign}
        return {"op": "login", "args": [arg]}
    if venue == "deribit":
        params = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
        return {"id": 0, "method": "public/auth", "params": params}
    return {"id": 0, "method": "ping"}


def said(rng, venue):
    """Return a request with something odd in it."""
    odd = [*BAD, [], {}, None, 7, [[]], [{}], [None], {"a": []}]
    args = {name: value for name, value in GOOD[venue].items() if rng.random() < 0.6}
    for name in rng.sample(list(GOOD[venue]), 2):
        args[name] = rng.choice(odd)
    if venue == "okx":
        ops = ("order", "cancel-order", "amend-order", "batch-orders", "subscribe", "unsubscribe")
        channel = {"channel": rng.choice(("orders", "account", "positions", 7, None)), **args}
        op = rng.choice(ops)
        args = channel if "subscribe" in op else args
        return {"id": rng.choice(("1", 1, None)), "op": op, "args": rng.choice(([args], [7], [[]]))}
    if venue == "deribit":
        method = rng.choice((*DERIBIT, "private/subscribe", "private/enable_cancel_on_disconnect"))
        channels = rng.choice((["user.orders.any.any.raw"], ["user."], [7], "x"))
        return {"id": 1, "method": method, "params": {**args, "channels": channels}}
    names = ("order.place", "order.cancel", "order.modify", "algoOrder.place", "account.balance")
    return {"id": 1, "method": rng.choice(names), "params": rng.choice((args, 7, [args]))}


@pytest.mark.parametrize("venue", GOOD)
async def test_nonsense_over_a_socket_that_is_logged_in_stumbles_nowhere(
    remote, talk, caplog, venue
):
    house = remote.emulator.venues[venue]
    await remote.arm("weight_limit", venue=venue, value=10**7)
    base = {"okx": "private", "deribit": "ws", "binancefut": "ws_api"}[venue]
    rng = random.Random(6)
    # USD-M closes a connection that says more than ten things in a second.
    for _ in range(12 if venue == "binancefut" else 3):
        socket = await talk(base)
        await socket.say(logged_in(house, venue))
        await socket.hear()
        for _ in range(6 if venue == "binancefut" else 60):
            await socket.say(said(rng, venue))
        await socket.say("ping" if venue == "okx" else logged_in(house, venue))
        await socket.until(lambda told: told == "pong" or "result" in told, most=500)
        await socket.ws.close()
    assert not remote.emulator._driver.done()
    gc.collect()
    assert not [row.message for row in caplog.records if row.levelname == "ERROR"]
