"""OKX orders over REST and the socket: signatures, codes, algo orders, channels, faults."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from decimal import Decimal

import aiohttp
import pytest
from yarl import URL

VENUES = ("okx",)
KEY, SECRET = "k" * 32, "s" * 32
SWAP, SPOT = "BTC-USDT-SWAP", "BTC-USDT"


def sign(secret, text):
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Trader:
    """Signs requests, so that the tests decide every byte that is sent."""

    def __init__(self, remote):
        self.remote = remote
        self.venue = remote.emulator.venues["okx"]

    async def ask(self, method, path, args=None, *, key=KEY, secret=SECRET, late_ms=0, **params):
        at = (self.venue.now_ms() - late_ms) / 1_000
        stamp = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")
        stamp = stamp.replace("+00:00", "Z")
        query = "&".join(f"{name}={value}" for name, value in params.items())
        full = f"/api/v5/{path}" + (f"?{query}" if query else "")
        body = "" if method == "GET" else json.dumps(args if args is not None else {})
        headers = {
            "OK-ACCESS-KEY": key,
            "OK-ACCESS-SIGN": sign(secret, stamp + method + full + body),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": "x",
            "Content-Type": "application/json",
        }
        url = URL(f"{self.remote.url}/okx{full}", encoded=True)
        async with self.remote.session.request(
            method, url, data=body or None, headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path, **params):
        _, answer = await self.ask("GET", path, **params)
        return answer["data"] if answer["code"] == "0" else answer

    async def order(self, side="buy", inst=SWAP, path="trade/order", **args):
        given = {"instId": inst, "side": side, "sz": "1", **args}
        given.setdefault("tdMode", "cross" if inst.endswith("SWAP") else "cash")
        given.setdefault("ordType", "limit" if "px" in given else "market")
        _, answer = await self.ask("POST", path, given)
        return answer["data"][0]

    def best(self, inst=SWAP):
        bid, _, ask, _ = self.venue.market.shards[inst].top()
        return Decimal(bid) / 10, Decimal(ask) / 10

    async def crowd(self, side, qty, price=None, inst=SWAP):
        body = {"symbol": inst, "side": side, "qty": str(qty)}
        if price is not None:
            body["price"] = str(price)
        assert (await self.remote.control("POST", "trade", body))[0] == 200

    async def truth(self):
        return (await self.remote.control("GET", "oracle"))[1]["accounts"][0]


@pytest.fixture
async def trader(remote):
    await remote.control("POST", "flow", {"on": False})
    remote.emulator.venues["okx"].connects_a_second = 100
    return Trader(remote)


@pytest.fixture
def private(trader, talk):
    """Open a private connection that is logged in and listens to channels."""

    async def open_(*channels, path="private"):
        socket = await talk(path)
        stamp = str(trader.venue.now_ms() // 1_000)
        arg = {
            "apiKey": KEY,
            "passphrase": "x",
            "timestamp": stamp,
            "sign": sign(SECRET, stamp + "GET/users/self/verify"),
        }
        await socket.say({"op": "login", "args": [arg]})
        assert (await socket.hear())["event"] == "login"
        for channel in channels:
            arg = {"channel": channel}
            if channel not in ("account", "balance_and_position", "fills"):
                arg["instType"] = "ANY"
            await socket.say({"op": "subscribe", "args": [arg]})
            await socket.until(lambda told: told.get("event") == "subscribe")

        async def hear(channel, wanted=lambda row: True):
            told = await socket.until(
                lambda m: m.get("arg", {}).get("channel") == channel and wanted(m["data"][0])
            )
            return told["data"][0]

        hear.socket = socket
        return hear

    return open_


async def test_headers_signatures_and_times_are_checked(trader):
    for change, code in (
        ({"key": "z"}, "50111"),
        ({"secret": "wrong"}, "50113"),
        ({"late_ms": 40_000}, "50102"),
    ):
        status, answer = await trader.ask("GET", "account/balance", **change)
        assert (status, answer["code"]) == (401, code)


async def test_limit_order_is_placed_amended_and_cancelled(trader):
    bid, _ = trader.best()
    placed = await trader.order(px=str(bid - 10), sz="3", clOrdId="mine1")
    assert (placed["sCode"], placed["clOrdId"]) == ("0", "mine1")
    row = (await trader.get("trade/order", instId=SWAP, clOrdId="mine1"))[0]
    assert (row["state"], row["sz"], row["ordId"]) == ("live", "3", placed["ordId"])
    given = {"instId": SWAP, "ordId": placed["ordId"], "newSz": "2", "reqId": "r1"}
    _, answer = await trader.ask("POST", "trade/amend-order", given)
    assert (answer["code"], answer["data"][0]["reqId"]) == ("0", "r1")
    assert [r["sz"] for r in await trader.get("trade/orders-pending")] == ["2"]
    _, answer = await trader.ask("POST", "trade/cancel-order", {"instId": SWAP, "clOrdId": "mine1"})
    assert answer["data"][0]["sCode"] == "0"
    _, answer = await trader.ask("POST", "trade/cancel-order", {"instId": SWAP, "clOrdId": "mine1"})
    assert (answer["code"], answer["data"][0]["sCode"]) == ("1", "51400")
    history = await trader.get("trade/orders-history", instType="SWAP")
    assert (history[0]["state"], history[0]["cancelSource"]) == ("canceled", "1")
    missing = await trader.get("trade/order", instId=SWAP, clOrdId="never")
    assert missing["code"] == "51603"


async def test_smaller_size_keeps_the_place_in_the_queue(trader):
    bid, _ = trader.best()
    placed = await trader.order(px=str(bid), sz="5")
    order = trader.venue.account.orders[int(placed["ordId"])]
    engine, first = order.product.shard.engine, order.engine_id
    for change, kept in (({"newSz": "2"}, True), ({"newPx": str(bid - 1)}, False)):
        ahead = engine.queue_ahead(order.engine_id)
        await trader.ask(
            "POST", "trade/amend-order", {"instId": SWAP, "ordId": placed["ordId"], **change}
        )
        assert (order.engine_id == first and engine.queue_ahead(first) == ahead) is kept


ANSWERED = (
    ({"px": "1000"}, "0"),
    ({"px": "90000"}, "51006"),
    ({"sz": "0.001"}, "51020"),
    ({"sz": "0.015"}, "51121"),
    ({"sz": "900000"}, "51008"),
    ({"clOrdId": "with-dash"}, "51000"),
    ({"tdMode": "isolated"}, "51010"),
    ({"tdMode": "cash"}, "51010"),
    ({"reduceOnly": "true"}, "51169"),
    ({"instId": "NOPE"}, "51001"),
    ({"posSide": "long"}, "51000"),
    ({"ordType": "mmp", "px": "50000"}, "51000"),
    ({"expTime": "1"}, "51149"),
)


async def test_orders_are_answered_in_the_venues_codes(trader):
    for args, code in ANSWERED:
        row = await trader.order(**args)
        assert row["sCode"] == code, (args, row)


async def test_inst_id_code_takes_precedence(trader):
    listed = (await trader.remote.get("/public/instruments", instType="SWAP"))[1]["data"]
    code = next(row["instIdCode"] for row in listed if row["instId"] == SWAP)
    bid, _ = trader.best()
    placed = await trader.order(inst="NOPE", instIdCode=code, px=str(bid - 5), tdMode="cross")
    assert placed["sCode"] == "0"


async def test_post_only_that_would_take_is_cancelled_with_its_source(trader):
    _, ask = trader.best()
    placed = await trader.order(px=str(ask), ordType="post_only")
    assert placed["sCode"] == "0"
    row = (await trader.get("trade/order", instId=SWAP, ordId=placed["ordId"]))[0]
    assert (row["state"], row["cancelSource"]) == ("canceled", "31")


async def test_batches_tell_of_partial_success(trader):
    bid, _ = trader.best()
    good = {
        "instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
        "sz": "1", "px": str(bid - 9),
    }  # fmt: skip
    _, answer = await trader.ask("POST", "trade/batch-orders", [good, {**good, "sz": "0.001"}])
    assert answer["code"] == "2"
    assert [row["sCode"] for row in answer["data"]] == ["0", "51020"]


async def test_swap_position_fills_balance_and_bills_agree(trader):
    placed = await trader.order(sz="20")
    row = (await trader.get("trade/order", instId=SWAP, ordId=placed["ordId"]))[0]
    fills = await trader.get("trade/fills", instType="SWAP")
    assert sum(Decimal(fill["fillSz"]) for fill in fills) == 20
    assert sum(Decimal(fill["fee"]) for fill in fills) == Decimal(row["fee"]) < 0
    position = (await trader.get("account/positions"))[0]
    assert (position["pos"], position["posSide"], position["mgnMode"]) == ("20", "net", "cross")
    assert abs(Decimal(position["avgPx"]) - Decimal(row["avgPx"])) < Decimal("0.001")
    detail = next(
        d for d in (await trader.get("account/balance"))[0]["details"] if d["ccy"] == "USDT"
    )
    assert Decimal(detail["cashBal"]) == 100_000 + Decimal(row["fee"])
    assert Decimal(detail["eq"]) == Decimal(detail["cashBal"]) + Decimal(detail["upl"])
    bills = await trader.get("account/bills", type="2")
    assert sum(Decimal(bill["balChg"]) for bill in bills) == Decimal(row["fee"])
    _, answer = await trader.ask(
        "POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"}
    )
    assert answer["code"] == "0"
    assert await trader.get("account/positions") == []
    _, answer = await trader.ask(
        "POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"}
    )
    assert answer["code"] == "51023"


async def test_fills_are_paged_newest_first(trader):
    for _ in range(7):
        await trader.order(sz="0.01")
    first = await trader.get("trade/fills-history", instType="SWAP", limit=4)
    second = await trader.get(
        "trade/fills-history", instType="SWAP", limit=4, after=first[-1]["billId"]
    )
    ids = [int(row["billId"]) for row in first + second]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 7
    newer = await trader.get(
        "trade/fills-history", instType="SWAP", limit=2, before=second[-1]["billId"]
    )
    assert [int(row["billId"]) for row in newer] == ids[:2]


async def test_spot_market_buy_is_sized_in_quote(trader):
    placed = await trader.order(inst=SPOT, sz="1000")
    row = (await trader.get("trade/order", instId=SPOT, ordId=placed["ordId"]))[0]
    spent = Decimal(row["accFillSz"]) * Decimal(row["avgPx"])
    assert (row["sz"], row["tgtCcy"], row["state"]) == ("1000", "quote_ccy", "filled")
    assert 999 < spent <= 1000
    assert row["feeCcy"] == "BTC"
    truth = await trader.truth()
    assert Decimal(truth["balances"]["BTC"]["total"]) == 2 + Decimal(row["accFillSz"]) + Decimal(
        row["fee"]
    )
    sold = await trader.order("sell", inst=SPOT, sz="0.01")
    row = (await trader.get("trade/order", instId=SPOT, ordId=sold["ordId"]))[0]
    assert (row["tgtCcy"], row["feeCcy"], row["accFillSz"]) == ("base_ccy", "USDT", "0.01")


async def test_long_short_mode_and_leverage(trader):
    _, answer = await trader.ask(
        "POST", "account/set-position-mode", {"posMode": "long_short_mode"}
    )
    assert answer["data"] == [{"posMode": "long_short_mode"}]
    assert (await trader.get("account/config"))[0]["posMode"] == "long_short_mode"
    assert (await trader.order())["sCode"] == "51000"
    await trader.order(posSide="long", sz="2")
    await trader.order("sell", posSide="short", sz="3")
    found = {row["posSide"]: row["pos"] for row in await trader.get("account/positions")}
    assert found == {"long": "2", "short": "3"}
    _, answer = await trader.ask("POST", "account/set-position-mode", {"posMode": "net_mode"})
    assert answer["code"] == "59000"
    given = {"instId": SWAP, "lever": "50", "mgnMode": "cross"}
    assert (await trader.ask("POST", "account/set-leverage", given))[1]["code"] == "0"
    told = await trader.get("account/leverage-info", instId=SWAP, mgnMode="cross")
    assert told[0]["lever"] == "50"
    _, answer = await trader.ask("POST", "account/set-leverage", {**given, "lever": "500"})
    assert answer["code"] == "59102"


async def test_private_channels_tell_the_life_of_an_order(trader, private):
    hear = await private("orders", "account", "positions", "balance_and_position", "fills")
    _, ask = trader.best()
    placed = await trader.order(px=str(ask + 1), sz="4", clOrdId="life")
    live = await hear("orders")
    assert (live["state"], live["ordId"], live["clOrdId"]) == ("live", placed["ordId"], "life")
    traded = await hear("orders", lambda row: row["fillSz"] != "0")
    assert Decimal(traded["fillFee"]) < 0
    assert traded["tradeId"]


async def test_each_private_channel_hears_of_a_fill(trader, private):
    for channel in ("account", "positions", "balance_and_position", "fills"):
        hear = await private(channel)
        await trader.order(sz="0.01")
        row = await hear(channel, lambda row: row.get("eventType") != "snapshot")
        if channel == "account":
            row = await hear(channel)
            assert [detail["ccy"] for detail in row["details"]] == ["USDT"]
        elif channel == "balance_and_position":
            assert row["posData"][0]["instId"] == row["trades"][0]["instId"] == SWAP
        else:
            assert row["instId"] == SWAP


async def test_private_channels_want_a_login_and_their_own_path(trader, talk, private):
    socket = await talk("private")
    await socket.say({"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]})
    assert (await socket.hear())["code"] == "60011"
    hear = await private()
    await hear.socket.say(
        {"op": "subscribe", "args": [{"channel": "orders-algo", "instType": "ANY"}]}
    )
    assert (await hear.socket.hear())["code"] == "60018"


async def test_orders_are_taken_over_the_socket(trader, private):
    hear = await private("orders")
    bid, _ = trader.best()
    arg = {
        "instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit",
        "sz": "1", "px": str(bid - 5), "clOrdId": "ws1",
    }  # fmt: skip
    await hear.socket.say({"id": "7", "op": "order", "args": [arg]})
    answer = await hear.socket.until(lambda m: m.get("op") == "order")
    assert (answer["id"], answer["code"], answer["data"][0]["sCode"]) == ("7", "0", "0")
    await hear.socket.say(
        {"id": "8", "op": "amend-order", "args": [{**arg, "newSz": "3", "reqId": "q"}]}
    )
    row = await hear("orders", lambda row: row["amendResult"] == "0")
    assert (row["sz"], row["reqId"]) == ("3", "q")
    await hear.socket.say({"id": "9", "op": "cancel-order", "args": [arg]})
    assert (await hear("orders", lambda row: row["state"] == "canceled"))["cancelSource"] == "1"
    await trader.remote.arm("lost_ack")
    await hear.socket.say({"id": "10", "op": "order", "args": [{**arg, "clOrdId": "ws2"}]})
    await hear.socket.end()
    assert (await trader.truth())["orders"][-1]["client_id"] == "ws2"


async def test_stop_fires_and_closes(trader, private):
    await trader.order(sz="5")
    hear = await private("orders-algo", path="business")
    bid, _ = trader.best()
    placed = await trader.order(
        "sell", path="trade/order-algo", ordType="conditional", sz="5", reduceOnly="true",
        slTriggerPx=str(bid - 3), slOrdPx="-1", algoClOrdId="stop1",
    )  # fmt: skip
    assert placed["sCode"] == "0"
    assert (await hear("orders-algo"))["state"] == "live"
    pending = await trader.get("trade/orders-algo-pending", ordType="conditional")
    assert [row["algoClOrdId"] for row in pending] == ["stop1"]
    await trader.crowd("SELL", 5_000, bid - 5)
    fired = await hear("orders-algo", lambda row: row["state"] == "effective")
    assert fired["actualSide"] == "sl"
    assert await trader.get("account/positions") == []
    done = (await trader.get("trade/order-algo", algoClOrdId="stop1"))[0]
    assert (done["state"], done["actualSz"]) == ("effective", "5")
    child = (await trader.get("trade/order", instId=SWAP, ordId=done["ordId"]))[0]
    assert (child["algoClOrdId"], child["state"]) == ("stop1", "filled")


async def test_a_waiting_stop_is_amended_whole_or_not_at_all(trader):
    await trader.order(sz="6")
    bid, _ = trader.best()
    await trader.order(
        "sell", path="trade/order-algo", ordType="conditional", sz="5", reduceOnly="true",
        slTriggerPx=str(bid - 50), slOrdPx="-1", algoClOrdId="stop1",
    )  # fmt: skip

    async def amend(**changes):
        given = {"instId": SWAP, "algoClOrdId": "stop1", **changes}
        return (await trader.ask("POST", "trade/amend-algos", given))[1]

    async def stands():
        row = (await trader.get("trade/order-algo", algoClOrdId="stop1"))[0]
        return row["sz"], row["slTriggerPx"], row["slOrdPx"]

    answer = await amend(newSz="4", newSlTriggerPx=str(bid - 40), newSlOrdPx=str(bid - 45))
    assert answer["code"] == "0"
    changed = ("4", str(bid - 40), str(bid - 45))
    assert await stands() == changed
    for wrong in ({"newSlOrdPx": "0.00001"}, {"newSlTriggerPxType": "mark"}):
        assert (await amend(newSz="3", **wrong))["code"] != "0"
        assert await stands() == changed
    assert (await amend(newSlOrdPx="-1"))["code"] == "0"
    assert await stands() == ("4", str(bid - 40), "-1")


async def test_oco_trigger_and_trailing_orders(trader):
    await trader.order(sz="6")
    bid, ask = trader.best()
    common = {"side": "sell", "path": "trade/order-algo", "sz": "2", "reduceOnly": "true"}
    oco = await trader.order(
        **common, ordType="oco", tpTriggerPx=str(ask + 5), tpOrdPx="-1",
        slTriggerPx=str(bid - 50), slOrdPx="-1",
    )  # fmt: skip
    trigger = await trader.order(**common, ordType="trigger", triggerPx=str(bid - 60), orderPx="-1")
    trail = await trader.order(**common, ordType="move_order_stop", callbackSpread="30")
    assert {row["sCode"] for row in (oco, trigger, trail)} == {"0"}
    await trader.crowd("BUY", 3_000, ask + 6)
    await trader.crowd("SELL", 9_000, bid - 40)
    states = {}
    for placed in (oco, trigger, trail):
        row = (await trader.get("trade/order-algo", algoId=placed["algoId"]))[0]
        states[row["ordType"]] = row["state"], row["actualSide"]
    assert states["oco"] == ("effective", "tp")
    assert states["trigger"] == ("live", "")
    assert states["move_order_stop"][0] == "effective"
    args = [{"algoId": trigger["algoId"], "instId": SWAP}]
    _, answer = await trader.ask("POST", "trade/cancel-algos", args)
    assert answer["code"] == "0"
    _, answer = await trader.ask("POST", "trade/cancel-algos", args)
    assert answer["data"][0]["sCode"] == "51400"


BAD_ALGOS = (
    ({"ordType": "conditional", "slTriggerPx": "90000", "slOrdPx": "-1"}, "51280"),
    ({"ordType": "conditional", "tpTriggerPx": "1000", "tpOrdPx": "-1"}, "51279"),
    ({"ordType": "oco", "tpTriggerPx": "90000"}, "51000"),
    ({"ordType": "conditional"}, "51000"),
    ({"ordType": "twap"}, "51000"),
    ({"ordType": "move_order_stop"}, "51000"),
)


async def test_bad_algo_orders_are_refused(trader):
    for args, code in BAD_ALGOS:
        row = await trader.order("sell", path="trade/order-algo", sz="1", **args)
        assert row["sCode"] == code, (args, row)


async def test_stops_that_come_with_an_order_wait_for_its_fill(trader):
    _, ask = trader.best()
    attached = [{"slTriggerPx": str(ask - 200), "slOrdPx": "-1", "attachAlgoClOrdId": "att1"}]
    await trader.order(sz="2", attachAlgoOrds=attached)
    rows = await trader.get("trade/orders-algo-pending", ordType="conditional,oco")
    assert [(row["algoClOrdId"], row["sz"], row["side"]) for row in rows] == [("att1", "2", "sell")]
    await trader.order("sell", sz="2", reduceOnly="true")
    assert await trader.get("trade/orders-algo-pending", ordType="conditional,oco") == []


async def test_cancel_all_after_fires_for_its_tag_alone(trader, private):
    bid, _ = trader.best()
    hear = await private("orders")
    await trader.order(px=str(bid - 5), clOrdId="a", tag="red")
    await trader.order(px=str(bid - 5), clOrdId="b")
    _, answer = await trader.ask("POST", "trade/cancel-all-after", {"timeOut": "10", "tag": "red"})
    assert int(answer["data"][0]["triggerTime"]) > 0
    await trader.remote.arm("fire_dead_man")
    row = await hear("orders", lambda row: row["state"] == "canceled")
    assert (row["clOrdId"], row["cancelSource"]) == ("a", "20")
    assert [r["clOrdId"] for r in await trader.get("trade/orders-pending")] == ["b"]
    _, answer = await trader.ask("POST", "trade/cancel-all-after", {"timeOut": "5"})
    assert answer["code"] == "51000"


async def test_liquidation_funding_and_lost_logins(trader, private):
    hear = await private("orders", "account")
    await trader.order(sz="500")
    await trader.remote.arm("settle_funding", symbol=SWAP, value=0.001)
    bills = await trader.get("account/bills", type="8")
    assert Decimal(bills[0]["balChg"]) < 0
    mark = trader.venue.futures[SWAP].mark
    await trader.remote.arm("pin_mark", symbol=SWAP, value=mark * 0.5)
    forced = await hear("orders", lambda row: row["category"] == "full_liquidation")
    assert forced["side"] == "sell"
    truth = await trader.truth()
    assert truth["positions"] == []
    assert Decimal(truth["balances"]["USDT"]["total"]) >= 0
    await trader.remote.arm("expire_sessions")
    assert await hear.socket.end() == 4001


async def test_faults_of_answers_queries_and_reports(trader, private):
    bid, _ = trader.best()
    hear = await private("orders")
    await trader.remote.arm("code_1007")
    status, answer = await trader.ask(
        "POST", "trade/order",
        {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1",
         "px": str(bid - 5), "clOrdId": "unknown"},
    )  # fmt: skip
    assert (status, answer["code"]) == (400, "50004")
    await trader.remote.arm("transient_2013")
    given = {"instId": SWAP, "clOrdId": "unknown"}
    assert (await trader.get("trade/order", **given))["code"] == "51603"
    assert (await trader.get("trade/order", **given))[0]["state"] == "live"
    await trader.remote.arm("cancel_race")
    near = await trader.order(px=str(bid), clOrdId="race")
    _, answer = await trader.ask(
        "POST", "trade/cancel-order", {"instId": SWAP, "ordId": near["ordId"]}
    )
    assert answer["data"][0]["sCode"] == "51400"
    assert await hear("orders", lambda row: row["state"] == "filled" and row["clOrdId"] == "race")
    await trader.remote.arm("duplicate_report")
    await trader.order(px=str(bid - 9), clOrdId="twice")
    first = await hear("orders", lambda row: row["clOrdId"] == "twice")
    assert await hear("orders") == first
    await trader.remote.arm("lost_ack")
    with pytest.raises(aiohttp.ClientError):
        await trader.order(px=str(bid - 9), clOrdId="lost")
    assert (await trader.truth())["orders"][-1]["client_id"] == "lost"


async def test_oracle_equals_what_the_channels_told(trader, private):
    hear = await private("orders")
    bid, ask = trader.best()
    for index in range(10):
        side = ("buy", "sell")[index % 3 == 0]
        price = {"px": str((bid if side == "buy" else ask) + index - 4)} if index % 4 else {}
        await trader.order(side, sz=f"{index + 1}", **price)
    await trader.crowd("SELL", 2_000, bid - 20)
    for row in await trader.get("trade/orders-pending"):
        await trader.ask("POST", "trade/cancel-order", {"instId": SWAP, "ordId": row["ordId"]})
    truth = await trader.truth()
    told, fills = {}, []
    while len(fills) < len(truth["fills"]) or any(
        row["state"] in ("live", "partially_filled") for row in told.values()
    ):
        row = await hear("orders")
        told[row["ordId"]] = row
        if row["tradeId"] and row["fillSz"] != "0":
            fills.append((row["tradeId"], row["ordId"], row["fillSz"]))
    assert fills == [(fill["id"], fill["order_id"], fill["size"]) for fill in truth["fills"]]
    for order in truth["orders"]:
        row = told[order["id"]]
        wanted = "canceled" if order["state"] == "expired" else order["state"]
        assert (row["state"], row["accFillSz"]) == (wanted, order["filled"])
