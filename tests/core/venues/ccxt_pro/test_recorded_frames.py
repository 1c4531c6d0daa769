"""Recorded private frames and answers go through ccxt as a connection's, and are read by ours."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderState as S
from core.model.orders import PositionSide
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.account import AccountReader
from core.venues.ccxt_pro.client import CcxtClient
from core.venues.ccxt_pro.parse import cost_of, fill, venue_order
from core.venues.ccxt_pro.spelling import spelling_of
from core.venues.ccxt_pro.ways import ways_of
from core.venues.symbols import Symbols
from core.wire import ccxt_loader

pytest.importorskip("ccxt")

Heard = Callable[[str, Any], Any]
D = Decimal
DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
BYBIT, KUCOIN = "bybit_v5/messages_nautilus.jsonl", "kucoin/ws_frames_jkorf.jsonl"
ANOTHER_KUCOIN = "kucoin/ws_gocryptotrader.jsonl"
FUTURES, COINBASE = "kucoin_futures/ws_frames_jkorf.jsonl", "coinbase_advanced/"


def found(file: str, name: str, topic: str = "") -> Any:
    """Return the first message recorded under a name, of a topic, that is no request."""
    for line in (DATA / file).read_text().splitlines():
        row = json.loads(line)
        message = row["msg"]
        about = f"{message.get('topic', '')} {message.get('subject', '')} {message.get('data', '')}"
        request = message.get("op") == "subscribe" or message.get("type") == "subscribe"
        if row["ctx"].endswith(name) and topic in about and not request:
            return message
    raise AssertionError(f"{file} has no {name} {topic}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard() -> AsyncIterator[Heard]:
    """Give an exchange's object a frame of its private stream, and return the object.

    Each is made once: to describe an exchange takes ccxt a third of a second.
    """
    objects: dict[str, Any] = {}

    def heard(exchange: str, message: Any) -> Any:
        made = objects.get(exchange)
        if made is None:
            made = ccxt_loader.load(exchange)({"apiKey": "k", "secret": "s", "password": "p"})
            made.number, made.markets, made.markets_by_id = str, {}, {}
            if exchange == "kucoinfutures":
                made.set_markets([contract(made, "XBTUSDTM"), contract(made, "XBTUSDM")])
            objects[exchange] = made
        made.orders = made.myTrades = None
        made.handle_message(made.client("ws://127.0.0.1/private"), message)
        return made

    yield heard
    await asyncio.gather(*(made.close() for made in objects.values()))


def contract(made: Any, name: str) -> Any:
    return made.safe_market_structure({
        "id": name, "symbol": f"{name}/PERP", "base": "BTC", "quote": "USDT", "settle": "USDT",
        "type": "swap", "spot": False, "swap": True, "contract": True, "linear": True,
        "contractSize": "0.001", "info": {},
    })  # fmt: skip


ORDERS: list[tuple[str, str, str, str, tuple[str, Side, str | None, str, str, S, int]]] = [
    ("bybit", BYBIT, "ws_account_order.json", "",
     ("abcdef123456", Side.BUY, "30000", "0.01", "0", S.CANCELED, 1700000005000000000)),
    ("bybit", BYBIT, "ws_account_order_filled.json", "",
     ("5cf98598-39a7-459e-97bf-76ca765ee020", Side.BUY, "30000.5", "0.1", "0.1", S.FILLED,
      1672364262457000000)),
    ("kucoin", KUCOIN, "Spot/OrderUpdate.txt", "",
     ("5efab07953bdea00089965d2", Side.BUY, "0.937", "0.1", "0", S.ACCEPTED,
      1593487481683297666)),
    ("kucoin", KUCOIN, "Spot/MatchOrder.txt", "",
     ("5efab07953bdea00089965fa", Side.SELL, "0.938", "0.1", "0.1", S.PARTIALLY_FILLED,
      1593487482038606180)),
    ("kucoin", ANOTHER_KUCOIN, "wsHandleData.json", "/spotMarket/tradeOrders",
     ("5efab07953bdea00089965fa", Side.SELL, "0.938", "0.1", "0.1", S.PARTIALLY_FILLED,
      1593487482038606180)),
    ("kucoin", ANOTHER_KUCOIN, "wsHandleData.json", "canceled",
     ("5efab07953bdea00089965d2", Side.BUY, "0.937", "0.1", "0", S.CANCELED,
      1593487481683297666)),
    ("kucoin", "kucoin/ws_documented_sdk.jsonl", "test_order_v1_resp_model", "",
     ("6720ecd9ec71f4000747731a", Side.BUY, "50000", "0.00001", "0", S.ACCEPTED,
      1730211033305000000)),
    ("kucoinfutures", ANOTHER_KUCOIN, "wsHandleData.json", "/contractMarket/tradeOrders",
     ("5cdfc138b21023a909e5ad55", Side.BUY, "3600", "20000", "20000", S.PARTIALLY_FILLED,
      1545914149935808589)),
    ("kucoinfutures", FUTURES, "Futures/Order.txt", "",
     ("5cdfc138b21023a909e5ad55", Side.BUY, "3600", "20000", "20000", S.PARTIALLY_FILLED,
      1545914149935808589)),
    ("kucoinfutures", "kucoin_futures/ws_documented_sdk.jsonl", "test_all_order_resp_model", "",
     ("247899236673269761", Side.BUY, "91670", "1", "0", S.ACCEPTED, 1731916985768138917)),
    ("coinbase", COINBASE + "messages_nautilus.jsonl", "ws_user.json", "",
     ("a1b2c3d4-e5f6-7890-abcd-ef1234567890", Side.BUY, None, "0.001", "0", S.ACCEPTED,
      1775572195123000000)),
    ("coinbase", COINBASE + "ws_frames_jkorf.jsonl", "AdvancedTrade/User.txt", "",
     ("YYY", Side.BUY, "50000", "0.01", "0.01", S.FILLED, 1718994553909000000)),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("exchange", "file", "name", "topic", "says"), ORDERS, ids=lambda item: str(item)[:40]
)
async def test_a_streamed_order_says_what_it_says(
    heard: Heard, exchange: str, file: str, name: str, topic: str, says: tuple[Any, ...]
) -> None:
    if exchange == "coinbase" and "nautilus" not in file:
        message = next(
            said
            for line in (DATA / file).read_text().splitlines()
            if (said := json.loads(line)["msg"]).get("channel") == "user" and "events" in said
        )
    else:
        message = found(file, name, topic)
    (row,) = heard(exchange, message).orders
    made = venue_order(row, ClientOrderId("mine"), InstrumentId("BTC-USDT.x"), None)
    assert (made.venue_order_id, made.side, made.price) == (
        says[0], says[1], says[2] and D(says[2]),
    )  # fmt: skip
    assert (made.size, made.filled, made.state) == (D(says[3]), D(says[4]), says[5])
    # Through a float, as ccxt reads them, nanoseconds of now lose their last three figures.
    assert abs(made.ts_event_ns - says[6]) < 1_000_000


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("file", "name", "topic", "says"),
    [
        (BYBIT, "ws_account_execution.json", "",
         ("0ab1bdf7-4219-438b-b30a-32ec863018f7", "95900.1", "0.5", "26.3725275")),
        ("bybit_v5/ws_gocryptotrader.jsonl", "wsAuth.json", "execution",
         ("7e2ae69c-4edf-5800-a352-893d52b446aa", "0.3374", "25", "0.005061")),
    ],
)  # fmt: skip
async def test_a_streamed_execution_of_bybit_is_a_fill(
    heard: Heard, file: str, name: str, topic: str, says: tuple[str, ...]
) -> None:
    (row,) = heard("bybit", found(file, name, topic)).myTrades
    made = fill(
        row, ClientOrderId("x"), InstrumentId("X.bybit"), VenueName("bybit"), quote="USDT", ts_ns=1
    )
    assert (made.execution_id, made.side, made.price, made.size) == (
        says[0], Side.SELL, D(says[1]), D(says[2]),
    )  # fmt: skip
    assert (made.fee, made.fee_asset, made.maker) == (D(says[3]), "USDT", False)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("exchange", "file", "name", "topic"),
    [
        ("bybit", BYBIT, "ws_account_execution_fast.json", ""),
        ("kucoin", KUCOIN, "Spot/MatchOrder.txt", ""),
        ("kucoin", ANOTHER_KUCOIN, "wsHandleData.json", "/spotMarket/tradeOrders"),
        ("kucoinfutures", FUTURES, "Futures/Order.txt", ""),
    ],
)
async def test_a_streamed_execution_without_its_fee_is_left_to_rest(
    heard: Heard, exchange: str, file: str, name: str, topic: str
) -> None:
    (row,) = heard(exchange, found(file, name, topic)).myTrades
    assert cost_of(row, "USDT") is None


# -- answers -------------------------------------------------------------------------------

LTC = Instrument(
    id=InstrumentId("LTC-USDT-PERP.bybit"),
    venue=VenueName("bybit"),
    venue_symbol="LTCUSDT",
    base="LTC",
    quote="USDT",
    settle="USDT",
    kind=InstrumentKind.PERPETUAL,
    price_tick=D("0.01"),
    size_lot=D("0.1"),
)


@asynccontextmanager
async def account(exchange: str, answers: dict[str, Any]) -> AsyncIterator[AccountReader]:
    """A reader of an account whose exchange gives recorded answers."""

    async def answer(request: web.Request) -> web.Response:
        body = answers.get(request.path)
        body = body(request.query) if callable(body) else body
        # As exchanges write it: ccxt keeps numbers as texts only where no space is before them.
        text = json.dumps(body or {}, separators=(",", ":"))
        return web.Response(
            text=text, status=404 if body is None else 200, content_type="application/json"
        )

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    name, clock = VenueName(exchange), SimClock(1)
    settings = VenueSettings(
        kind=f"ccxt:{exchange}",
        rest_url=f"http://127.0.0.1:{port}",
        ws_api_url=f"ws://127.0.0.1:{port}",
        api_key=SecretStr("k" * 32),
        api_secret=SecretStr("c2VjcmV0" * 8),
        passphrase=SecretStr("p" * 8),
        timeout_s=2.0,
    )
    client = CcxtClient(name, exchange, settings, clock=clock, paced=False)
    client.load()
    client.ccxt.options |= {"enableUnifiedAccount": True, "enableUnifiedMargin": False}
    client.ccxt.set_markets([
        client.ccxt.safe_market_structure({
            "id": "LTCUSDT", "symbol": "LTC/USDT:USDT", "base": "LTC", "quote": "USDT",
            "settle": "USDT", "type": "swap", "spot": False, "swap": True, "contract": True,
            "linear": True, "contractSize": "1", "info": {},
        })
    ])  # fmt: skip
    symbols = Symbols(name)
    symbols.add([LTC])
    try:
        yield AccountReader(
            name,
            client,
            ways=ways_of(exchange),
            spelling=spelling_of(exchange),
            clock=clock,
            symbols=symbols,
        )
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("exchange", "path", "file", "name", "says"),
    [
        ("bybit", "/v5/account/wallet-balance", BYBIT, "http_get_wallet_balance_spot_short.json",
         {"USDT": ("2500", "0")}),
        ("coinbase", "/api/v3/brokerage/accounts", COINBASE + "messages_nautilus.jsonl",
         "http_accounts.json", {"BTC": ("1.23956789", "0.005"), "USD": ("10450.5", "450")}),
    ],
)  # fmt: skip
async def test_balances_are_what_the_exchange_says(
    exchange: str, path: str, file: str, name: str, says: dict[str, tuple[str, str]]
) -> None:
    told = found(file, name)
    for row in told.get("accounts", ()):
        # Whoever recorded it took off what the exchange's own specification writes before it.
        row["type"] = f"ACCOUNT_TYPE_{row['type']}"
    async with account(exchange, {path: told}) as reader:
        held = {row.asset: (row.total, row.held) for row in await reader.balances()}
    assert held == {asset: (D(total), D(kept)) for asset, (total, kept) in says.items()}


async def test_open_profit_is_left_out_of_a_balance_of_kucoin_futures() -> None:
    # As its specification (kucoin_account_openapi.json) writes the answer.
    told = {
        "code": "200000",
        "data": {
            "accountEquity": 120.5, "unrealisedPNL": 20.25, "marginBalance": 100.25,
            "positionMargin": 40, "orderMargin": 0, "frozenFunds": 0, "availableBalance": 80.5,
            "currency": "USDT",
        },
    }  # fmt: skip
    mode = {"code": "200000", "data": {"selfAccountMode": "CLASSIC"}}
    answers = {"/api/v1/account-overview": told, "/api/ua/v1/account/mode": mode}
    async with account("kucoinfutures", answers) as reader:
        (held,) = await reader.balances()
    assert (held.asset, held.total) == ("USDT", D("100.25"))


async def test_every_asset_that_kucoin_futures_settles_in_is_asked_for() -> None:
    held = {"USDT": 100.25, "XBT": 0.5, "ETH": 0}
    asked: list[str] = []

    def overview(query: Mapping[str, str]) -> Any:
        name = query["currency"]
        asked.append(name)
        told = dict.fromkeys(("accountEquity", "marginBalance", "availableBalance"), held[name])
        return {"code": "200000", "data": {**told, "orderMargin": 0, "currency": name}}

    mode = {"code": "200000", "data": {"selfAccountMode": "CLASSIC"}}
    answers = {"/api/v1/account-overview": overview, "/api/ua/v1/account/mode": mode}
    async with account("kucoinfutures", answers) as reader:
        ccxt = reader._client.ccxt
        ccxt.set_markets([
            ccxt.safe_market_structure({
                "id": f"{base}USDM", "symbol": f"{coin}/USD:{settle}", "base": coin, "quote": "USD",
                "baseId": base, "settle": settle, "settleId": base, "type": "swap", "swap": True,
                "contract": True, "inverse": settle == coin, "contractSize": "1", "info": {},
            })
            for base, coin, settle in (
                ("XBT", "BTC", "BTC"), ("ETH", "ETH", "ETH"), ("USDT", "XRP", "USDT"),
            )
        ], {"BTC": {"id": "XBT", "code": "BTC"}, "ETH": {"id": "ETH", "code": "ETH"},
            "USDT": {"id": "USDT", "code": "USDT"}})  # fmt: skip
        found = await reader.balances()
    assert {item.asset: item.total for item in found} == {"BTC": D("0.5"), "USDT": D("100.25")}
    assert sorted(asked) == ["ETH", "USDT", "XBT"]


async def test_a_position_of_bybit_says_what_it_says() -> None:
    told = found(BYBIT, "http_get_positions_with_open_time.json")
    async with account("bybit", {"/v5/position/list": told}) as reader:
        reader.follow(LTC)
        (held,) = await reader.positions()
    assert (held.instrument_id, held.side, held.size, held.average_price, held.leverage) == (
        LTC.id, PositionSide.NET, D(1), D(70), D(10),
    )  # fmt: skip
    assert held.liquidation_price is None
