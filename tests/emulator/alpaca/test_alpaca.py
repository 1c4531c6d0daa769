"""Alpaca: login, one connection a feed, resets of the crypto book, corrections, pages, hours."""

import datetime as dt
import itertools

import pytest

from emulator.alpaca import hours

VENUES = ("alpaca",)
KEYS = {"key": "k" * 32, "secret": "s" * 32}
HEADERS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}


@pytest.fixture
def stream(talk):
    async def connect(feed):
        socket = await talk(feed)
        assert await socket.hear() == [{"T": "success", "msg": "connected"}]
        await socket.say({"action": "auth", **KEYS})
        assert await socket.hear() == [{"T": "success", "msg": "authenticated"}]
        return socket

    return connect


@pytest.fixture
def data(remote):
    async def get(path, **params):
        url = remote.emulator.urls()["alpaca"]["rest"] + path
        async with remote.session.get(url, params=params, headers=HEADERS) as answer:
            remote.headers = answer.headers
            return await answer.json()

    return get


def code(message):
    return message[0]["code"]


async def test_login_errors(remote, talk, stream):
    socket = await talk("stock")
    await socket.hear()
    await socket.say("{")
    assert code(await socket.hear()) == 400
    await socket.say({"action": "subscribe", "trades": ["AAPL"]})
    assert code(await socket.hear()) == 401
    await socket.say({"action": "auth", "key": "x", "secret": "y"})
    assert code(await socket.hear()) == 402
    first = await stream("stock")
    await first.say({"action": "auth", **KEYS})
    assert code(await first.hear()) == 403
    await socket.say({"action": "auth", **KEYS})
    assert code(await socket.hear()) == 406
    assert await socket.end() == 1008
    await first.say({"action": "subscribe", "orderbooks": ["AAPL"]})
    assert code(await first.hear()) == 410
    await first.say({"action": "subscribe", "trades": [str(i) for i in range(31)]})
    assert code(await first.hear()) == 405


async def test_a_login_must_come_in_time(remote, talk):
    remote.emulator.venues["alpaca"].authenticate_within_s = 0.1
    socket = await talk("stock")
    await socket.hear()
    assert code(await socket.hear()) == 404
    assert await socket.end() == 1008


async def test_stock_trades_and_quotes(stream):
    socket = await stream("sip")
    await socket.say({"action": "subscribe", "trades": ["AAPL"], "quotes": ["*"]})
    told = (await socket.hear())[0]
    assert told["T"] == "subscription"
    assert told["trades"] == told["corrections"] == told["cancelErrors"] == ["AAPL"]
    assert told["quotes"] == ["*"]
    seen = {}
    while not {"t", "q"} <= set(seen):
        message = (await socket.hear())[0]
        seen.setdefault(message["T"], message)
    assert set(seen["t"]) == {"T", "S", "i", "x", "p", "s", "c", "z", "t"}
    assert seen["t"]["S"] == "AAPL"
    assert seen["q"]["bp"] < seen["q"]["ap"]


async def test_the_crypto_book_resets_and_then_changes(remote, stream):
    socket = await stream("crypto")
    await socket.say({"action": "subscribe", "orderbooks": ["BTC/USD"]})
    assert (await socket.hear())[0]["orderbooks"] == ["BTC/USD"]
    first = (await socket.hear())[0]
    assert first["r"] is True
    book = {side: {row["p"]: row["s"] for row in first[side]} for side in "ba"}

    def apply(message):
        if message.get("r"):
            book["b"].clear()
            book["a"].clear()
        for side in "ba":
            for row in message[side]:
                book[side].pop(row["p"], None)
                if row["s"]:
                    book[side][row["p"]] = row["s"]

    for _ in range(5):
        message = (await socket.hear())[0]
        assert "r" not in message
        apply(message)
    truth = await remote.truth("BTC/USD")
    await remote.arm("seq_reset", symbol="BTC/USD")
    while not message.get("r"):
        message = (await socket.hear())[0]
        apply(message)
    for side, name in (("b", "bids"), ("a", "asks")):
        assert set(book[side].items()) == {(float(p), float(s)) for p, s in truth[name]}


@pytest.mark.parametrize(("kind", "type_"), [("correct_trade", "c"), ("cancel_trade", "x")])
async def test_corrections_and_cancels_of_trades(remote, stream, until, kind, type_):
    socket = await stream("stock")
    await socket.say({"action": "subscribe", "trades": ["AAPL"]})
    await socket.hear()
    trade = (await socket.hear())[0]
    await remote.control("POST", "flow", {"on": False})
    shard = remote.emulator.venues["alpaca"].market.shards["AAPL"]
    last = shard.trades[-1]
    await remote.arm(kind, symbol="AAPL")
    message = (await socket.until(lambda m: m[0]["T"] == type_))[0]
    assert message.get("oi", message.get("i")) == last.id
    assert trade["T"] == "t"


async def test_halts_are_told(remote, stream):
    socket = await stream("stock")
    await socket.say({"action": "subscribe", "statuses": ["AAPL"]})
    await socket.hear()
    await remote.arm("halt", symbol="AAPL")
    assert (await socket.hear())[0]["sc"] == "H"
    await remote.arm("halt", symbol="AAPL", value=1)
    assert (await socket.hear())[0]["sc"] == "T"


_SPAN = {"start": 50, "end": 3}
"""Minutes ago."""


async def test_bars_come_in_pages_over_symbols(data):
    now = dt.datetime.now(dt.UTC)
    # An end in the past: a minute that closes between two requests would be in one of them alone.
    span = {name: (now - dt.timedelta(minutes=back)).isoformat() for name, back in _SPAN.items()}
    asked = {"symbols": "MSFT,AAPL", "timeframe": "1Min", **span}
    whole = await data("/v2/stocks/bars", **asked)
    assert whole["next_page_token"] is None
    assert list(whole["bars"]) == ["AAPL", "MSFT"]
    pages, token = [], None
    while True:
        more = {"page_token": token} if token else {}
        page = await data("/v2/stocks/bars", **asked, limit=30, **more)
        pages += [(name, row["t"]) for name, rows in page["bars"].items() for row in rows]
        token = page["next_page_token"]
        if token is None:
            break
        assert sum(map(len, page["bars"].values())) == 30
    assert pages == [(name, row["t"]) for name, rows in whole["bars"].items() for row in rows]
    newest = await data("/v2/stocks/AAPL/bars", timeframe="1Min", **span, sort="desc", limit=2)
    assert [row["t"] for row in newest["bars"]] == [
        row["t"] for row in whole["bars"]["AAPL"][-1:-3:-1]
    ]


async def test_crypto_data_is_for_everybody_and_stock_data_is_not(remote):
    status, answer = await remote.get("/v1beta3/crypto/us/latest/orderbooks", symbols="BTC/USD")
    assert status == 200
    assert answer["orderbooks"]["BTC/USD"]["b"]
    status, answer = await remote.get("/v2/stocks/bars", symbols="AAPL", timeframe="1Min")
    assert (status, answer["message"]) == (403, "forbidden.")
    assert remote.headers["X-RateLimit-Limit"] == "200"


async def test_average_prices_of_coins_lie_within_their_bars_however_long(data):
    coins = ["BTC/USD", "ETH/USD", "SOL/USD"]
    for name, timeframe in itertools.product(coins, ("1Min", "1Hour", "1Day")):
        answer = await data(
            "/v1beta3/crypto/us/bars", symbols=name, timeframe=timeframe,
            start="2020-01-01T00:00:00Z", limit=10_000,
        )  # fmt: skip
        bars = answer["bars"][name]
        assert bars
        for bar in bars:
            assert bar["l"] <= bar["vw"] <= bar["h"] or not bar["n"], (name, timeframe, bar)


async def test_clock_calendar_and_assets(data):
    clock = await data("/v2/clock")
    assert clock["is_open"] is True
    days = await data("/v2/calendar", start="2026-11-23", end="2026-11-30")
    assert [day["date"][-2:] for day in days] == ["23", "24", "25", "27", "30"]
    assert days[3]["close"] == "13:00"
    assets = await data("/v2/assets")
    assert {row["symbol"] for row in assets} >= {"AAPL", "SPY", "BTC/USD"}
    assert (await data("/v2/assets/BTC/USD"))["class"] == "crypto"
    assert (await data(f"/v2/assets/{assets[0]['id']}"))["symbol"] == assets[0]["symbol"]


async def test_new_yorks_hours_are_kept_when_told_to(remote, data):
    await remote.arm("stock_hours", value=1)
    shard = remote.emulator.venues["alpaca"].market.shards["AAPL"]
    now = remote.emulator.venues["alpaca"].now_ms()
    assert shard.closed is not hours.is_open(now)
    assert (await data("/v2/clock"))["is_open"] is hours.is_open(now)


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        ("2026-01-01", False),
        ("2026-04-03", False),
        ("2026-06-19", False),
        ("2026-07-03", False),
        ("2026-11-26", False),
        ("2027-12-24", False),
        ("2021-12-31", True),
        ("2026-11-27", True),
    ],
)
def test_holidays_by_rule(day, open_):
    assert (hours.session(dt.date.fromisoformat(day)) is not None) is open_
