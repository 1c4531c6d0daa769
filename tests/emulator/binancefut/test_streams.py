"""USD-M streams: routed roots, the pu chain, marks, lossy liquidations, and the faults of books."""

import itertools

import aiohttp
import pytest

VENUES = ("binancefut",)
DEPTH = "/ws/btcusdt@depth@100ms"


async def test_depth_is_chained_by_pu_and_never_contiguous(talk):
    socket = await talk("public", DEPTH)
    events = [await socket.hear() for _ in range(12)]
    for before, event in itertools.pairwise(events):
        assert event["pu"] == before["u"]
        assert event["U"] > event["pu"]
    assert any(event["U"] != event["pu"] + 1 for event in events)
    assert {"e", "E", "T", "s", "U", "u", "pu", "b", "a"} <= set(events[0])


async def test_the_documented_sync_gives_the_true_book(remote, talk):
    socket = await talk("public", "/stream?streams=btcusdt@depth@100ms")
    waiting = [(await socket.hear())["data"]]
    _, image = await remote.get("/depth", symbol="BTCUSDT", limit=1000)
    book = {"b": dict(image["bids"]), "a": dict(image["asks"])}
    truth = await remote.truth("BTCUSDT")
    last, synced = image["lastUpdateId"], False
    while last < truth["update_id"]:
        event = waiting.pop(0) if waiting else (await socket.hear())["data"]
        if event["u"] < image["lastUpdateId"]:
            continue
        if synced:
            assert event["pu"] == last
        synced, last = True, event["u"]
        for side in "ba":
            book[side].update(event[side])
    for side, name in (("b", "bids"), ("a", "asks")):
        mine = {(float(p), float(q)) for p, q in book[side].items() if float(q)}
        assert mine == {(float(p), float(q)) for p, q in truth[name]}


async def test_a_stream_on_the_wrong_root_is_silent(talk):
    socket = await talk("market", DEPTH + "/btcusdt@aggTrade/btcusdt@markPrice@1s")
    kinds = {(await socket.hear())["e"] for _ in range(6)}
    assert "depthUpdate" not in kinds
    await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 3})
    answer = await socket.until(lambda message: "result" in message)
    assert "btcusdt@depth@100ms" in answer["result"]


async def test_marks_and_funding(remote, talk):
    socket = await talk("market", "/ws/btcusdt@markPrice@1s")
    mark = await socket.hear()
    assert abs(float(mark["p"]) / float(mark["i"]) - 1) < 0.01
    assert mark["T"] % 28_800_000 == 0
    _, told = await remote.get("/premiumIndex", symbol="BTCUSDT")
    assert told["nextFundingTime"] == mark["T"]
    _, paid = await remote.get("/fundingRate", symbol="BTCUSDT", limit=20)
    assert [row["fundingTime"] for row in paid] == sorted(row["fundingTime"] for row in paid)
    assert len(paid) == 20
    _, again = await remote.get(
        "/fundingRate", symbol="BTCUSDT", startTime=paid[3]["fundingTime"], limit=2
    )
    assert again == paid[3:5]


async def test_only_the_newest_liquidation_of_a_second_is_told(remote, talk):
    socket = await talk("market", "/ws/!forceOrder@arr")
    made = remote.emulator.venues["binancefut"].futures["BTCUSDT"].liquidations
    for _ in range(3):
        await remote.arm("liquidate", symbol="BTCUSDT")
    forced = (await socket.hear())["o"]
    assert (forced["s"], forced["S"], forced["X"]) == ("BTCUSDT", "SELL", "FILLED")
    while forced["T"] != made[-1].ts_ms:
        forced = (await socket.hear())["o"]
    assert len(made) >= 3


async def test_bars_page_by_1500_from_a_start(remote):
    _, newest = await remote.get("/klines", symbol="ETHUSDT", interval="1m", limit=1500)
    assert len(newest) == 1500
    _, page = await remote.get(
        "/klines", symbol="ETHUSDT", interval="1m", startTime=newest[0][0], limit=1500
    )
    assert page[:-2] == newest[:-2]
    assert int(remote.headers["X-MBX-USED-WEIGHT-1M"]) == 20


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("gap", lambda before, event: event["pu"] != before["u"]),
        ("duplicate", lambda before, event: event["u"] == before["u"]),
        ("reorder", lambda before, event: event["u"] < before["u"]),
        ("seq_reset", lambda before, event: event["u"] < before["u"] == event["pu"]),
    ],
)
async def test_faults_of_the_chain(remote, talk, kind, seen):
    socket = await talk("public", DEPTH)
    before = await socket.hear()
    await remote.arm(kind, symbol="BTCUSDT")
    for _ in range(20):
        event = await socket.hear()
        if seen(before, event):
            return
        before = event
    pytest.fail("it did not strike")


async def test_a_crossed_book_mends_itself(remote, talk):
    socket = await talk("public", DEPTH)
    await socket.hear()
    await remote.arm("crossed_book", symbol="BTCUSDT")
    _, truth = await remote.control("GET", "book?symbol=BTCUSDT")
    best = float(truth["asks"][0][0])

    def crossed(event):
        return [p for p, q in event["b"] if float(p) > best + 0.3 and float(q) > 0]

    # The market itself may have risen by then: of such bids, one is gone with the next message.
    before = []

    def mended(event):
        nonlocal before
        gone = {price for price, size in event["b"] if float(size) == 0}
        found, before = gone & set(before), crossed(event)
        return found

    await socket.until(mended, most=100)


async def test_too_many_messages_disconnect(talk):
    socket = await talk("public", "/ws")
    for number in range(12):
        await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
    assert await socket.end() == 1008


async def test_halt_delist_and_tick_size_show_in_exchange_info(remote):
    async def info():
        _, answer = await remote.get("/exchangeInfo")
        return {row["symbol"]: row for row in answer["symbols"]}

    await remote.arm("halt", symbol="BTCUSDT")
    await remote.arm("tick_size", symbol="ETHUSDT", value=10)
    await remote.arm("delist", symbol="SOLUSDT")
    told = await info()
    assert told["BTCUSDT"]["status"] == "BREAK"
    assert told["ETHUSDT"]["filters"][0]["tickSize"] == "0.10"
    assert "SOLUSDT" not in told
    status, refusal = await remote.get("/depth", symbol="SOLUSDT")
    assert (status, refusal["code"]) == (400, -1121)
    await remote.arm("delist", symbol="SOLUSDT", value=1)
    await remote.arm("rename", symbol="SOLUSDT", text="LUSUSDT")
    assert "LUSUSDT" in await info()
    status, _ = await remote.get("/depth", symbol="LUSUSDT")
    assert status == 200


async def test_a_refused_handshake_is_followed_by_a_good_one(remote, talk):
    await remote.arm("refuse_upgrade")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await talk("public", "/ws")
    assert await talk("public", "/ws")
