"""Margin tiers: what each venue is asked, and what its documented answer means."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.bybit.tiers import read_tiers as read_bybit
from core.feeds.deribit.tiers import margin_of
from core.feeds.okx.tiers import questions
from core.feeds.okx.tiers import read_tiers as read_okx
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.settings import FeedSettings

D = Decimal
BYBIT_ROW = {
    "id": 1, "symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": "0.005",
    "initialMargin": "0.01", "isLowestRisk": 1, "maxLeverage": "100.00", "mmDeduction": "",
}  # fmt: skip
OKX_ROW = {
    "baseMaxLoan": "", "imr": "0.008", "instFamily": "BTC-USDT", "instId": "", "maxLever": "125",
    "maxSz": "500", "minSz": "0", "mmr": "0.004", "optMgnFactor": "0", "quoteMaxLoan": "",
    "tier": "1", "uly": "BTC-USDT",
}  # fmt: skip


def contract(kind: str, symbol: str, of: str = "perpetual", leverage: int = 0) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.{kind}"), venue=VenueName(kind), venue_symbol=symbol,
        base=symbol[:3], quote="USDT", kind=InstrumentKind(of), price_tick=D("0.1"),
        size_lot=D("0.001"), max_leverage=D(leverage),
    )  # fmt: skip


BTC_BYBIT = contract("bybit", "BTCUSDT")
BTC_OKX = contract("okx", "BTC-USDT-SWAP")


def bybit(*rows: dict[str, Any]) -> bytes:
    result = {"category": "linear", "list": [{**BYBIT_ROW, **row} for row in rows]}
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": 1}).encode()


def okx(*rows: dict[str, Any]) -> bytes:
    return json.dumps(
        {"code": "0", "msg": "", "data": [{**OKX_ROW, **row} for row in rows]}
    ).encode()


@pytest.mark.parametrize(
    ("kind", "asked", "answer", "item"),
    [
        ("okx", "/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT",
         okx({}), BTC_OKX),
        ("bybit", "/v5/market/risk-limit?category=linear&symbol=BTCUSDT", bybit({}), BTC_BYBIT),
    ],
)  # fmt: skip
async def test_the_venue_is_asked_in_its_own_words_and_refused_when_it_talks_nonsense(
    kind: str,
    asked: str,
    answer: bytes,
    item: Instrument,
    hosted: Callable[[web.Application], Awaitable[str]],
) -> None:
    seen: list[str] = []
    said = [answer]

    async def handle(request: web.Request) -> web.Response:
        seen.append(str(request.rel_url))
        return web.Response(body=said[0])

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    host = await hosted(app)
    settings = FeedSettings(rest_url=f"http://{host}", stream_url=f"ws://{host}")
    make = import_module(f"core.feeds.{kind}.dialect").make_dialect
    dialect = make(settings, clock=SystemClock())
    spot = contract(kind, "ETH-USDT", "spot")
    try:
        (found,) = await dialect.tiers([item, spot])
        assert found.instrument_id == item.id
        said[0] = b'{"code":"0","retCode":0,"result":{"list":[{}]},"data":[{"mmr":"x"}]}'
        with pytest.raises(DataError):
            await dialect.tiers([item])
    finally:
        await dialect.close()
    assert seen[0] == asked


def test_okx_tiers_go_by_contracts_and_family() -> None:
    future = contract("okx", "BTC-USDT-261225", "future")
    body = okx(
        {"tier": "2", "minSz": "500.1", "maxSz": "1000", "mmr": "0.005", "maxLever": "100"},
        {},
        {"instFamily": "ETH-USDT", "mmr": "0.9"},
    )
    (found,) = read_okx(body, [BTC_OKX], "tiers")
    assert found.measure == "contracts"
    assert [(tier.up_to, tier.rate, tier.max_leverage) for tier in found.tiers] == [
        (D(500), D("0.004"), D(125)), (D(1000), D("0.005"), D(100)),
    ]  # fmt: skip
    many = [contract("okx", f"C{n}-USDT-SWAP") for n in range(7)]
    assert [(kind, len(names)) for kind, names, _ in questions([*many, future])] == [
        ("SWAP", 5), ("SWAP", 2), ("FUTURES", 1),
    ]  # fmt: skip


def test_bybit_rates_are_fractions_or_per_cent_and_never_guessed() -> None:
    second = {
        "riskLimitValue": "4000000", "maintenanceMargin": "0.01", "initialMargin": "0.015",
        "maxLeverage": "66.67", "mmDeduction": "10000",
    }  # fmt: skip
    found = read_bybit(bybit(second, {}), BTC_BYBIT, "x")
    assert found is not None
    assert [(tier.up_to, tier.rate, tier.deduction) for tier in found.tiers] == [
        (D(2_000_000), D("0.005"), D(0)), (D(4_000_000), D("0.01"), D(10_000)),
    ]  # fmt: skip
    # The documentation's example, in numbers.
    per_cent = {"maintenanceMargin": 0.5, "initialMargin": 1}
    found = read_bybit(bybit(per_cent), BTC_BYBIT, "x")
    assert found is not None
    assert found.tiers[0].rate == D("0.005")
    with pytest.raises(DataError, match=r"0\.3 does not go with a leverage of 100\.00"):
        read_bybit(bybit({"initialMargin": "0.3"}), BTC_BYBIT, "x")
    with pytest.raises(DataError, match="mmDeduction must be a number, was 'much'"):
        read_bybit(bybit({"mmDeduction": "much"}), BTC_BYBIT, "x")
    assert read_bybit(bybit({"symbol": "ETHUSDT"}), BTC_BYBIT, "x") is None


def test_deribit_margin_is_the_published_formula() -> None:
    btc = margin_of(contract("deribit", "BTC_USDC-PERPETUAL", leverage=50))
    sol = margin_of(contract("deribit", "SOL_USDC-PERPETUAL", leverage=25))
    eth = margin_of(contract("deribit", "ETH-PERPETUAL", leverage=50))
    assert btc is not None
    assert sol is not None
    assert eth is not None
    assert (btc.tiers[0].rate, btc.growth) == (D("0.01"), D("0.00005"))
    # 6,000 SOL at 200 need 84,000 USDC at first, 60,000 after.
    item = contract("deribit", "SOL_USDC-PERPETUAL")
    assert sol.least_initial(item, D(6_000), D(1_200_000)) == 84_000
    assert sol.maintenance(item, D(6_000), D(1_200_000)) == 60_000
    assert eth.said == "deribit's formula; how it grows with size is not known for ETH"
    assert margin_of(contract("deribit", "BTC-C", "option", leverage=10)) is None


async def test_venue_that_wants_an_account_says_so() -> None:
    from core.feeds.binance_usdm.dialect import make_dialect

    dialect = make_dialect(FeedSettings(), clock=SystemClock())
    with pytest.raises(ConfigError, match="tells no margin tiers without an account"):
        await dialect.tiers([contract("binance_usdm", "BTCUSDT")])
    await dialect.close()
