"""Coinbase Advanced Trade: one sequence for all channels, aliases, deadlines and candles."""

import pytest

VENUES = ("coinbase",)


def subscribe(channel, *products):
    return {"type": "subscribe", "channel": channel, "product_ids": list(products)}


async def test_one_sequence_counts_every_message_of_a_connection(talk):
    socket = await talk()
    for channel in ("level2", "market_trades", "ticker", "candles", "heartbeats", "status"):
        await socket.say(subscribe(channel, "BTC-USD", "ETH-USD"))
    seen = [await socket.hear() for _ in range(80)]
    assert [message["sequence_num"] for message in seen] == list(range(80))
    wanted = {"l2_data", "market_trades", "ticker", "candles", "heartbeats", "subscriptions"}
    assert wanted <= {message["channel"] for message in seen}


async def test_level2_gives_the_true_book(remote, talk):
    socket = await talk()
    await socket.say(subscribe("level2", "BTC-USD"))
    await socket.say(subscribe("heartbeats"))
    book = {"bid": {}, "offer": {}}

    def apply(message):
        for event in message["events"] if message["channel"] == "l2_data" else ():
            if event["type"] == "snapshot":
                book["bid"].clear()
                book["offer"].clear()
            for row in event["updates"]:
                if float(row["new_quantity"]) == 0:
                    book[row["side"]].pop(row["price_level"], None)
                else:
                    book[row["side"]][row["price_level"]] = row["new_quantity"]

    for _ in range(12):
        apply(await socket.hear())
    truth = await remote.truth("BTC-USD")
    beats = 0
    while beats < 1:
        message = await socket.hear()
        apply(message)
        beats += message["channel"] == "heartbeats"
    for side, name in (("bid", "bids"), ("offer", "asks")):
        assert sorted(book[side].items()) == sorted(map(tuple, truth[name]))


async def test_a_dropped_message_leaves_a_hole_in_the_sequence(remote, talk):
    socket = await talk()
    await socket.say(subscribe("level2", "BTC-USD"))
    last = (await socket.hear())["sequence_num"]
    await remote.arm("gap", symbol="BTC-USD")
    for _ in range(40):
        number = (await socket.hear())["sequence_num"]
        if number == last + 2:
            return
        last = number
    pytest.fail("it did not strike")


async def test_usdc_products_answer_as_usd(talk):
    socket = await talk()
    await socket.say(subscribe("level2", "BTC-USDC"))
    message = await socket.until(lambda m: m["channel"] == "l2_data")
    assert message["events"][0]["product_id"] == "BTC-USD"


async def test_who_subscribes_to_nothing_is_closed(remote, talk):
    remote.emulator.venues["coinbase"].subscribe_within_s = 0.1
    socket = await talk()
    assert await socket.end() == 1008


async def test_refusals_of_the_socket(talk):
    socket = await talk()
    for message, words in (
        ("{", "failure to parse JSON"),
        (subscribe("user", "BTC-USD"), "authentication failure"),
        (subscribe("level9", "BTC-USD"), "channel 'level9' is not supported"),
        (subscribe("level2", "NO-USD"), "NO-USD is not a valid product"),
    ):
        await socket.say(message)
        assert await socket.hear() == {"type": "error", "message": words}


async def test_trades_come_newest_first_and_leave_no_hole(remote, talk):
    socket = await talk()
    await socket.say(subscribe("market_trades", "BTC-USD"))
    ids = []
    while len(ids) < 8:
        message = await socket.until(lambda m: m["channel"] == "market_trades")
        event = message["events"][0]
        if event["type"] == "update":
            ids += [int(trade["trade_id"]) for trade in reversed(event["trades"])]
        elif event["trades"]:
            ids = [int(event["trades"][0]["trade_id"])]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_candles_newest_first_in_seconds_and_no_more_than_350(remote):
    now = remote.emulator.venues["coinbase"].now_ms() // 1000
    path = "/market/products/BTC-USD/candles"
    _, answer = await remote.get(
        path, granularity="ONE_MINUTE", start=now - 20_000, end=now, limit=350
    )
    starts = [int(row["start"]) for row in answer["candles"]]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == 334 or len(starts) == 333
    status, answer = await remote.get(path, granularity="ONE_MINUTE", start=now - 60_000, end=now)
    assert (status, answer["error"]) == (400, "INVALID_ARGUMENT")


async def test_products_and_limits(remote):
    _, answer = await remote.get("/market/products")
    rows = {row["product_id"]: row for row in answer["products"]}
    assert rows["BTC-USDC"]["alias"] == "BTC-USD"
    assert rows["BTC-USD"]["alias_to"] == ["BTC-USDC"]
    _, book = await remote.get("/market/product_book", product_id="BTC-USD", limit=5)
    assert len(book["pricebook"]["bids"]) == 5
    statuses = [(await remote.get("/time"))[0] for _ in range(12)]
    assert statuses[-1] == 429
    assert 200 in statuses
