"""Unmodified ccxt.pro on every venue it speaks; only its URLs are changed."""

import asyncio

import pytest

pro = pytest.importorskip("ccxt.pro")

from ccxt.base.errors import (  # noqa: E402
    ChecksumError,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
)

VENUES = ("binancefut", "okx", "kucoin", "coinbase", "deribit")
SPEED = {"kucoin": 1.0}  # It signs.
SYMBOLS = {
    "binancefut": "BTC/USDT:USDT",
    "okx": "BTC/USDT",
    "kucoin": "BTC/USDT",
    "coinbase": "BTC/USD",
    "deribit": "BTC/USD:BTC",
}
IDS = {
    "binancefut": "BTCUSDT",
    "okx": "BTC-USDT",
    "kucoin": "BTC-USDT",
    "coinbase": "BTC-USD",
    "deribit": "BTC-PERPETUAL",
}


def futures(urls):
    made = pro.binanceusdm(
        {"options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}}
    )
    for name in [name for name in made.urls["api"] if name.startswith("fapi")]:
        made.urls["api"][name] = urls["rest"]
    # ccxt puts the routed roots in itself, into a URL that ends in /ws.
    root = urls["market"].removesuffix("/market")
    made.urls["api"]["ws"]["future"] = made.urls["api"]["ws"]["linear"] = root + "/ws"
    return made


def okx(urls):
    made = pro.okx({"options": {"fetchMarkets": {"types": ["spot", "swap"]}}})
    made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v5")
    made.urls["api"]["ws"] = urls["public"].removesuffix("/public")
    return made


def kucoin(urls):
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "uta": False}
    made = pro.kucoin({"apiKey": "k" * 32, "secret": "s" * 32, "password": "x", "options": options})
    for name in ("public", "private", "uta", "futuresPublic"):
        made.urls["api"][name] = urls["rest"]
    return made


def coinbase(urls):
    made = pro.coinbase()
    made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v3/brokerage")
    made.urls["api"]["ws"] = urls["ws"]
    return made


def deribit(urls):
    made = pro.deribit()
    made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v2")
    made.urls["api"]["ws"] = urls["ws"]
    return made


MAKERS = {
    "binancefut": futures,
    "okx": okx,
    "kucoin": kucoin,
    "coinbase": coinbase,
    "deribit": deribit,
}


@pytest.fixture
async def exchange(world):
    made = []

    async def connect(venue):
        client = MAKERS[venue](world.urls()[venue])
        client.enableRateLimit = venue == "coinbase"
        made.append(client)
        await client.load_markets()
        return client

    yield connect
    for client in made:
        await client.close()


async def watch_book(client, symbol):
    """Watch as a ccxt user must: after a ChecksumError the book starts anew."""
    for _ in range(50):
        try:
            return await asyncio.wait_for(client.watch_order_book(symbol), 10)
        except ChecksumError:
            continue
    raise AssertionError("the book never came")


def top(book, levels=20):
    return [[level[:2] for level in book[side][:levels]] for side in ("bids", "asks")]


@pytest.mark.parametrize("venue", VENUES)
async def test_rest(exchange, venue):
    client = await exchange(venue)
    symbol = SYMBOLS[venue]
    market = client.market(symbol)
    assert market["id"] == IDS[venue]
    assert market["active"]
    assert market["precision"]["price"] in (0.01, 0.1, 0.5)
    book = await client.fetch_order_book(symbol, 20)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["bids"]) == 20
    bars = await client.fetch_ohlcv(symbol, "1m", limit=100)
    assert 99 <= len(bars) <= 100
    assert [bar[0] for bar in bars] == sorted(bar[0] for bar in bars)
    assert all(low <= min(o, c) and h >= max(o, c) for _, o, h, low, c, _ in bars)
    ticker = await client.fetch_ticker(symbol)
    assert abs(ticker["last"] / bars[-1][4] - 1) < 0.01


@pytest.mark.parametrize("venue", VENUES)
async def test_the_watched_book_becomes_the_true_one(exchange, remote, until, venue):
    client = await exchange(venue)
    symbol = SYMBOLS[venue]
    for _ in range(6):
        await watch_book(client, symbol)
    truth = await remote.truth(IDS[venue], venue)
    best = [
        [[float(price), float(size)] for price, size in truth[side][:20]]
        for side in ("bids", "asks")
    ]

    async def follow():
        while top(client.orderbooks[symbol]) != best:
            await watch_book(client, symbol)

    await asyncio.wait_for(follow(), 15)
    assert top(client.orderbooks[symbol]) == best


@pytest.mark.parametrize("venue", VENUES)
async def test_watched_trades_are_the_ones_made(exchange, remote, venue):
    client = await exchange(venue)
    trades = await asyncio.wait_for(client.watch_trades(SYMBOLS[venue]), 15)
    _, made = await remote.control("GET", f"trades?venue={venue}&symbol={IDS[venue]}")
    true = {(float(row["price"]), row["side"], row["ts_ms"]) for row in made}
    # ccxt makes KuCoin's nanoseconds milliseconds in floats, and may cut one off.
    off = (0, 1, -1) if venue == "kucoin" else (0,)
    for trade in trades:
        at = trade["timestamp"]
        assert any((trade["price"], trade["side"], at + ms) in true for ms in off)


@pytest.mark.parametrize("venue", [name for name in VENUES if name != "coinbase"])
async def test_watched_bars(exchange, venue):
    client = await exchange(venue)
    bars = await asyncio.wait_for(client.watch_ohlcv(SYMBOLS[venue], "1m"), 15)
    assert bars[-1][0] % 60_000 == 0
    assert bars[-1][3] <= bars[-1][4] <= bars[-1][2]


@pytest.mark.parametrize("venue", ["binancefut", "okx", "deribit"])
async def test_funding_and_marks_of_perpetuals(exchange, venue):
    client = await exchange(venue)
    symbol = {"okx": "BTC/USDT:USDT"}.get(venue, SYMBOLS[venue])
    rate = await client.fetch_funding_rate(symbol)
    assert abs(rate["fundingRate"]) < 0.004
    history = await client.fetch_funding_rate_history(symbol, limit=3)
    assert len(history) >= 3
    if venue != "deribit":
        interest = await client.fetch_open_interest(symbol)
        assert interest["openInterestAmount"] > 0
        mark = await asyncio.wait_for(client.watch_mark_price(symbol), 15)
        assert mark["markPrice"] > 0


async def test_deribits_options_have_greeks(exchange):
    client = await exchange("deribit")
    option = next(name for name, market in client.markets.items() if market["option"])
    greeks = await client.fetch_greeks(option)
    assert -1 <= greeks["delta"] <= 1
    assert greeks["vega"] > 0


@pytest.mark.parametrize("venue", VENUES)
async def test_faults_look_to_ccxt_as_they_would_live(exchange, remote, venue):
    client = await exchange(venue)
    for kind, value, error in (
        ("rate_limit_now", 429, NetworkError),
        ("rate_limit_bare", 429, NetworkError),
        ("html_5xx", 502, ExchangeNotAvailable),
        ("waf_403", 0, NetworkError),
        ("gzip_error", 0, ExchangeError),
    ):
        await remote.arm(kind, venue=venue, value=value)
        with pytest.raises(error):
            await client.fetch_order_book(SYMBOLS[venue], 20)
    assert await client.fetch_order_book(SYMBOLS[venue], 20)
