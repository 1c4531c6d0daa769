from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock
from core.feeds.alphavantage.decoder import AlphaVantageDecoder
from core.feeds.alphavantage.dialect import AlphaVantageDialect, make_dialect
from core.feeds.alphavantage.symbols import parse_listing
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.settings import FeedSettings

STOCKS = b"""symbol,name,exchange,assetType,ipoDate,delistingDate,status
AAPL,Apple Inc,NASDAQ,Stock,1980-12-12,null,Active
MSFT,Microsoft,NASDAQ,Stock,1986-03-13,null,Active
BTC,Some trust,NYSE ARCA,ETF,2024-07-31,null,Active
GONE,Gone Inc,NYSE,Stock,1990-01-01,2001-01-01,Delisted
"""
COINS = b"currency code,currency name\r\nBTC,Bitcoin\r\nETH,Ethereum\r\n"
CURRENCIES = b"currency code,currency name\r\nEUR,Euro\r\nUSD,United States Dollar\r\n"


@pytest.fixture
def lists() -> tuple[bytes, bytes, bytes]:
    return STOCKS, COINS, CURRENCIES


@pytest.fixture
def listed() -> dict[str, Instrument]:
    found = parse_listing(STOCKS, COINS, CURRENCIES, VenueName("alphavantage"))
    return {item.venue_symbol: item for item in found}


@pytest.fixture
def decoder(listed: dict[str, Instrument]) -> AlphaVantageDecoder:
    return AlphaVantageDecoder(instruments=list(listed.values()))


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_700_000_000_000_000_000)


class Provider:
    """Alpha Vantage on loopback: refusals stand in bodies of status 200, as theirs do."""

    def __init__(self) -> None:
        self.url = ""
        self.key = "K3YK3Y"
        self.answers: list[web.Response] = []
        """Given before things work again."""
        self.questions: list[dict[str, str]] = []
        self.tables: dict[str, bytes] = {}
        """CSV of a month or of days."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/query", self._query)
        app.router.add_get("/digital_currency_list/", self._coins)
        app.router.add_get("/physical_currency_list/", self._currencies)
        return app

    async def _coins(self, _: web.Request) -> web.Response:
        return web.Response(body=COINS)

    async def _currencies(self, _: web.Request) -> web.Response:
        return web.Response(body=CURRENCIES)

    async def _query(self, request: web.Request) -> web.Response:
        ask = dict(request.query)
        key = ask.pop("apikey", "")
        self.questions.append(ask)
        if self.answers:
            return self.answers.pop(0)
        if key != self.key:
            return web.json_response(
                {"Error Message": "the parameter apikey is invalid or missing."}
            )
        body: Any
        match ask["function"]:
            case "LISTING_STATUS":
                return web.Response(body=STOCKS)
            case "GLOBAL_QUOTE":
                body = {"Global Quote": {"01. symbol": ask["symbol"], "02. open": "112.6300",
                        "05. price": "112.1300", "06. volume": "29062853"}}  # fmt: skip
            case "CURRENCY_EXCHANGE_RATE":
                body = {"Realtime Currency Exchange Rate": {
                    "1. From_Currency Code": ask["from_currency"],
                    "3. To_Currency Code": ask["to_currency"], "5. Exchange Rate": "106.89000000",
                    "6. Last Refreshed": "2020-05-03 20:50:48", "7. Time Zone": "UTC",
                    "8. Bid Price": "106.88000000", "9. Ask Price": "106.90000000"}}  # fmt: skip
            case _:
                return web.Response(body=self.tables[ask.get("month", "days")])
        return web.json_response(body)


@pytest.fixture
async def provider(hosted: Callable[[web.Application], Awaitable[str]]) -> Provider:
    here = Provider()
    here.url = f"http://{await hosted(here.app())}"
    return here


@pytest.fixture
def make(provider: Provider, clock: SimClock, tmp_path: Path) -> Callable[..., AlphaVantageDialect]:
    def build(**settings: Any) -> AlphaVantageDialect:
        here = {"rest_url": provider.url, "api_key": SecretStr("K3YK3Y")}
        return make_dialect(FeedSettings(**{**here, **settings}), clock=clock, data=tmp_path)

    return build


@pytest.fixture
async def dialect(
    make: Callable[..., AlphaVantageDialect],
) -> AsyncIterator[AlphaVantageDialect]:
    made = make()
    yield made
    await made.close()
