"""Funding of the past: what each venue is asked, and what its documented answer means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.model.errors import ConfigError, DataError
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.settings import FeedSettings

D = Decimal
SECOND = 1_000_000_000
AT_MS = 1_703_059_200_000
ANSWERS: dict[str, tuple[str, Any, list[FundingPaid]]] = {
    "binance_usdm": (
        "/fapi/v1/fundingRate",
        [
            {"symbol": "X", "fundingRate": "-0.00037500", "fundingTime": AT_MS + 3,
             "markPrice": "34287.54619963"},
            {"symbol": "X", "fundingRate": "0.0001", "fundingTime": AT_MS + 28_800_000,
             "markPrice": ""},
        ],
        [
            FundingPaid(AT_MS * 10**6, D("-0.000375"), D("34287.54619963")),
            FundingPaid((AT_MS + 28_800_000) * 10**6, D("0.0001")),
        ],
    ),
    "okx": (
        "/api/v5/public/funding-rate-history",
        {"code": "0", "msg": "", "data": [
            {"instId": "X", "fundingRate": "0.0003", "fundingTime": str(AT_MS + 28_800_000),
             "realizedRate": "0.00031"},
            {"instId": "X", "fundingRate": "0.0002", "fundingTime": str(AT_MS),
             "realizedRate": ""},
        ]},
        [
            FundingPaid(AT_MS * 10**6, D("0.0002")),
            FundingPaid((AT_MS + 28_800_000) * 10**6, D("0.00031")),
        ],
    ),
    "bybit": (
        "/v5/market/funding/history",
        {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": [
            {"symbol": "X", "fundingRate": "0.0001", "fundingRateTimestamp": str(AT_MS)},
        ]}, "time": 1},
        [FundingPaid(AT_MS * 10**6, D("0.0001"))],
    ),
    "deribit": (
        "/api/v2/public/get_funding_rate_history",
        {"jsonrpc": "2.0", "result": [
            {"timestamp": AT_MS, "index_price": 8222.87, "prev_index_price": 8305.72,
             "interest_8h": -0.00009234260068476106, "interest_1h": -4.739622041017375e-7},
        ]},
        [FundingPaid(AT_MS * 10**6, D("-4.739622041017375e-7"), D("8222.87"))],
    ),
}  # fmt: skip


def perpetual(kind: str) -> Instrument:
    return Instrument(
        id=InstrumentId(f"BTC-USDT-PERP.{kind}"), venue=VenueName(kind), venue_symbol="X",
        base="BTC", quote="USDT", kind=InstrumentKind.PERPETUAL, price_tick=D("0.1"),
        size_lot=D("0.001"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
async def test_settled_funding_is_asked_by_time_and_told_oldest_first(
    kind: str, hosted: Callable[[web.Application], Awaitable[str]]
) -> None:
    path, answer, told = ANSWERS[kind]
    asked: list[tuple[str, dict[str, str]]] = []
    said: list[Any] = [answer]

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query)))
        return web.json_response(said[0])

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    host = await hosted(app)
    settings = FeedSettings(rest_url=f"http://{host}", stream_url=f"ws://{host}")
    make = import_module(f"core.feeds.{kind}.dialect").make_dialect
    dialect = make(settings, clock=SystemClock())
    start_ns, end_ns = AT_MS * 10**6 - 5 * SECOND, (AT_MS + 30_000_000) * 10**6
    try:
        assert list(await dialect.funding(perpetual(kind), start_ns, end_ns)) == told
        said[0] = {"oops": 1}
        with pytest.raises(DataError):
            await dialect.funding(perpetual(kind), start_ns, end_ns)
    finally:
        await dialect.close()
    assert asked[0][0] == path
    query = asked[0][1]
    assert "X" in query.values()
    times = {int(value) for value in query.values() if len(value) == 13 and value.isdecimal()}
    assert min(times) in {AT_MS - 5_000, AT_MS - 5_001}
    assert max(times) in {AT_MS + 30_000_000, AT_MS + 29_999_999}


async def test_venue_without_such_a_memory_says_so() -> None:
    from core.feeds.binance.dialect import make_dialect

    dialect = make_dialect(FeedSettings(), clock=SystemClock())
    with pytest.raises(ConfigError, match="tells no funding of the past"):
        await dialect.funding(perpetual("binance"), 0, 1)
    await dialect.close()
