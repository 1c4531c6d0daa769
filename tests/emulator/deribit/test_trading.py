"""Deribit orders over the socket and HTTP: logins, codes, triggers, channels, faults."""

import base64
import hashlib
import hmac

import pytest
from yarl import URL

VENUES = ("deribit",)
KEY, SECRET = "k" * 32, "s" * 32
PERP, LINEAR = "BTC-PERPETUAL", "SOL_USDC-PERPETUAL"


class Session:
    """A socket that speaks JSON-RPC and keeps what was sent in between."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []
        self.number = 0

    async def ask(self, method, **params):
        self.number += 1
        number = self.number
        await self.socket.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            told = await self.socket.hear()
            if told.get("id") == number:
                return told.get("result", told.get("error"))
            self.heard.append(told)

    async def told(self, channel, wanted=lambda data: True):
        """Return the next notification of a channel that is what is wanted; others are kept."""
        seen = 0
        while True:
            if seen == len(self.heard):
                self.heard.append(await self.socket.hear())
            params = self.heard[seen].get("params", {})
            if params.get("channel") == channel:
                del self.heard[seen]
                if wanted(params["data"]):
                    return params["data"]
            else:
                seen += 1

    async def login(self):
        answer = await self.ask(
            "public/auth", grant_type="client_credentials", client_id=KEY, client_secret=SECRET
        )
        self.token = answer["access_token"]
        return answer


@pytest.fixture
async def venue(remote):
    await remote.control("POST", "flow", {"on": False})
    return remote.emulator.venues["deribit"]


@pytest.fixture
async def session(venue, talk):
    made = Session(await talk("ws"))
    await made.login()
    return made


@pytest.fixture
async def truth(remote):
    async def ask():
        return (await remote.control("GET", "oracle"))[1]["accounts"][0]

    return ask


@pytest.fixture
def crowd(remote):
    async def trade(side, qty, price=None, symbol=PERP):
        body = {"symbol": symbol, "side": side, "qty": str(qty)}
        if price is not None:
            body["price"] = str(price)
        assert (await remote.control("POST", "trade", body))[0] == 200

    return trade


def best(venue, name=PERP):
    scale = venue.scales[name]
    bid, _, ask, _ = venue.market.shards[name].top()
    return scale.price_number(bid), scale.price_number(ask)


async def test_private_methods_want_a_login(venue, talk):
    stranger = Session(await talk("ws"))
    assert (await stranger.ask("private/get_positions", currency="BTC"))["code"] == 13009
    refused = await stranger.ask("public/subscribe", channels=["user.orders.any.any.raw"])
    assert refused["code"] == 13009
    wrong = await stranger.ask(
        "public/auth", grant_type="client_credentials", client_id=KEY, client_secret="no"
    )
    assert wrong["code"] == 13004
    stamp, nonce = venue.now_ms(), "n"
    text = f"{stamp}\n{nonce}\n"
    signed = await stranger.ask(
        "public/auth", grant_type="client_signature", client_id=KEY, timestamp=stamp, nonce=nonce,
        data="", signature=hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
    )  # fmt: skip
    assert await stranger.ask("private/get_positions", currency="BTC") == []
    renewed = await stranger.ask(
        "public/auth", grant_type="refresh_token", refresh_token=signed["refresh_token"]
    )
    assert renewed["access_token"] != signed["access_token"]


async def test_http_takes_bearer_basic_and_signed_requests(remote, venue):
    path = "/api/v2/private/get_positions?currency=BTC"
    stamp = str(venue.now_ms())
    text = f"{stamp}\nabc\nGET\n{path}\n\n"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    _, answer = await remote.get(
        "/public/auth", grant_type="client_credentials", client_id=KEY, client_secret=SECRET
    )
    good = {
        f"Bearer {answer['result']['access_token']}": 200,
        "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode(): 200,
        f"deri-hmac-sha256 id={KEY},ts={stamp},nonce=abc,sig={signature}": 200,
        f"deri-hmac-sha256 id={KEY},ts={stamp},nonce=abc,sig=00": 400,
        "Bearer nonsense": 401,
    }
    for header, wanted in good.items():
        url = URL(f"{remote.url}/deribit{path}", encoded=True)
        async with remote.session.get(url, headers={"Authorization": header}) as reply:
            assert reply.status == wanted, (header, await reply.text())


async def test_limit_order_is_placed_edited_and_cancelled(venue, session):
    bid, _ = best(venue)
    placed = await session.ask(
        "private/buy", instrument_name=PERP, amount=100, price=bid - 50, label="mine"
    )
    order = placed["order"]
    assert (order["order_state"], order["label"], placed["trades"]) == ("open", "mine", [])
    assert order["contracts"] == 10
    edited = await session.ask(
        "private/edit", order_id=order["order_id"], amount=60, price=bid - 50
    )
    assert (edited["order"]["amount"], edited["order"]["replaced"]) == (60, True)
    rows = await session.ask("private/get_open_orders_by_instrument", instrument_name=PERP)
    assert [row["order_id"] for row in rows] == [order["order_id"]]
    rows = await session.ask("private/get_order_state_by_label", currency="BTC", label="mine")
    assert [row["order_state"] for row in rows] == ["open"]
    ended = await session.ask("private/cancel", order_id=order["order_id"])
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "user_request")
    again = await session.ask("private/cancel", order_id=order["order_id"])
    assert again["code"] == 11044
    assert (await session.ask("private/get_order_state", order_id="ETH-1"))["code"] == 10004


async def test_smaller_amount_keeps_the_place_in_the_queue(venue, session):
    bid, _ = best(venue)
    placed = await session.ask("private/buy", instrument_name=PERP, amount=100, price=bid)
    order = venue.account.newest
    engine, first = order.product.shard.engine, order.engine_id
    ahead = engine.queue_ahead(first)
    name = placed["order"]["order_id"]
    await session.ask("private/edit", order_id=name, amount=50, price=bid)
    assert (order.engine_id, engine.queue_ahead(first)) == (first, ahead)
    await session.ask("private/edit", order_id=name, amount=90, price=bid)
    assert order.engine_id != first


async def test_market_order_gives_trades_a_position_and_a_log(venue, session):
    placed = await session.ask("private/buy", instrument_name=PERP, amount=5_000, type="market")
    trades = placed["trades"]
    assert (placed["order"]["order_state"], sum(row["amount"] for row in trades)) == (
        "filled", 5_000,
    )  # fmt: skip
    rows = await session.ask("private/get_positions", currency="BTC", kind="future")
    assert (rows[0]["size"], rows[0]["direction"]) == (5_000, "buy")
    worth = sum(row["amount"] / row["price"] for row in trades)
    assert rows[0]["average_price"] == pytest.approx(5_000 / worth, rel=1e-6)
    told = await session.ask("private/get_account_summary", currency="BTC")
    fees = sum(row["fee"] for row in trades)
    assert told["balance"] == pytest.approx(10 - fees, abs=1e-7)
    assert told["initial_margin"] == pytest.approx(worth / 50, rel=0.01)
    found = await session.ask("private/get_user_trades_by_instrument", instrument_name=PERP)
    assert {row["trade_id"] for row in found["trades"]} == {row["trade_id"] for row in trades}
    log = await session.ask(
        "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=1 << 50
    )
    assert sum(row["change"] for row in log["logs"]) == pytest.approx(-fees, abs=1e-8)
    closed = await session.ask("private/close_position", instrument_name=PERP, type="market")
    assert closed["order"]["order_state"] == "filled"
    assert (await session.ask("private/get_position", instrument_name=PERP))["direction"] == "zero"


async def test_linear_and_option_positions_settle_in_their_own_assets(venue, session):
    await session.ask("private/sell", instrument_name=LINEAR, amount=10, type="market")
    rows = await session.ask("private/get_positions", currency="USDC")
    assert (rows[0]["size"], rows[0]["direction"]) == (-10, "sell")
    name = next(n for n in venue.market.shards if n.startswith("BTC-") and n.endswith("-C"))
    bought = await session.ask("private/buy", instrument_name=name, amount=0.1, type="market")
    premium = sum(row["price"] * row["amount"] for row in bought["trades"])
    fees = sum(row["fee"] for row in bought["trades"])
    told = await session.ask("private/get_account_summary", currency="BTC")
    assert told["balance"] == pytest.approx(10 - premium - fees, abs=1e-8)
    assert told["options_value"] > 0


BAD_ORDERS = (
    ({"amount": 15}, 10021),
    ({"amount": 1}, 10002),
    ({"amount": 10, "price": 50_000.3}, 10043),
    ({"amount": 10, "price": None}, -32602),
    ({"amount": 10_000_000_0}, 10009),
    ({"amount": 10, "instrument_name": "NOPE"}, 13020),
    ({"amount": 10, "reduce_only": True}, 11030),
    ({"amount": 10, "type": "nonsense"}, -32602),
    ({"amount": 10, "label": "x" * 65}, 13032),
    ({"amount": 10, "valid_until": 1}, 13888),
    ({"amount": 10, "time_in_force": "forever"}, -32602),
    ({"amount": 10, "type": "stop_market", "trigger_price": 1_000}, -32602),
    ({"amount": 10, "linked_order_type": "one_triggers_other"}, 10033),
)


async def test_bad_orders_are_refused_in_the_venues_codes(venue, session):
    bid, _ = best(venue)
    for params, code in BAD_ORDERS:
        given = {"instrument_name": PERP, "price": bid - 50, **params}
        given = {name: value for name, value in given.items() if value is not None}
        answer = await session.ask("private/buy", **given)
        assert answer["code"] == code, (params, answer)


async def test_post_only_reprices_or_rejects(venue, session):
    _, ask = best(venue)
    given = {"instrument_name": PERP, "amount": 10, "price": ask, "post_only": True}
    moved = await session.ask("private/buy", **given)
    assert (moved["order"]["order_state"], moved["order"]["price"]) == ("open", ask - 0.5)
    refused = await session.ask("private/buy", **given, reject_post_only=True)
    assert refused["code"] == 11054


async def test_stop_take_and_trailing_orders(venue, session, crowd):
    await session.ask("private/buy", instrument_name=PERP, amount=300, type="market")
    await session.ask("private/subscribe", channels=["user.orders.any.any.raw"])
    bid, ask = best(venue)
    common = {"instrument_name": PERP, "amount": 100, "trigger": "last_price", "reduce_only": True}
    stop = await session.ask(
        "private/sell", **common, type="stop_market", trigger_price=bid - 20, label="stop"
    )
    take = await session.ask("private/sell", **common, type="take_market", trigger_price=ask + 5)
    trail = await session.ask("private/sell", **common, type="trailing_stop", trigger_offset=60)
    assert {row["order"]["order_state"] for row in (stop, take, trail)} == {"untriggered"}
    assert stop["order"]["order_id"].startswith("SLTB-")
    assert stop["order"]["price"] == "market_price"
    rows = await session.ask("private/get_open_orders", type="trigger_all")
    assert len(rows) == 3
    wrong = await session.ask("private/sell", **common, type="stop_market", trigger_price=ask + 500)
    assert wrong["code"] == 10034
    await session.ask("private/edit", order_id=stop["order"]["order_id"], amount=100,
                      trigger_price=bid - 10)  # fmt: skip
    await crowd("BUY", 10_000_000, ask + 20)
    states = {}
    for row in (stop, take, trail):
        told = await session.ask("private/get_order_state", order_id=row["order"]["order_id"])
        states[told["order_type"]] = told["order_state"]
    assert states == {
        "stop_market": "untriggered", "take_market": "triggered", "trailing_stop": "untriggered",
    }  # fmt: skip
    await crowd("SELL", 10_000_000, bid - 15)
    child = await session.told(
        "user.orders.any.any.raw",
        lambda row: (
            row.get("trigger_order_id") == stop["order"]["order_id"]
            and row["order_state"] == "filled"
        ),
    )
    assert (child["label"], child["direction"]) == ("stop", "sell")


async def test_user_channels_tell_orders_trades_changes_and_portfolio(venue, session):
    channels = [
        f"user.orders.{PERP}.raw", "user.trades.future.BTC.raw", "user.changes.any.any.raw",
        "user.changes.any.any.100ms", "user.portfolio.btc", "user.portfolio.any",
    ]  # fmt: skip
    assert await session.ask("private/subscribe", channels=channels) == channels
    await session.told("user.portfolio.btc")
    placed = await session.ask("private/buy", instrument_name=PERP, amount=20, type="market")
    name = placed["order"]["order_id"]
    filled = lambda row: row["order_state"] == "filled"  # noqa: E731
    assert (await session.told(channels[0], filled))["order_id"] == name
    trades = await session.told(channels[1])
    assert trades[0]["direction"] == "buy"
    await session.ask("private/buy", instrument_name=PERP, amount=20, type="market")
    changed = await session.told(channels[2], lambda data: data["trades"])
    assert changed["positions"][0]["instrument_name"] == PERP
    merged = await session.told(channels[3], lambda data: data["trades"])
    assert merged["orders"][-1]["order_state"] == "filled"
    portfolio = await session.told("user.portfolio.btc")
    assert (portfolio["currency"], portfolio["balance"] < 10) == ("BTC", True)


async def test_equity_is_balance_session_profit_and_what_is_open(session):
    for side, amount in (("buy", 2000), ("sell", 1500), ("buy", 1000)):
        await session.ask(f"private/{side}", instrument_name=PERP, amount=amount, type="market")
    told = await session.ask("private/get_account_summary", currency="BTC")
    parts = ("balance", "futures_session_rpl", "futures_session_upl", "options_value")
    assert abs(told["equity"] - sum(told[part] for part in parts)) < 1e-7


async def test_cancels_by_label_instrument_and_all(venue, session):
    bid, _ = best(venue)
    for label in ("a", "a", "b", "c"):
        await session.ask(
            "private/buy", instrument_name=PERP, amount=10, price=bid - 50, label=label
        )
    assert await session.ask("private/cancel_by_label", label="a") == 2
    assert await session.ask("private/cancel_all_by_instrument", instrument_name=LINEAR) == 0
    assert await session.ask("private/cancel_all") == 2
    assert await session.ask("private/get_open_orders") == []


async def test_connection_that_is_lost_cancels_its_orders_and_a_logout_does_not(
    venue, session, talk, until
):
    bid, _ = best(venue)

    async def other(*, logs_out):
        made = Session(await talk("ws"))
        await made.login()
        assert await made.ask("private/enable_cancel_on_disconnect") == "ok"
        told = await made.ask("private/get_cancel_on_disconnect")
        assert told == {"scope": "connection", "enabled": True}
        await made.ask("private/buy", instrument_name=PERP, amount=10, price=bid - 50)
        order = venue.account.newest
        if logs_out:
            await made.socket.say({"jsonrpc": "2.0", "id": 9, "method": "private/logout"})
            await made.socket.end()
        else:
            await made.socket.ws.close()
        return order

    await session.ask("private/buy", instrument_name=PERP, amount=10, price=bid - 60)
    lost = await other(logs_out=False)
    await until(lambda: not lost.status.open)
    assert lost.ending == "disconnect"
    kept = await other(logs_out=True)
    rows = await session.ask("private/get_open_orders")
    assert {row["price"] for row in rows} == {bid - 60, bid - 50}
    assert kept.status.open


async def test_dead_man_and_expired_sessions(remote, venue, session, talk, until):
    bid, _ = best(venue)
    made = Session(await talk("ws"))
    await made.login()
    await made.ask("private/enable_cancel_on_disconnect")
    await made.ask("private/buy", instrument_name=PERP, amount=10, price=bid - 50)
    order = venue.account.newest
    await remote.arm("fire_dead_man")
    await until(lambda: not order.status.open)
    assert await session.ask("private/get_open_orders") == []
    await remote.arm("expire_sessions")
    assert (await session.ask("private/get_open_orders"))["code"] == 13009


async def test_liquidation_and_funding_reach_the_account(remote, venue, session, truth):
    await session.ask("private/subscribe", channels=["user.trades.any.any.raw"])
    await session.ask("private/buy", instrument_name=PERP, amount=2_000_000, type="market")
    await remote.arm("settle_funding", symbol=PERP, value=0.001)
    log = await session.ask(
        "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=1 << 50,
        query="settlement",
    )  # fmt: skip
    assert log["logs"][0]["interest_pl"] < 0
    mark = venue.futures[PERP].mark
    await remote.arm("pin_mark", symbol=PERP, value=mark * 0.6)
    forced = await session.told("user.trades.any.any.raw", lambda rows: "liquidation" in rows[0])
    assert forced[0]["direction"] == "sell"
    told = await truth()
    assert told["positions"] == []
    assert float(told["balances"]["BTC"]["total"]) >= 0


async def test_faults_of_answers_queries_and_reports(remote, venue, session, talk, truth):
    bid, _ = best(venue)
    await session.ask("private/subscribe", channels=["user.orders.any.any.raw"])

    async def place(label, price=bid - 50):
        return await session.ask(
            "private/buy", instrument_name=PERP, amount=10, price=price, label=label
        )

    await remote.arm("code_1007")
    assert (await place("unknown"))["code"] == 11094
    rows = await session.ask("private/get_order_state_by_label", currency="BTC", label="unknown")
    assert [row["order_state"] for row in rows] == ["open"]
    await remote.arm("transient_2013")
    name = rows[0]["order_id"]
    assert (await session.ask("private/get_order_state", order_id=name))["code"] == 10004
    assert (await session.ask("private/get_order_state", order_id=name))["order_id"] == name
    near = await place("race", bid)
    await remote.arm("cancel_race")
    lost = await session.ask("private/cancel", order_id=near["order"]["order_id"])
    assert lost["code"] == 11008
    await remote.arm("duplicate_report")
    await place("twice")
    first = await session.told("user.orders.any.any.raw", lambda row: row["label"] == "twice")
    assert await session.told("user.orders.any.any.raw") == first
    await remote.arm("delay_visible_ms", value=60_000)
    await place("late")
    rows = await session.ask("private/get_order_state_by_label", currency="BTC", label="late")
    assert rows == []
    await remote.arm("lost_ack")
    other = Session(await talk("ws"))
    await other.login()
    await other.socket.say(
        {"jsonrpc": "2.0", "id": 5, "method": "private/buy",
         "params": {"instrument_name": PERP, "amount": 10, "price": bid - 50, "label": "lost"}}
    )  # fmt: skip
    await other.socket.end()
    assert (await truth())["orders"][-1]["client_id"] == "lost"


async def test_oracle_equals_what_the_channel_told(venue, session, crowd, truth):
    await session.ask("private/subscribe", channels=["user.changes.any.any.raw"])
    bid, ask = best(venue)
    for index in range(10):
        side = ("buy", "sell")[index % 3 == 0]
        price = (bid if side == "buy" else ask) + index - 4
        more = {"price": price} if index % 4 else {"type": "market"}
        await session.ask(f"private/{side}", instrument_name=PERP, amount=10 * (index + 1), **more)
    await crowd("SELL", 100_000, bid - 20)
    await session.ask("private/cancel_all")
    told = await truth()
    orders, trades = {}, []
    while len(trades) < len(told["fills"]) or any(
        row["order_state"] == "open" for row in orders.values()
    ):
        data = await session.told("user.changes.any.any.raw")
        orders |= {row["order_id"]: row for row in data["orders"]}
        trades += [(row["order_id"], row["amount"]) for row in data["trades"]]
    assert trades == [(fill["order_id"], float(fill["size"])) for fill in told["fills"]]
    for order in told["orders"]:
        row = orders[order["id"]]
        state = {"canceled": "cancelled", "expired": "cancelled"}.get(
            order["state"], order["state"]
        )
        assert (row["order_state"], row["filled_amount"]) == (state, float(order["filled"]))
