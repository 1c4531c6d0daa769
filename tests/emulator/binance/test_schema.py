"""The venue's published OpenAPI file as referee of our replies."""

import json
import os
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

_DEFAULT = Path(__file__).parents[4] / "shared" / "specs"
SPEC = Path(os.environ.get("CLX_VENUE_SPECS", _DEFAULT)) / "binance_spot_openapi.yaml"
pytestmark = pytest.mark.skipif(
    not SPEC.is_file(), reason=f"{SPEC} is absent; set CLX_VENUE_SPECS to the folder of specs"
)

REPLIES = [
    ("GET", "time", {}),
    ("GET", "exchangeInfo", {}),
    ("GET", "depth", {"symbol": "BTCUSDT"}),
    ("GET", "trades", {"symbol": "BTCUSDT"}),
    ("GET", "aggTrades", {"symbol": "BTCUSDT"}),
    ("GET", "avgPrice", {"symbol": "BTCUSDT"}),
    ("GET", "ticker/24hr", {"symbol": "BTCUSDT"}),
    ("GET", "ticker/price", {"symbol": "BTCUSDT"}),
    ("GET", "ticker/bookTicker", {"symbol": "BTCUSDT"}),
]
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
    "newClientOrderId": "a",
}
OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.1",
    "listClientOrderId": "pair",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "150000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "30000",
    "belowPrice": "29000",
    "belowTimeInForce": "GTC",
}
WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingTimeInForce": "GTC",
    "workingPrice": "40000",
    "workingQuantity": "0.01",
    "pendingSide": "SELL",
    "pendingQuantity": "0.01",
}
PENDING = {
    "pendingAboveType": "TAKE_PROFIT",
    "pendingAboveStopPrice": "150000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "30000",
}
SIGNED = [
    ("POST", "order", MARKET),
    ("GET", "myTrades", {"symbol": "BTCUSDT"}),
    ("POST", "order", LIMIT),
    ("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "a"}),
    ("GET", "openOrders", {}),
    ("DELETE", "order", {"symbol": "BTCUSDT", "origClientOrderId": "a"}),
    ("GET", "allOrders", {"symbol": "BTCUSDT"}),
    ("GET", "account", {}),
    ("GET", "rateLimit/order", {}),
    ("GET", "account/commission", {"symbol": "BTCUSDT"}),
    ("POST", "order/test", {**MARKET, "computeCommissionRates": "true"}),
    ("POST", "order", {**LIMIT, "newClientOrderId": "b"}),
    (
        "POST",
        "order/cancelReplace",
        {
            **LIMIT,
            "newClientOrderId": "c",
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelOrigClientOrderId": "b",
        },
    ),
    ("POST", "orderList/oco", OCO),
    ("GET", "orderList", {"origClientOrderId": "pair"}),
    ("POST", "orderList/oto", {**WORKING, "pendingType": "MARKET"}),
    ("POST", "orderList/otoco", {**WORKING, **PENDING}),
    ("GET", "openOrderList", {}),
    ("GET", "allOrderList", {}),
    ("DELETE", "orderList", {"symbol": "BTCUSDT", "listClientOrderId": "pair"}),
    ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
]


@pytest.fixture(scope="module")
def spec():
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(SPEC.read_text(), Loader=loader)


def check(spec, method, path, status, reply):
    """Validate a reply against its published schema."""
    operation = spec["paths"][f"/api/v3/{path}"][method.lower()]
    content = operation["responses"]["200" if status == 200 else "4XX"]["content"]
    published = content["application/json"]["schema"]
    while "$ref" in published:
        published = spec["components"]["schemas"][published["$ref"].rpartition("/")[2]]
    # Alternatives without any mandatory field are met all at once.
    loose = json.loads(json.dumps(published).replace('"oneOf"', '"anyOf"'))
    schema = {**loose, "components": spec["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply)


@pytest.mark.parametrize(("method", "path", "params"), REPLIES)
async def test_public_replies_are_as_published(spec, client, until, method, path, params):
    shard = client.emulator.venue.market.shards["BTCUSDT"]
    await until(lambda: len(shard.trades) > 2)
    status, reply = await client.public(path, **params)
    assert status == 200
    assert reply
    check(spec, method, path, status, reply)


async def test_signed_replies_are_as_published(spec, still):
    for method, path, params in SIGNED:
        status, reply = await still.signed(method, path, **params)
        assert status == 200, reply
        assert reply
        check(spec, method, path, status, reply)


async def test_order_replies_name_every_published_field(spec, still):
    schemas = spec["components"]["schemas"]
    _, placed = await still.signed("POST", "order", **LIMIT)
    assert set(placed) == set(schemas["SpotCreateOrderV3Resp"]["properties"])
    _, found = await still.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="a")
    assert set(found) == set(schemas["GetOrderV3Resp"]["properties"]) | {"origQuoteOrderQty"}
    _, account = await still.signed("GET", "account")
    assert set(account) == set(schemas["GetAccountV3Resp"]["properties"])


async def test_refusals_are_as_published(spec, still):
    status, reply = await still.signed("POST", "order", **{**LIMIT, "price": "1"})
    assert status == 400
    check(spec, "POST", "order", status, reply)
