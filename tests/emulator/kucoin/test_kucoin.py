"""KuCoin: bullet and welcome, contiguous sequences, OCHL candles, pools and signed snapshots."""

import base64
import hashlib
import hmac

import aiohttp
import pytest

VENUES = ("kucoin",)


@pytest.fixture
def bullet(remote, talk):
    async def connect():
        _, answer = await remote.get("/api/v1/bullet-public", method="POST")
        token = answer["data"]["token"]
        socket = await talk(path=f"?token={token}&connectId=abc")
        return socket

    return connect


async def subscribed(bullet, topic):
    socket = await bullet()
    assert await socket.hear() == {"id": "abc", "type": "welcome"}
    await socket.say({"id": "1", "type": "subscribe", "topic": topic, "response": True})
    assert await socket.hear() == {"id": "1", "type": "ack"}
    return socket


async def signed(remote, path, secret="s" * 32):
    stamp = str(remote.emulator.venues["kucoin"].now_ms())
    made = hmac.new(secret.encode(), f"{stamp}GET{path}".encode(), hashlib.sha256).digest()
    headers = {
        "KC-API-KEY": "k" * 32,
        "KC-API-SIGN": base64.b64encode(made).decode(),
        "KC-API-TIMESTAMP": stamp,
        "KC-API-PASSPHRASE": "x",
        "KC-API-KEY-VERSION": "2",
    }
    url = remote.emulator.urls()["kucoin"]["rest"] + path
    async with remote.session.get(url, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_level2_is_contiguous_and_syncs_to_the_true_book(remote, bullet):
    socket = await subscribed(bullet, "/market/level2:BTC-USDT")
    waiting = [(await socket.hear())["data"]]
    path = "/api/v3/market/orderbook/level2?symbol=BTC-USDT"
    while True:
        status, answer = await signed(remote, path)
        assert status == 200
        image = answer["data"]
        if int(image["sequence"]) >= waiting[0]["sequenceStart"] - 1:
            break
        waiting.append((await socket.hear())["data"])
    book = {side: dict(image[side]) for side in ("bids", "asks")}
    truth = await remote.truth("BTC-USDT")
    last = previous = int(image["sequence"])
    while last < truth["update_id"]:
        data = waiting.pop(0) if waiting else (await socket.hear())["data"]
        if data["sequenceEnd"] <= previous:
            continue
        assert data["sequenceStart"] <= last + 1
        for side in ("bids", "asks"):
            for price, size, number in data["changes"][side]:
                assert data["sequenceStart"] <= int(number) <= data["sequenceEnd"]
                if int(number) > previous:
                    book[side].pop(price, None)
                    if size != "0":
                        book[side][price] = size
        last = data["sequenceEnd"]
    for side in ("bids", "asks"):
        assert sorted(book[side].items()) == sorted(map(tuple, truth[side]))


async def test_a_wrong_signature_or_none_gets_no_snapshot(remote):
    path = "/api/v3/market/orderbook/level2?symbol=BTC-USDT"
    status, answer = await signed(remote, path, secret="wrong")
    assert (status, answer["code"]) == (401, "400005")
    status, answer = await remote.get("/api/v3/market/orderbook/level2", symbol="BTC-USDT")
    assert (status, answer["code"]) == (401, "400001")
    status, answer = await remote.get("/api/v1/market/orderbook/level2_20", symbol="BTC-USDT")
    assert len(answer["data"]["bids"]) == 20


async def test_a_token_is_needed_and_expires(remote, talk, bullet):
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await talk(path="?token=guess&connectId=1")
    remote.emulator.venues["kucoin"].issue()
    assert await bullet()


async def test_no_welcome_by_a_fault(remote, bullet):
    await remote.arm("no_welcome")
    socket = await bullet()
    await socket.say({"id": "7", "type": "ping"})
    assert (await socket.hear())["type"] == "pong"


async def test_trades_and_their_nanoseconds(remote, bullet):
    socket = await subscribed(bullet, "/market/match:BTC-USDT,ETH-USDT")
    seen = [(await socket.hear())["data"] for _ in range(6)]
    for data in seen:
        assert len(data["time"]) == 19
        assert data["side"] in ("buy", "sell")
    rows = [int(data["sequence"]) for data in seen if data["symbol"] == "BTC-USDT"]
    assert rows == list(range(rows[0], rows[0] + len(rows)))
    _, truth = await remote.control("GET", f"trades?symbol=BTC-USDT&from_id={rows[0]}&limit=1")
    data = next(data for data in seen if int(data["sequence"]) == rows[0])
    assert (data["price"], data["size"]) == (truth[0]["price"], truth[0]["size"])


async def test_candles_are_time_open_close_high_low(remote, bullet):
    _, answer = await remote.get("/api/v1/market/candles", symbol="BTC-USDT", type="1min")
    rows = [[float(text) for text in row] for row in answer["data"]]
    assert len(rows) == 1500
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    for _, o, c, h, low, *_ in rows:
        assert h >= max(o, c)
        assert low <= min(o, c)
    end = int(rows[10][0])
    _, page = await remote.get(
        "/api/v1/market/candles", symbol="BTC-USDT", type="1min", startAt=end - 300, endAt=end
    )
    assert [float(row[0]) for row in page["data"]] == [end - 60 * i for i in range(1, 6)]


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("gap", lambda last, data: data["sequenceStart"] > last + 1),
        ("duplicate", lambda last, data: data["sequenceEnd"] == last),
        ("seq_reset", lambda last, data: data["sequenceEnd"] < last - 10_000),
    ],
)
async def test_faults_of_the_sequence(remote, bullet, kind, seen):
    socket = await subscribed(bullet, "/market/level2:BTC-USDT")
    last = (await socket.hear())["data"]["sequenceEnd"]
    await remote.arm(kind, symbol="BTC-USDT")
    for _ in range(30):
        data = (await socket.hear())["data"]
        if seen(last, data):
            return
        last = data["sequenceEnd"]
    pytest.fail("it did not strike")


async def test_snapshots_that_never_catch_up(remote):
    await remote.arm("frozen_snapshot", count=3)
    sequences = []
    for _ in range(4):
        remote.emulator.world.step(400_000_000)
        _, answer = await remote.get("/api/v1/market/orderbook/level2_20", symbol="BTC-USDT")
        sequences.append(int(answer["data"]["sequence"]))
    assert sequences[0] == sequences[1] == sequences[2] < sequences[3]


async def test_errors_and_headers(remote, bullet):
    status, answer = await remote.get("/api/v1/market/orderbook/level1", symbol="NO-SUCH")
    assert (status, answer["code"]) == (400, "900001")
    assert int(remote.headers["gw-ratelimit-remaining"]) < 2000
    await remote.arm("rate_limit_bare")
    status, answer = await remote.get("/api/v1/timestamp")
    assert (status, answer["code"]) == (429, "429000")
    assert "Retry-After" not in remote.headers
    await remote.arm("error_in_200")
    assert await remote.get("/api/v1/timestamp") == (
        200,
        {"code": "500000", "msg": "Internal Server Error"},
    )
    socket = await bullet()
    await socket.hear()
    await socket.say({"id": "1", "type": "subscribe", "topic": "/market/level2:NO-SUCH"})
    assert (await socket.hear())["type"] == "error"


async def test_silence_for_a_minute_closes(remote, bullet, monkeypatch):
    venue = remote.emulator.venues["kucoin"]
    monkeypatch.setattr(type(venue), "habits", type(venue.habits)(unheard_s=0.2))
    socket = await bullet()
    assert await socket.end() == 1000
