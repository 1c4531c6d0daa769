"""Signed endpoints of USD-M about money, positions and settings."""

from __future__ import annotations

from typing import Any, Final

from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binancefut import asked
from emulator.binancefut.private_wire import amount, risk
from emulator.binancefut.trading import window
from emulator.binancefut.venue import BinanceFutures
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.position import Leg, Position
from emulator.market.derivatives.product import PPM, Product, Terms
from emulator.market.listings import E8
from emulator.wire.venue import Json

_MOST_NOTIONAL: Final = 50_000_000
_INCOMES: Final = {
    "trade": "REALIZED_PNL",
    "fee": "COMMISSION",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
}


def _seen(venue: BinanceFutures, account: MarginAccount) -> MarginAccount:
    """Return the account as it is, or by a fault as it was."""
    return account.stale() if venue.struck("stale_account") else account


async def balance(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """Tell what there is of each asset."""
    params.finish()
    account = _seen(venue, account)
    return [
        {
            "accountAlias": "FzFzXquXXqoC",
            "asset": asset,
            "balance": amount(cash),
            "crossWalletBalance": amount(cash),
            "crossUnPnl": amount(account.unrealized_e8(asset)),
            "availableBalance": amount(account.available_e8(asset)),
            "maxWithdrawAmount": amount(min(account.available_e8(asset), max(0, cash))),
            "marginAvailable": True,
            "updateTime": account.updated_ms,
        }
        for asset, cash in account.cash.items()
    ]


def _totals(account: MarginAccount, settle: str) -> dict[str, int]:
    positions = sum(account.position_margin_e8(each) for each in account.open_positions(settle))
    initial = account.initial_e8(settle)
    return {
        "initialMargin": initial,
        "maintMargin": account.maintenance_e8(settle),
        "walletBalance": account.cash.get(settle, 0),
        "unrealizedProfit": account.unrealized_e8(settle),
        "marginBalance": account.equity_e8(settle),
        "positionInitialMargin": positions,
        "openOrderInitialMargin": max(0, initial - positions),
        "crossWalletBalance": account.cash.get(settle, 0),
        "crossUnPnl": account.unrealized_e8(settle),
        "availableBalance": account.available_e8(settle),
    }


async def account_v3(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell money and open positions."""
    params.finish()
    account = _seen(venue, account)
    totals = {name: amount(value) for name, value in _totals(account, "USDT").items()}
    out = amount(min(account.available_e8("USDT"), max(0, account.cash["USDT"])))
    return {
        "totalInitialMargin": totals["initialMargin"],
        "totalMaintMargin": totals["maintMargin"],
        "totalWalletBalance": totals["walletBalance"],
        "totalUnrealizedProfit": totals["unrealizedProfit"],
        "totalMarginBalance": totals["marginBalance"],
        "totalPositionInitialMargin": totals["positionInitialMargin"],
        "totalOpenOrderInitialMargin": totals["openOrderInitialMargin"],
        "totalCrossWalletBalance": totals["crossWalletBalance"],
        "totalCrossUnPnl": totals["crossUnPnl"],
        "availableBalance": totals["availableBalance"],
        "maxWithdrawAmount": out,
        "assets": [
            {
                "asset": "USDT",
                **totals,
                "maxWithdrawAmount": out,
                "updateTime": account.updated_ms,
            }
        ],
        "positions": [_brief(each, account) for each in account.open_positions()],
    }


async def account_v2(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell the same with every symbol's position and the account's rights."""
    params.finish()
    told = await account_v3(venue, account, Params({}))
    account = _seen(venue, account)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": venue.withdrawing_keys,
        "updateTime": 0,
        "multiAssetsMargin": True,
        "tradeGroupId": -1,
        **told,
        "positions": [
            {
                **_brief(each, account),
                "positionInitialMargin": amount(account.position_margin_e8(each)),
                "openOrderInitialMargin": "0",
                "leverage": str(account.leverage_of(each.product)),
                "isolated": False,
                "entryPrice": amount(each.entry_e8),
                "breakEvenPrice": amount(each.entry_e8),
                "maxNotional": str(_MOST_NOTIONAL),
                "bidNotional": "0",
                "askNotional": "0",
            }
            for each in _every(venue, account, list(venue.house.products.values()))
        ],
    }


def _brief(position: Position, account: MarginAccount) -> Json:
    row = risk(position, account)
    return {
        "symbol": row["symbol"],
        "positionSide": row["positionSide"],
        "positionAmt": row["positionAmt"],
        "unrealizedProfit": row["unRealizedProfit"],
        "isolatedMargin": "0",
        "notional": row["notional"],
        "isolatedWallet": "0",
        "initialMargin": row["initialMargin"],
        "maintMargin": row["maintMargin"],
        "updateTime": row["updateTime"],
    }


def _every(
    venue: BinanceFutures, account: MarginAccount, products: list[Product]
) -> list[Position]:
    legs = (Leg.LONG, Leg.SHORT) if account.hedge else (Leg.NET,)
    return [account.position(product, leg) for product in products for leg in legs]


async def positions_v3(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List positions that are open, or have orders."""
    wanted = _symbol(venue, params)
    params.finish()
    account = _seen(venue, account)
    busy = {order.product.symbol for order in account.open.values()}
    return [
        risk(each, account)
        for each in _every(venue, account, wanted)
        if each.lots or each.product.symbol in busy
    ]


async def positions_v2(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List every symbol's positions."""
    wanted = _symbol(venue, params)
    params.finish()
    account = _seen(venue, account)
    return [
        {
            **risk(each, account),
            "leverage": str(account.leverage_of(each.product)),
            "maxNotionalValue": str(_MOST_NOTIONAL),
            "marginType": "cross",
            "isAutoAddMargin": "false",
        }
        for each in _every(venue, account, wanted)
    ]


def _symbol(venue: BinanceFutures, params: Params) -> list[Product]:
    if params.text("symbol") is None:
        return list(venue.house.products.values())
    return [asked.product_of(venue.house.products, params)]


async def set_leverage(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Set a symbol's leverage."""
    product = asked.product_of(venue.house.products, params)
    leverage = params.integer("leverage")
    if leverage is None:
        raise missing("leverage")
    params.finish()
    if not 1 <= leverage <= product.terms.most_leverage:
        raise ApiError(-4028, f"Leverage {leverage} is not valid")
    was = account.leverage_of(product)
    account.leverage[product.symbol] = leverage
    if account.equity_e8(product.settle) < account.initial_e8(product.settle) and leverage < was:
        account.leverage[product.symbol] = was
        raise ApiError(-2019, "Margin is insufficient.")
    venue.users.leverage_changed(product.symbol, leverage)
    return {
        "leverage": leverage,
        "maxNotionalValue": str(_MOST_NOTIONAL),
        "symbol": product.symbol,
    }


async def set_margin_type(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Refuse another kind of margin than cross: with many assets as margin there is no other."""
    asked.product_of(venue.house.products, params)
    wanted = params.need("marginType")
    params.finish()
    if wanted == "CROSSED":
        raise ApiError(-4046, "No need to change margin type.")
    if wanted == "ISOLATED":
        raise ApiError(
            -4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."
        )
    raise ApiError(-4047, "Margin type is not valid.")


async def set_mode(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Hold long and short apart, or net them."""
    if params.text("dualSidePosition") is None:
        raise missing("dualSidePosition")
    hedge = params.flag("dualSidePosition", default=False)
    params.finish()
    if hedge is account.hedge:
        raise ApiError(-4059, "No need to change position side.")
    if account.open or account.armed:
        raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
    if account.open_positions():
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")
    account.hedge = hedge
    return {"code": 200, "msg": "success"}


async def mode(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell whether long and short are held apart."""
    params.finish()
    return {"dualSidePosition": account.hedge}


async def multi_assets(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell that all assets are margin."""
    params.finish()
    return {"multiAssetsMargin": True}


async def account_config(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell rights and modes."""
    params.finish()
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": venue.withdrawing_keys,
        "dualSidePosition": account.hedge,
        "updateTime": 0,
        "multiAssetsMargin": True,
        "tradeGroupId": -1,
    }


async def symbol_config(
    venue: BinanceFutures, account: MarginAccount, params: Params
) -> list[Json]:
    """Tell each symbol's leverage."""
    wanted = _symbol(venue, params)
    params.finish()
    return [
        {
            "symbol": product.symbol,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": account.leverage_of(product),
            "maxNotionalValue": str(_MOST_NOTIONAL),
        }
        for product in wanted
    ]


async def brackets(venue: BinanceFutures, account: MarginAccount, params: Params) -> Any:
    """Tell the margin rates by notional."""
    one = params.text("symbol") is not None
    wanted = _symbol(venue, params)
    params.finish()
    rows = [
        {
            "symbol": product.symbol,
            "notionalCoef": 1.0,
            "brackets": brackets_of(product.terms),
        }
        for product in wanted
    ]
    return rows if not one else rows[:1]


def brackets_of(terms: Terms) -> list[Json]:
    """Return the brackets as the venue tells them."""
    floors = (0, *(each.up_to for each in terms.brackets))
    return [
        {
            "bracket": number + 1,
            "initialLeverage": each.leverage,
            "notionalCap": each.up_to,
            "notionalFloor": floors[number],
            "maintMarginRatio": each.maintenance_ppm / PPM,
            "cum": terms.deduction_e8(number) / E8,
        }
        for number, each in enumerate(terms.brackets)
    ]


async def commission(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell a symbol's fees."""
    product = asked.product_of(venue.house.products, params)
    params.finish()
    return {
        "symbol": product.symbol,
        "makerCommissionRate": f"{product.terms.maker_ppm / PPM:.6f}",
        "takerCommissionRate": f"{product.terms.taker_ppm / PPM:.6f}",
        "rpiCommissionRate": "0.000050",
    }


async def income(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List what changed the balance: profits, fees, funding."""
    symbol, kind = params.text("symbol"), params.text("incomeType")
    page = params.between("page", 1, 1, 1_000_000)
    first, last, limit = window(params, 100)
    params.finish()
    rows = [
        {
            "symbol": entry.product.symbol,
            "incomeType": _INCOMES[entry.kind],
            "income": amount(entry.amount_e8),
            "asset": entry.asset,
            "info": str(entry.fill.trade_id) if entry.fill else "",
            "time": entry.ts_ms,
            "tranId": entry.number,
            "tradeId": str(entry.fill.trade_id) if entry.fill else "",
        }
        for entry in account.entries
        if symbol in (None, entry.product.symbol)
        and kind in (None, _INCOMES[entry.kind])
        and first <= entry.ts_ms <= last
    ]
    if first or page > 1:
        return rows[(page - 1) * limit : page * limit]
    return rows[-limit:]
