"""Public REST: shapes, ranges and the venue's own refusals."""

import pytest


async def test_time_and_ping_answer(client):
    assert await client.public("ping") == (200, {})
    status, answer = await client.public("time")
    assert status == 200
    assert abs(answer["serverTime"] - client.emulator.venue.now_ms()) < 5_000


async def test_exchange_info_lists_six_symbols_with_every_filter(client):
    _, info = await client.public("exchangeInfo")
    assert [symbol["symbol"] for symbol in info["symbols"]] == [
        "BTCUSDT",
        "ETHUSDT",
        "SOLUSDT",
        "BNBUSDT",
        "XRPUSDT",
        "DOGEUSDT",
    ]
    for symbol in info["symbols"]:
        kinds = {entry["filterType"] for entry in symbol["filters"]}
        assert kinds >= {
            "PRICE_FILTER",
            "LOT_SIZE",
            "MARKET_LOT_SIZE",
            "NOTIONAL",
            "PERCENT_PRICE_BY_SIDE",
            "MAX_NUM_ORDERS",
        }


async def test_exchange_info_of_chosen_symbols(client):
    _, info = await client.public("exchangeInfo", symbols='["ETHUSDT","BTCUSDT"]')
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["ETHUSDT", "BTCUSDT"]


@pytest.mark.parametrize(
    ("limit", "weight"), [(5, 5), (100, 5), (101, 25), (500, 25), (1000, 50), (5000, 250)]
)
async def test_depth_is_sorted_and_weighs_by_its_limit(client, limit, weight):
    status, book = await client.public("depth", symbol="BTCUSDT", limit=limit)
    assert status == 200
    assert client.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
    bids = [float(price) for price, _ in book["bids"]]
    asks = [float(price) for price, _ in book["asks"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert len(bids) == min(limit, len(bids))


async def test_klines_newest_and_from_a_start_time(client):
    _, newest = await client.public("klines", symbol="BTCUSDT", interval="1m", limit=5)
    assert len(newest) == 5
    assert [row[0] - newest[0][0] for row in newest] == [n * 60_000 for n in range(5)]
    start = newest[0][0] - 86_400_000
    _, older = await client.public(
        "klines", symbol="BTCUSDT", interval="1m", startTime=start, limit=3
    )
    assert [row[0] for row in older] == [start + n * 60_000 for n in range(3)]
    assert len(older[0]) == 12
    assert older[0][6] == start + 59_999


async def test_klines_pages_join_without_hole_or_overlap(client):
    now = client.emulator.venue.now_ms()
    start, rows = now // 3_600_000 * 3_600_000 - 50 * 3_600_000, []
    while True:
        _, page = await client.public(
            "klines", symbol="ETHUSDT", interval="5m", startTime=start, limit=250
        )
        if not page:
            break
        rows += page
        start = page[-1][0] + 1
    opens = [row[0] for row in rows]
    assert opens == list(range(opens[0], opens[0] + 300_000 * len(opens), 300_000))
    assert opens[-1] == now // 300_000 * 300_000


async def test_klines_of_all_intervals_answer(client):
    for interval in ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w", "1M"):
        status, rows = await client.public("klines", symbol="BTCUSDT", interval=interval)
        assert status == 200
        assert rows


@pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1w", "1M"])
@pytest.mark.parametrize(("first", "last"), [(2**62 - 1, None), (0, 0), (10**13, 5), (None, 0)])
async def test_klines_of_impossible_ranges_are_empty(client, interval, first, last):
    params = {"startTime": first, "endTime": last}
    params = {name: value for name, value in params.items() if value is not None}
    status, rows = await client.public("klines", symbol="BTCUSDT", interval=interval, **params)
    assert (status, rows) == (200, [])


async def test_trades_and_aggregates_page_by_id(client, until):
    shard = client.emulator.venue.market.shards["BTCUSDT"]
    await until(lambda: len(shard.trades) > 5)
    _, newest = await client.public("trades", symbol="BTCUSDT", limit=5)
    assert [row["id"] for row in newest] == list(range(newest[0]["id"], newest[0]["id"] + 5))
    _, all_of_them = await client.public("aggTrades", symbol="BTCUSDT", limit=1000)
    _, page = await client.public("aggTrades", symbol="BTCUSDT", fromId=all_of_them[1]["a"])
    assert page[0] == all_of_them[1]
    _, since = await client.public("aggTrades", symbol="BTCUSDT", startTime=all_of_them[2]["T"])
    assert all(row["T"] >= all_of_them[2]["T"] for row in since)
    assert all_of_them[2] in since


async def test_tickers_answer_one_or_many(client):
    _, one = await client.public("ticker/24hr", symbol="BTCUSDT")
    _, many = await client.public("ticker/24hr")
    assert one["symbol"] == "BTCUSDT"
    assert len(many) == 6
    assert float(one["lowPrice"]) <= float(one["lastPrice"]) <= float(one["highPrice"])
    _, price = await client.public("ticker/price", symbol="XRPUSDT")
    _, quotes = await client.public("ticker/bookTicker", symbols='["XRPUSDT"]')
    assert float(quotes[0]["bidPrice"]) < float(quotes[0]["askPrice"])
    assert 0.5 < float(price["price"]) / float(quotes[0]["bidPrice"]) < 2


@pytest.mark.parametrize(
    ("path", "params", "code", "words"),
    [
        ("depth", {}, -1102, "Mandatory parameter 'symbol'"),
        ("depth", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ("depth", {"symbol": "btcusdt"}, -1100, "legal range"),
        ("depth", {"symbol": "BTCUSDT", "limit": "x"}, -1100, "parameter 'limit'"),
        ("depth", {"symbol": "BTCUSDT", "limit": 0}, -1130, "'limit'"),
        (
            "depth",
            {"symbol": "BTCUSDT", "what": 1},
            -1104,
            "read '1' parameter(s) but was sent '2'",
        ),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120, "Invalid interval."),
        ("klines", {"symbol": "BTCUSDT"}, -1102, "'interval'"),
        ("trades", {"symbol": "BTCUSDT", "fromId": 2**63}, -1108, "'fromId' overflowed"),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": ""}, -1105, "was empty"),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128, "Combination"),
        ("ticker/price", {"symbol": "BTCUSDT", "symbols": "[]"}, -1128, "Combination"),
        ("ticker/price", {"symbols": "BTCUSDT"}, -1100, "parameter 'symbols'"),
    ],
)
async def test_bad_requests_are_refused_in_the_venues_words(client, path, params, code, words):
    status, answer = await client.public(path, **params)
    assert status == 400
    assert answer["code"] == code
    assert words in answer["msg"]


async def test_duplicate_parameter_is_refused(client):
    status, answer = await client._read("GET", "/api/v3/depth?symbol=BTCUSDT&symbol=BTCUSDT", {})
    assert (status, answer["code"]) == (400, -1101)


async def test_the_same_routes_live_under_a_prefix(client):
    status, _ = await client._read("GET", "/binance/api/v3/time", {})
    assert status == 200
