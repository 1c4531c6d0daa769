"""Alpaca's published file of the trading API as referee of our replies."""

import json
import os
import re
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")

_DEFAULT = Path(__file__).parents[4] / "shared" / "specs"
SPEC = Path(os.environ.get("CLX_VENUE_SPECS", _DEFAULT)) / "alpaca_trading_openapi.json"
pytestmark = pytest.mark.skipif(
    not SPEC.is_file(), reason=f"{SPEC} is absent; set CLX_VENUE_SPECS to the folder of specs"
)
VENUES = ("alpaca",)
KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
BUY = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "gtc", "qty": "5"}
LIMIT = {**BUY, "symbol": "MSFT", "type": "limit", "limit_price": "10"}
BRACKET = {
    **LIMIT,
    "order_class": "bracket",
    "take_profit": {"limit_price": "999"},
    "stop_loss": {"stop_price": "1"},
}
COIN = {**BUY, "symbol": "BTC/USD", "qty": "0.1"}
MISTAKES = (
    # Positions in coins say CRYPTO, as recorded.
    "$.exchange",
)
"""Places where the file contradicts recorded replies."""


def modern(node):
    """Return a schema of OpenAPI 3.0 as JSON Schema has it: ``nullable`` is a type."""
    if isinstance(node, list):
        return [modern(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: modern(value) for key, value in node.items() if key != "nullable"}
    if "oneOf" in made:
        # Alternatives without any mandatory field are met all at once.
        made["anyOf"] = made.pop("oneOf")
    if node.get("nullable") and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
    return made


@pytest.fixture(scope="module")
def spec():
    return json.loads(SPEC.read_text())


@pytest.fixture
def ask(remote, spec):
    """Send a request, check its answer against the published schema, and return it."""
    components = modern(spec["components"])

    async def send(method, path, published="", code="200", body=None, **params):
        url = remote.emulator.urls()["alpaca"]["paper"] + path
        async with remote.session.request(
            method, url, json=body, params=params, headers=KEYS
        ) as answer:
            assert answer.status == int(code), await answer.text()
            reply = await answer.json()
        content = spec["paths"][published or path][method.lower()]["responses"][code]["content"]
        schema = {**modern(content["application/json"]["schema"]), "components": components}
        found = jsonschema.Draft202012Validator(schema).iter_errors(reply)
        errors = [
            f"{error.json_path}: {error.message[:200]}"
            for error in found
            if re.sub(r"\[\d+\]", "", error.json_path) not in MISTAKES
        ]
        assert not errors, (path, errors[:3])
        return reply

    return send


async def test_replies_of_the_trading_api_are_as_published(ask, remote):
    await remote.control("POST", "flow", {"on": False})
    one, mine = "/v2/orders/{order_id}", "/v2/positions/{symbol_or_asset_id}"
    await ask("GET", "/v2/account")
    await ask("GET", "/v2/account/configurations")
    await ask("GET", "/v2/clock")
    await ask("GET", "/v2/assets", asset_class="us_equity")
    await ask("POST", "/v2/orders", body=BUY)
    resting = await ask("POST", "/v2/orders", body={**LIMIT, "client_order_id": "mine"})
    await ask("POST", "/v2/orders", body=BRACKET)
    await ask("POST", "/v2/orders", body=COIN)
    await ask("GET", "/v2/orders", nested="true", status="all")
    await ask("GET", f"/v2/orders/{resting['id']}", one)
    await ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")
    changed = await ask("PATCH", f"/v2/orders/{resting['id']}", one, body={"qty": "3"})
    assert changed["replaces"] == resting["id"]
    await ask("GET", "/v2/positions")
    await ask("GET", "/v2/positions/BTCUSD", mine)
    await ask("GET", "/v2/account/activities")
    kind = "/v2/account/activities/{activity_type}"
    await ask("GET", "/v2/account/activities/FILL", kind, page_size="1")
    contracts = await ask("GET", "/v2/options/contracts", expiration_date_gte="2020-01-01")
    symbol = contracts["option_contracts"][0]["symbol"]
    await ask("GET", f"/v2/options/contracts/{symbol}", "/v2/options/contracts/{symbol_or_id}")
    await ask("DELETE", "/v2/positions/AAPL", mine)
    await ask("DELETE", "/v2/orders", code="207")
    await ask("DELETE", "/v2/positions", code="207", cancel_orders="true")
