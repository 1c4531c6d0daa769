"""The venues' published OpenAPI files as referees of our replies."""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

_DEFAULT = Path(__file__).parents[3] / "shared" / "specs"
SPECS = Path(os.environ.get("CLX_VENUE_SPECS", _DEFAULT))
pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason=f"{SPECS} is absent; set CLX_VENUE_SPECS to the folder of specs"
)
HEADERS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
NOW = object()
"""Stands for the venue's time in ms in the parameters below."""
HOUR_AGO = object()

FILES = {
    "binancefut": "binance_umfutures_openapi.yaml",
    "okx": "okx_rest_openapi.yaml",
    "kucoin": "kucoin_spot_openapi.json",
    "coinbase": "coinbase_advanced_openapi_generated.yml",
    "deribit": "deribit_openapi_official.json",
    "alpaca": "alpaca_marketdata_openapi.json",
}
BTC = {"symbol": "BTCUSDT"}
SPOT = {"instId": "BTC-USDT"}
SWAP = {"instId": "BTC-USDT-SWAP"}
PAIR = {"symbol": "BTC-USDT"}
PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
WINDOW = {"start_timestamp": HOUR_AGO, "end_timestamp": NOW}
STOCKS = {"symbols": "AAPL,SPY"}
COINS = {"symbols": "BTC/USD"}
# venue, path in the spec, path under the venue's REST URL, parameters
REPLIES = [
    ("binancefut", "/fapi/v1/time", "/time", {}),
    ("binancefut", "/fapi/v1/exchangeInfo", "/exchangeInfo", {}),
    ("binancefut", "/fapi/v1/depth", "/depth", BTC),
    ("binancefut", "/fapi/v1/trades", "/trades", BTC),
    ("binancefut", "/fapi/v1/aggTrades", "/aggTrades", BTC),
    ("binancefut", "/fapi/v1/klines", "/klines", {**BTC, "interval": "1m"}),
    ("binancefut", "/fapi/v1/premiumIndex", "/premiumIndex", BTC),
    ("binancefut", "/fapi/v1/fundingRate", "/fundingRate", BTC),
    ("binancefut", "/fapi/v1/fundingInfo", "/fundingInfo", {}),
    ("binancefut", "/fapi/v1/openInterest", "/openInterest", BTC),
    ("binancefut", "/fapi/v1/ticker/24hr", "/ticker/24hr", BTC),
    ("binancefut", "/fapi/v1/ticker/price", "/ticker/price", BTC),
    ("binancefut", "/fapi/v1/ticker/bookTicker", "/ticker/bookTicker", BTC),
    ("okx", "/api/v5/public/time", "/public/time", {}),
    ("okx", "/api/v5/public/instruments", "/public/instruments", {"instType": "SWAP"}),
    ("okx", "/api/v5/market/books", "/market/books", {**SPOT, "sz": 5}),
    ("okx", "/api/v5/market/candles", "/market/candles", SPOT),
    ("okx", "/api/v5/market/history-candles", "/market/history-candles", SPOT),
    ("okx", "/api/v5/market/trades", "/market/trades", SPOT),
    ("okx", "/api/v5/market/ticker", "/market/ticker", SPOT),
    ("okx", "/api/v5/market/tickers", "/market/tickers", {"instType": "SPOT"}),
    ("okx", "/api/v5/public/funding-rate", "/public/funding-rate", SWAP),
    (
        "okx",
        "/api/v5/public/position-tiers",
        "/public/position-tiers",
        {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT,ETH-USDT"},
    ),
    ("okx", "/api/v5/public/funding-rate-history", "/public/funding-rate-history", SWAP),
    ("okx", "/api/v5/public/open-interest", "/public/open-interest", {"instType": "SWAP"}),
    ("okx", "/api/v5/public/mark-price", "/public/mark-price", {"instType": "SWAP"}),
    ("okx", "/api/v5/public/price-limit", "/public/price-limit", SPOT),
    *(
        ("kucoin", path, path, params)
        for path, params in (
            ("/api/v1/timestamp", {}),
            ("/api/v1/status", {}),
            ("/api/v2/symbols", {}),
            ("/api/v1/market/candles", {**PAIR, "type": "1min"}),
            ("/api/v1/market/histories", PAIR),
            ("/api/v1/market/stats", PAIR),
            ("/api/v1/market/allTickers", {}),
            ("/api/v1/market/orderbook/level1", PAIR),
        )
    ),
    ("coinbase", "/products", "/market/products", {}),
    ("coinbase", "/products/{product_id}", "/market/products/BTC-USD", {}),
    ("coinbase", "/products/{product_id}/ticker", "/market/products/BTC-USD/ticker", {}),
    ("coinbase", "/product_book", "/market/product_book", {"product_id": "BTC-USD"}),
    *(
        ("deribit", path, path, params)
        for path, params in (
            ("/public/get_time", {}),
            ("/public/get_instruments", {"currency": "BTC"}),
            ("/public/get_order_book", PERPETUAL),
            ("/public/ticker", PERPETUAL),
            ("/public/get_last_trades_by_instrument", PERPETUAL),
            ("/public/get_tradingview_chart_data", {**PERPETUAL, **WINDOW, "resolution": "1"}),
            ("/public/get_funding_rate_history", {**PERPETUAL, **WINDOW}),
            ("/public/get_index_price", {"index_name": "btc_usd"}),
            ("/public/get_book_summary_by_currency", {"currency": "BTC"}),
            (
                "/public/get_volatility_index_data",
                {"currency": "BTC", "resolution": "60", **WINDOW},
            ),
        )
    ),
    *(
        ("alpaca", path.replace("/us/", "/{loc}/"), path, params)
        for path, params in (
            ("/v2/stocks/bars", {**STOCKS, "timeframe": "1Min", "limit": 10}),
            ("/v2/stocks/bars/latest", STOCKS),
            ("/v2/stocks/quotes/latest", STOCKS),
            ("/v1beta3/crypto/us/bars", {**COINS, "timeframe": "1Hour"}),
            ("/v1beta3/crypto/us/latest/orderbooks", COINS),
            ("/v1beta3/crypto/us/latest/quotes", COINS),
            ("/v1beta3/crypto/us/snapshots", COINS),
        )
    ),
]


SPEC_MISTAKES = {
    # The generated file takes levels for text.
    ("okx", "$.data.asks"),
    ("okx", "$.data.bids"),
    # Its schema says one object, its own example a list of them.
    ("deribit", "$.result.tick_size_steps"),
    # Options are quoted in their coin, as recorded.
    ("deribit", "$.result.quote_currency"),
    # Null where nobody quotes, as the fields' own descriptions say.
    *(("deribit", f"$.result.{name}_price") for name in ("bid", "ask", "mid")),
    # Null when there is no more, as its description says.
    ("deribit", "$.result.continuation"),
    # Null where no auction is on, in the file's own examples.
    *(
        ("kucoin", f"$.data.{name}")
        for name in (
            "callauctionPriceFloor",
            "callauctionPriceCeiling",
            "callauctionFirstStageStartTime",
            "callauctionSecondStageStartTime",
            "callauctionThirdStageStartTime",
            "tradingStartTime",
        )
    ),
}
"""Places where a published file contradicts its own examples or recorded replies."""


@cache
def load(name):
    text = (SPECS / name).read_text()
    if name.endswith("json"):
        return json.loads(text)
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def resolved(spec, node):
    while "$ref" in node:
        found = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def modern(node):
    """Return a schema of OpenAPI 3.0 as JSON Schema has it: ``nullable`` is a type."""
    if isinstance(node, list):
        return [modern(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: modern(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


@cache
def components(name):
    return modern(load(name)["components"])


def known(venue, error):
    """Whether the spec is wrong here, by its own examples or by what was recorded."""
    place = re.sub(r"\[\d+\]", "", error.json_path)
    return (venue, place) in SPEC_MISTAKES


@pytest.fixture(scope="module", autouse=True)
def free():
    yield
    load.cache_clear()
    components.cache_clear()


@pytest.mark.parametrize("venue", FILES)
async def test_replies_are_as_published(remote, until, venue):
    name = FILES[venue]
    if not (SPECS / name).is_file():
        pytest.skip(f"{SPECS / name} is absent")
    spec = load(name)
    now = remote.emulator.venues[venue].now_ms()
    times = {NOW: now, HOUR_AGO: now - 3_600_000}
    shards = remote.emulator.venues[venue].market.shards
    await until(lambda: len(next(iter(shards.values())).trades) > 1)
    remote.session.headers.update(HEADERS)
    for _, published, path, params in [reply for reply in REPLIES if reply[0] == venue]:
        sent = {key: times.get(value, value) for key, value in params.items()}
        status, reply = await remote.get(path, **sent)
        assert status == 200, (path, reply)
        assert reply, path
        answer = resolved(spec, spec["paths"][published]["get"]["responses"]["200"])
        schema = modern(answer["content"]["application/json"]["schema"])
        validator = jsonschema.Draft202012Validator({**schema, "components": components(name)})
        found = [error for error in validator.iter_errors(reply) if not known(venue, error)]
        errors = [f"{error.json_path}: {error.message[:200]}" for error in found]
        assert not errors, (path, errors[:3])
