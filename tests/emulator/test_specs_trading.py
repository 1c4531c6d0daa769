"""The venues' published OpenAPI files as referees of what signed requests are answered."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import pytest
from yarl import URL

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

_DEFAULT = Path(__file__).parents[3] / "shared" / "specs"
SPECS = Path(os.environ.get("CLX_VENUE_SPECS", _DEFAULT))
pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason=f"{SPECS} is absent; set CLX_VENUE_SPECS to the folder of specs"
)
VENUES = ("binancefut", "okx", "deribit")
KEY, SECRET = "k" * 32, "s" * 32
FILES = {
    "binancefut": "binance_umfutures_openapi.yaml",
    "okx": "okx_rest_openapi.yaml",
    "deribit": "deribit_openapi_official.json",
}
BTC, SWAP, PERP = "BTCUSDT", "BTC-USDT-SWAP", "BTC-PERPETUAL"
LIMIT = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
LEG = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1"}
STOP = {**LEG, "side": "sell", "ordType": "conditional", "slTriggerPx": "40000", "slOrdPx": "-1"}
SPAN = {"start_timestamp": 0, "end_timestamp": 1 << 50}
ONE = {"instrument_name": PERP}
# What is asked for, in order: method, path, arguments. PX stands for a price that rests.
ASKED = {
    "binancefut": [
        ("POST", "/fapi/v1/order", {**LIMIT, "price": "PX", "newClientOrderId": "a"}),
        ("GET", "/fapi/v1/order", {"symbol": BTC, "origClientOrderId": "a"}),
        ("PUT", "/fapi/v1/order", {"symbol": BTC, "side": "BUY", "quantity": "0.02",
                                   "price": "PX", "origClientOrderId": "a"}),
        ("GET", "/fapi/v1/openOrders", {"symbol": BTC}),
        ("GET", "/fapi/v1/openOrder", {"symbol": BTC, "origClientOrderId": "a"}),
        ("POST", "/fapi/v1/countdownCancelAll", {"symbol": BTC, "countdownTime": 0}),
        ("DELETE", "/fapi/v1/order", {"symbol": BTC, "origClientOrderId": "a"}),
        ("POST", "/fapi/v1/order", {"symbol": BTC, "side": "BUY", "type": "MARKET",
                                    "quantity": "0.1"}),
        ("GET", "/fapi/v1/allOrders", {"symbol": BTC}),
        ("GET", "/fapi/v1/userTrades", {"symbol": BTC}),
        ("GET", "/fapi/v1/income", {}),
        ("GET", "/fapi/v2/balance", {}),
        ("GET", "/fapi/v3/balance", {}),
        ("GET", "/fapi/v2/account", {}),
        ("GET", "/fapi/v3/account", {}),
        ("GET", "/fapi/v2/positionRisk", {"symbol": BTC}),
        ("GET", "/fapi/v3/positionRisk", {"symbol": BTC}),
        ("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 10}),
        ("GET", "/fapi/v1/leverageBracket", {}),
        ("GET", "/fapi/v1/positionSide/dual", {}),
        ("GET", "/fapi/v1/multiAssetsMargin", {}),
        ("GET", "/fapi/v1/accountConfig", {}),
        ("GET", "/fapi/v1/symbolConfig", {}),
        ("GET", "/fapi/v1/commissionRate", {"symbol": BTC}),
        ("DELETE", "/fapi/v1/allOpenOrders", {"symbol": BTC}),
    ],
    "okx": [
        ("POST", "/api/v5/trade/order", {**LEG, "px": "PX", "clOrdId": "a"}),
        ("GET", "/api/v5/trade/order", {"instId": SWAP, "clOrdId": "a"}),
        ("GET", "/api/v5/trade/orders-pending", {}),
        ("POST", "/api/v5/trade/amend-order", {"instId": SWAP, "clOrdId": "a", "newSz": "2"}),
        ("POST", "/api/v5/trade/cancel-order", {"instId": SWAP, "clOrdId": "a"}),
        ("POST", "/api/v5/trade/batch-orders", [{**LEG, "ordType": "market"}]),
        ("GET", "/api/v5/trade/orders-history", {"instType": "SWAP"}),
        ("GET", "/api/v5/trade/fills", {}),
        ("GET", "/api/v5/trade/fills-history", {"instType": "SWAP"}),
        ("POST", "/api/v5/trade/order-algo", {**STOP, "algoClOrdId": "stop"}),
        ("GET", "/api/v5/trade/order-algo", {"algoClOrdId": "stop"}),
        ("GET", "/api/v5/trade/orders-algo-pending", {"ordType": "conditional"}),
        ("POST", "/api/v5/trade/cancel-algos", [{"algoClOrdId": "stop", "instId": SWAP}]),
        ("GET", "/api/v5/trade/orders-algo-history", {"ordType": "conditional",
                                                      "state": "canceled"}),
        ("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "0"}),
        ("GET", "/api/v5/account/balance", {}),
        ("GET", "/api/v5/account/positions", {}),
        ("GET", "/api/v5/account/bills", {}),
        ("GET", "/api/v5/account/config", {}),
        ("GET", "/api/v5/account/leverage-info", {"instId": SWAP, "mgnMode": "cross"}),
        ("POST", "/api/v5/account/set-leverage", {"instId": SWAP, "lever": "5",
                                                  "mgnMode": "cross"}),
        ("GET", "/api/v5/account/trade-fee", {"instType": "SWAP"}),
        ("GET", "/api/v5/account/max-size", {"instId": SWAP, "tdMode": "cross"}),
        ("POST", "/api/v5/trade/close-position", {"instId": SWAP, "mgnMode": "cross"}),
    ],
    "deribit": [
        ("GET", "/private/buy", {**ONE, "amount": 100, "price": "PX", "label": "a"}),
        ("GET", "/private/get_order_state_by_label", {"currency": "BTC", "label": "a"}),
        ("GET", "/private/get_open_orders", {}),
        ("GET", "/private/get_open_orders_by_instrument", ONE),
        ("GET", "/private/get_open_orders_by_currency", {"currency": "BTC"}),
        ("GET", "/private/cancel_by_label", {"label": "a"}),
        ("GET", "/private/sell", {**ONE, "amount": 100, "type": "market"}),
        ("GET", "/private/sell", {**ONE, "amount": 10, "type": "stop_market",
                                  "trigger": "mark_price", "trigger_price": 30_000}),
        ("GET", "/private/get_user_trades_by_instrument", ONE),
        ("GET", "/private/get_user_trades_by_currency", {"currency": "BTC"}),
        ("GET", "/private/get_order_history_by_instrument", ONE),
        ("GET", "/private/get_positions", {"currency": "BTC"}),
        ("GET", "/private/get_position", ONE),
        ("GET", "/private/get_account_summary", {"currency": "BTC", "extended": "true"}),
        ("GET", "/private/get_account_summaries", {}),
        ("GET", "/private/get_transaction_log", {"currency": "BTC", **SPAN}),
        ("GET", "/private/cancel_all", {}),
        ("GET", "/private/close_position", {**ONE, "type": "market"}),
    ],
}  # fmt: skip
MISTAKES = {
    # Text by the file, true or false by Binance's own SDK.
    ("binancefut", "isAutoAddMargin"),
    # Always null by its own description.
    ("deribit", "matching_id"),
    # Text by the file, true or false in its examples and in what was recorded.
    ("deribit", "reduce_only"),
    ("deribit", "post_only"),
    # Null when there is no more, as its description says.
    ("deribit", "continuation"),
    # A list in what was recorded.
    ("deribit", "fees"),
    # Null and false in what was recorded.
    ("deribit", "referrer_id"),
    ("deribit", "self_trading_extended_to_subaccounts"),
}
"""Fields in which a published file contradicts a better witness."""


class Signer:
    """Asks a venue as its file says, signed."""

    def __init__(self, remote):
        self.remote = remote

    async def ask(self, venue, method, path, args):
        house = self.remote.emulator.venues[venue]
        base = self.remote.emulator.urls()[venue]["rest"]
        headers, body, query = {}, "", ""
        if venue == "binancefut":
            query = urlencode({**args, "timestamp": house.now_ms()})
            signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
            query, headers = f"{query}&signature={signature}", {"X-MBX-APIKEY": KEY}
            base = base.removesuffix("/fapi/v1")
        elif venue == "okx":
            base = base.removesuffix("/api/v5")
            query = urlencode(args) if method == "GET" else ""
            body = "" if method == "GET" else json.dumps(args)
            at = dt.datetime.fromtimestamp(house.now_ms() / 1_000, dt.UTC)
            stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            text = stamp + method + path + (f"?{query}" if query else "") + body
            digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
            headers = {
                "OK-ACCESS-KEY": KEY,
                "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
                "OK-ACCESS-TIMESTAMP": stamp,
                "OK-ACCESS-PASSPHRASE": "x",
            }
        else:
            query = urlencode(args)
            basic = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
            headers = {"Authorization": f"Basic {basic}"}
        url = URL(f"{base}{path}" + (f"?{query}" if query else ""), encoded=True)
        async with self.remote.session.request(
            method, url, data=body or None, headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)


@cache
def load(name):
    text = (SPECS / name).read_text()
    if name.endswith("json"):
        return json.loads(text)
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def resolved(spec, node):
    while isinstance(node, dict) and "$ref" in node:
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


@pytest.fixture(scope="module", autouse=True)
def free():
    yield
    load.cache_clear()


@pytest.fixture
def rests(remote):
    """Return a price that rests, by venue."""

    def price(venue):
        name = {"binancefut": BTC, "okx": SWAP, "deribit": PERP}[venue]
        house = remote.emulator.venues[venue]
        bid = house.market.shards[name].top()[0]
        return house.scales[name].short_price(bid * 99 // 100)

    return price


@pytest.mark.parametrize("venue", FILES)
async def test_signed_replies_are_as_published(remote, rests, venue):
    name = FILES[venue]
    if not (SPECS / name).is_file():
        pytest.skip(f"{SPECS / name} is absent")
    await remote.control("POST", "flow", {"on": False})
    spec, signer = load(name), Signer(remote)
    components = modern(spec["components"])
    for method, path, args in ASKED[venue]:
        given = args
        if isinstance(args, dict):
            given = {k: rests(venue) if v == "PX" else v for k, v in args.items()}
        status, reply = await signer.ask(venue, method, path, given)
        assert status == 200, (path, reply)
        if venue == "okx":
            assert reply["code"] == "0", (path, reply)
        answer = resolved(spec, spec["paths"][path][method.lower()]["responses"]["200"])
        schema = modern(answer["content"]["application/json"]["schema"])
        validator = jsonschema.Draft202012Validator({**schema, "components": components})
        errors = [
            f"{error.json_path}: {error.message[:160]}"
            for error in validator.iter_errors(reply)
            if (venue, error.json_path.rpartition(".")[2]) not in MISTAKES
        ]
        assert not errors, (path, errors[:4])
