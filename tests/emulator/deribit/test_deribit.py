"""Deribit: change ids, heartbeats, credits, greeks and the same methods over socket and HTTP."""

import math

import pytest

VENUES = ("deribit",)
PERPETUAL = "BTC-PERPETUAL"


def ask(method, number=1, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def subscribed(talk, *channels):
    socket = await talk()
    await socket.say(ask("public/subscribe", channels=list(channels)))
    assert (await socket.until(lambda message: "id" in message))["result"] == list(channels)
    return socket


async def told(socket, channel):
    wanted = await socket.until(lambda m: m.get("params", {}).get("channel") == channel)
    return wanted["params"]["data"]


def apply(book, data):
    for side in ("bids", "asks"):
        for what, price, amount in data[side]:
            if what == "delete":
                assert price in book[side]
                del book[side][price]
            else:
                assert (what == "change") == (price in book[side])
                book[side][price] = amount


@pytest.fixture
async def options(remote):
    _, answer = await remote.get("/public/get_instruments", currency="BTC", kind="option")
    return answer["result"]


async def test_changes_chain_by_prev_change_id_to_the_true_book(remote, talk):
    channel = f"book.{PERPETUAL}.100ms"
    socket = await subscribed(talk, channel)
    data = await told(socket, channel)
    assert data["type"] == "snapshot"
    book = {side: {p: a for _, p, a in data[side]} for side in ("bids", "asks")}
    steps = []
    for _ in range(6):
        last, data = data["change_id"], await told(socket, channel)
        assert data["prev_change_id"] == last
        steps.append(data["change_id"] - last)
        apply(book, data)
    assert min(steps) > 1
    truth = await remote.truth(PERPETUAL)
    while data["change_id"] < truth["update_id"]:
        data = await told(socket, channel)
        apply(book, data)
    for side in ("bids", "asks"):
        true = {(float(price), float(size)) for price, size in truth[side]}
        assert set(book[side].items()) == true


async def test_raw_channels_need_a_login(remote, talk):
    channel = f"book.{PERPETUAL}.raw"
    socket = await talk()
    await socket.say(ask("public/subscribe", channels=[channel]))
    assert (await socket.hear())["error"]["code"] == 13778
    keys = {"client_id": "k" * 32, "client_secret": "wrong"}
    await socket.say(ask("public/auth", grant_type="client_credentials", **keys))
    assert (await socket.hear())["error"]["code"] == 13004
    keys["client_secret"] = "s" * 32
    await socket.say(ask("public/auth", grant_type="client_credentials", **keys))
    token = (await socket.hear())["result"]
    assert token["token_type"] == "bearer"
    await socket.say(ask("public/subscribe", channels=[channel]))
    assert (await socket.hear())["result"] == [channel]
    assert (await told(socket, channel))["type"] == "snapshot"


async def test_a_heartbeat_that_nobody_answers_ends_the_connection(remote, talk):
    remote.emulator.venues["deribit"].second_s = 0.02
    socket = await talk()
    await socket.say(ask("public/set_heartbeat", interval=5))
    assert (await socket.hear())["error"]["data"]["param"] == "interval"
    await socket.say(ask("public/set_heartbeat", interval=10))
    assert (await socket.hear())["result"] == "ok"
    for _ in range(3):
        message = await socket.hear()
        assert message["method"] == "heartbeat"
        assert message["params"]["type"] == "test_request"
        await socket.say(ask("public/test"))
        await socket.until(lambda m: "id" in m)
    assert await socket.end() == 1000


async def test_too_many_requests_end_the_session(talk):
    socket = await talk()
    for number in range(105):
        await socket.say(ask("public/get_time", number))
    codes = []
    for _ in range(105):
        message = await socket.hear()
        codes.append(message.get("error", {}).get("code"))
        if codes[-1]:
            break
    assert codes[-1] == 10028
    assert len(codes) > 100
    assert await socket.end() == 1008


async def test_an_options_greeks_and_parity(remote, options):
    calls = [row for row in options if row["option_type"] == "call"]
    call = calls[len(calls) // 4]
    put = call["instrument_name"][:-1] + "P"
    _, answer = await remote.get("/public/ticker", instrument_name=call["instrument_name"])
    ticker = answer["result"]
    _, answer = await remote.get("/public/ticker", instrument_name=put)
    other = answer["result"]
    assert 0 < ticker["greeks"]["delta"] < 1
    assert ticker["greeks"]["delta"] - other["greeks"]["delta"] == pytest.approx(1, abs=0.01)
    assert ticker["greeks"]["vega"] > 0 > ticker["greeks"]["theta"]
    forward = ticker["underlying_price"]
    parity = (forward - call["strike"]) / forward
    assert ticker["mark_price"] - other["mark_price"] == pytest.approx(parity, abs=2e-3)
    assert 10 < ticker["mark_iv"] < 200
    assert call["tick_size_steps"] == [{"above_price": 0.005, "tick_size": 0.0005}]


async def test_an_options_book_keeps_its_two_ticks(remote, options):
    seen = 0
    for row in options[::3]:
        name = row["instrument_name"]
        _, answer = await remote.get("/public/get_order_book", instrument_name=name, depth=20)
        for price, _ in answer["result"]["bids"] + answer["result"]["asks"]:
            if price >= 0.0055:
                seen += 1
                assert math.isclose(price / 0.0005, round(price / 0.0005), abs_tol=1e-6), name
    assert seen > 20


async def test_charts_are_columns_and_indices_have_a_past(remote):
    now = remote.emulator.venues["deribit"].now_ms()
    _, answer = await remote.get(
        "/public/get_tradingview_chart_data",
        instrument_name=PERPETUAL,
        resolution="60",
        start_timestamp=now - 48 * 3_600_000,
        end_timestamp=now,
    )
    chart = answer["result"]
    assert chart["status"] == "ok"
    assert len({len(chart[name]) for name in ("ticks", "open", "close", "volume", "cost")}) == 1
    assert chart["ticks"] == sorted(chart["ticks"])
    assert all(h >= low for h, low in zip(chart["high"], chart["low"], strict=True))
    _, answer = await remote.get(
        "/public/get_volatility_index_data",
        currency="BTC",
        resolution="3600",
        start_timestamp=now - 24 * 3_600_000,
        end_timestamp=now,
    )
    assert len(answer["result"]["data"]) == 24 or len(answer["result"]["data"]) == 25
    _, answer = await remote.get(
        "/public/get_funding_rate_history",
        instrument_name=PERPETUAL,
        start_timestamp=now - 10 * 3_600_000,
        end_timestamp=now,
    )
    assert len(answer["result"]) in (10, 11)


async def test_trades_tickers_and_indices_are_pushed(talk):
    names = [
        f"trades.{PERPETUAL}.100ms",
        f"ticker.{PERPETUAL}.100ms",
        f"quote.{PERPETUAL}",
        "deribit_price_index.btc_usd",
        "deribit_volatility_index.btc_usd",
        f"incremental_ticker.{PERPETUAL}",
    ]
    socket = await subscribed(talk, *names)
    seen = {}
    while set(seen) != set(names):
        params = (await socket.hear())["params"]
        seen.setdefault(params["channel"], params["data"])
    trade = seen[names[0]][0]
    assert trade["amount"] % 10 == 0
    assert trade["contracts"] == trade["amount"] / 10
    assert seen[names[1]]["mark_price"] > 0
    assert seen[names[5]]["type"] == "snapshot"


async def test_http_errors_are_told_as_json_rpc(remote):
    status, answer = await remote.get("/public/ticker")
    assert status == 400
    assert answer["error"] == {
        "code": -32602,
        "message": "Invalid params",
        "data": {"reason": "must be provided", "param": "instrument_name"},
    }
    status, answer = await remote.get("/public/ticker", instrument_name="NO-SUCH")
    assert answer["error"]["code"] == 13020
    _, answer = await remote.get(method="POST", json=ask("public/get_time", 77))
    assert answer["id"] == 77
    assert answer["usDiff"] > 0


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("gap", lambda last, data: data["prev_change_id"] > last),
        ("seq_reset", lambda last, data: data["change_id"] < data["prev_change_id"]),
        ("duplicate", lambda last, data: data["change_id"] == last),
    ],
)
async def test_faults_of_the_chain(remote, talk, kind, seen):
    channel = f"book.{PERPETUAL}.100ms"
    socket = await subscribed(talk, channel)
    last = (await told(socket, channel))["change_id"]
    await remote.arm(kind, symbol=PERPETUAL)
    for _ in range(30):
        data = await told(socket, channel)
        if seen(last, data):
            return
        last = data["change_id"]
    pytest.fail("it did not strike")


async def test_maintenance_is_announced(remote, talk):
    socket = await subscribed(talk, "platform_state")
    await remote.arm("server_shutdown")
    assert await told(socket, "platform_state") == {"maintenance": True}
    assert await socket.end() == 1001
