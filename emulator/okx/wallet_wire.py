"""How OKX writes what accounts hold: positions, balances, bills; and how it cuts pages."""

from __future__ import annotations

from typing import Any, Final

from core.model.market import Side
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Entry
from emulator.market.derivatives.position import Leg, Position
from emulator.okx.private_wire import kind, usd_e8
from emulator.wire.numbers import Scale
from emulator.wire.telling import e8
from emulator.wire.venue import Json

_ADL: Final = "2"
_POSITION_EMPTY: Final = [
    "baseBal",
    "baseBorrowed",
    "baseInterest",
    "bizRefId",
    "bizRefType",
    "clSpotInUseAmt",
    "deltaBS",
    "deltaPA",
    "gammaBS",
    "gammaPA",
    "interest",
    "liab",
    "liabCcy",
    "margin",
    "maxSpotInUseAmt",
    "nonSettleAvgPx",
    "optVal",
    "pendingCloseOrdLiabVal",
    "posCcy",
    "quoteBal",
    "quoteBorrowed",
    "quoteInterest",
    "settledPnl",
    "spotInUseAmt",
    "spotInUseCcy",
    "thetaBS",
    "thetaPA",
    "vegaBS",
    "vegaPA",
]


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.10f}" if whole else "0"


def position(row: Position, account: MarginAccount, now_ms: int) -> Json:
    """Write a position."""
    product = row.product
    listing, mark = product.shard.listing, product.mark_e8()
    scale = Scale(listing)
    settle, margin = product.settle, account.position_margin_e8(row)
    unrealized = row.unrealized_e8(mark)
    at_last = row.unrealized_e8(product.last_ticks() * product.tick_e8)
    maintenance = product.maintenance_e8(row.lots, mark)
    equity, needed = account.equity_e8(settle), account.maintenance_e8(settle)
    size = scale.short_size(row.lots if row.leg is Leg.NET else abs(row.lots))
    liquidation = account.liquidation_e8(row)
    realized = row.realized_e8 - row.fees_e8 + row.funding_e8
    return {
        **dict.fromkeys(_POSITION_EMPTY, ""),
        "adl": _ADL,
        "availPos": size if row.leg is not Leg.NET else "",
        "avgPx": e8(row.entry_e8),
        "bePx": e8(row.entry_e8),
        "cTime": str(row.opened_ms),
        "ccy": settle,
        "closeOrderAlgo": [],
        "fee": e8(-row.fees_e8),
        "fundingFee": e8(row.funding_e8),
        "idxPx": e8(mark),
        "imr": e8(margin),
        "instId": product.symbol,
        "instType": kind(product),
        "last": scale.short_price(product.last_ticks()),
        "lever": str(account.leverage_of(product)),
        "liqPenalty": "0",
        "liqPx": e8(liquidation) if liquidation else "",
        "markPx": e8(mark),
        "mgnMode": "cross",
        "mgnRatio": _percent(equity, needed),
        "mmr": e8(maintenance),
        "notionalUsd": e8(usd_e8(product, mark, abs(row.lots))),
        "pnl": e8(row.realized_e8),
        "pos": size,
        "posId": str(row.number),
        "posSide": row.leg.value,
        "realizedPnl": e8(realized),
        "tradeId": str(row.trade_id),
        "uTime": str(row.updated_ms),
        "pTime": str(now_ms),
        "upl": e8(unrealized),
        "uplLastPx": e8(at_last),
        "uplRatio": _percent(unrealized, margin),
        "uplRatioLastPx": _percent(at_last, margin),
        "usdPx": "1",
    }


_DETAIL_EMPTY: Final = [
    "accAvgPx",
    "borrowFroz",
    "clSpotInUseAmt",
    "crossLiab",
    "interest",
    "isoLiab",
    "liab",
    "maxLoan",
    "maxSpotInUse",
    "maxSpotInUseAmt",
    "openAvgPx",
    "spotBal",
    "spotInUseAmt",
    "spotUpl",
    "spotUplRatio",
    "totalPnl",
    "totalPnlRatio",
    "uplLiab",
    "colBorrAutoConversion",
]
_DETAIL_ZERO: Final = [
    "fixedBal",
    "isoEq",
    "isoUpl",
    "rewardBal",
    "smtSyncEq",
    "spotCopyTradingEq",
    "spotIsoBal",
    "stgyEq",
    "twap",
]


def detail(account: MarginAccount, asset: str, usd_price: float) -> Json:
    """Write one currency's part of the balance."""
    cash, held = account.cash.get(asset, 0), account.held.get(asset, 0)
    equity, unrealized = account.equity_e8(asset), account.unrealized_e8(asset)
    initial, maintenance = account.initial_e8(asset), account.maintenance_e8(asset)
    in_usd = f"{equity / 1e8 * usd_price:.8f}"
    return {
        **dict.fromkeys(_DETAIL_EMPTY, ""),
        **dict.fromkeys(_DETAIL_ZERO, "0"),
        "availBal": e8(account.free_e8(asset)),
        "availEq": e8(account.available_e8(asset)),
        "cashBal": e8(cash),
        "ccy": asset,
        "coinUsdPrice": f"{usd_price:.4f}",
        "collateralEnabled": False,
        "collateralRestrict": False,
        "disEq": in_usd,
        "eq": e8(equity),
        "eqUsd": in_usd,
        "frozenBal": e8(held + initial),
        "imr": e8(initial),
        "mgnRatio": _percent(equity, maintenance) if maintenance else "",
        "mmr": e8(maintenance),
        "notionalLever": "0",
        "ordFrozen": e8(held),
        "uTime": str(account.updated_ms),
        "upl": e8(unrealized),
    }


def balance(account: MarginAccount, prices: dict[str, float], now_ms: int) -> Json:
    """Write what there is of every currency; `prices` are in dollars."""
    total = sum(account.equity_e8(asset) / 1e8 * prices.get(asset, 0.0) for asset in account.cash)
    empty = [
        "adjEq",
        "availEq",
        "borrowFroz",
        "delta",
        "deltaLever",
        "deltaNeutralStatus",
        "imr",
        "mgnRatio",
        "mmr",
        "notionalUsd",
        "notionalUsdForBorrow",
        "notionalUsdForFutures",
        "notionalUsdForOption",
        "notionalUsdForSwap",
        "ordFroz",
        "upl",
    ]
    return {
        **dict.fromkeys(empty, ""),
        "details": [
            detail(account, asset, prices.get(asset, 0.0))
            for asset, cash in account.cash.items()
            if cash or account.held.get(asset, 0) or account.open_positions(asset)
        ],
        "isoEq": "0",
        "totalEq": f"{total:.8f}",
        "uTime": str(now_ms),
    }


def bill(entry: Entry, scale: Scale) -> Json:
    """Write one line of the account's books."""
    fill, product = entry.fill, entry.product
    types = {"trade": ("2", "1"), "fee": ("2", "1"), "spot": ("2", "1"), "insurance": ("5", "100")}
    funding = ("8", "173" if entry.amount_e8 < 0 else "174")
    type_, sub = funding if entry.kind == "funding" else types.get(entry.kind, ("2", "1"))
    if fill is not None and fill.side is Side.SELL:
        sub = "2"
    empty = [
        "fillFwdPx",
        "fillIdxPx",
        "fillMarkVol",
        "fillPxUsd",
        "fillPxVol",
        "from",
        "notes",
        "to",
        "interest",
    ]
    return {
        **dict.fromkeys(empty, ""),
        "bal": e8(entry.balance_e8),
        "balChg": e8(entry.amount_e8),
        "billId": str(entry.number),
        "ccy": entry.asset,
        "clOrdId": fill.order.ticket.client_id if fill else "",
        "execType": ("M" if fill.maker else "T") if fill else "",
        "fee": e8(entry.amount_e8) if entry.kind == "fee" else "0",
        "fillMarkPx": e8(entry.mark_e8),
        "fillTime": str(entry.ts_ms),
        "instId": product.symbol,
        "instType": kind(product),
        "mgnMode": "" if product.spot else "cross",
        "ordId": str(fill.order.id) if fill else "",
        "pnl": e8(entry.amount_e8) if entry.kind in ("trade", "funding") else "0",
        "posBal": scale.short_size(entry.position_lots),
        "posBalChg": "0",
        "px": scale.short_price(fill.price_ticks) if fill else "",
        "subType": sub,
        "sz": scale.short_size(fill.lots) if fill else "0",
        "tag": "",
        "tradeId": str(fill.trade_id) if fill else "",
        "ts": str(entry.ts_ms),
        "type": type_,
    }


def rows_page(
    rows: list[tuple[int, Any]], after: int | None, before: int | None, limit: int
) -> list[Any]:
    """Return the newest rows (id, row), newest first: older than `after`, newer than `before`."""
    kept = [
        row
        for number, row in rows
        if (after is None or number < after) and (before is None or number > before)
    ]
    return kept[-limit:][::-1]
