"""Deribit's private methods that tell: orders, trades, positions, accounts, the log."""

from __future__ import annotations

from typing import Final

from emulator.deribit import trading
from emulator.deribit.instruments import currency, kind_of
from emulator.deribit.methods import chosen, number
from emulator.deribit.private_wire import log_row, portfolio, position, trade
from emulator.deribit.trading import Params, flag, matching, product_of, written
from emulator.deribit.venue import Deribit, RpcError, invalid
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Conditional, Entry, Fill, Order
from emulator.market.derivatives.position import Leg, Position
from emulator.wire.venue import Json

_ASSETS: Final = ("BTC", "ETH", "USDC", "USDT", "EURR", "any")
_MOST_ROWS: Final = 1_000
_FOREVER: Final = 1 << 62
_LIMITS: Final[Json] = {
    "limits_per_currency": False,
    "non_matching_engine": {"burst": 1_500, "rate": 1_000},
    "matching_engine": {
        "trading": {"total": {"burst": 100, "rate": 30}},
        "spot": {"burst": 100, "rate": 30},
        "quotes": {"burst": 100, "rate": 30},
        "max_quotes": {"burst": 10, "rate": 10},
        "guaranteed_quotes": {"burst": 2, "rate": 2},
        "cancel_all": {"burst": 100, "rate": 30},
    },
}


def _seen(venue: Deribit, account: MarginAccount) -> MarginAccount:
    """Return the account as it is, or by a fault as it was."""
    return account.stale() if venue.struck("stale_account") else account


def _visible(venue: Deribit, row: Order | Conditional) -> bool:
    return row.hidden_until_ms <= venue.now_ms()


def open_orders(venue: Deribit, account: MarginAccount, params: Params) -> list[Json]:
    """List open and waiting orders."""
    wanted = matching(venue, params)
    rows: list[Order | Conditional] = [*account.open.values(), *account.armed.values()]
    return [written(venue, row) for row in rows if wanted(row) and _visible(venue, row)]


def order_state(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Tell one order."""
    row = trading.find(account, params)
    if not _visible(venue, row):
        raise RpcError(10004, "order_not_found")
    return written(venue, row)


def order_state_by_label(venue: Deribit, account: MarginAccount, params: Params) -> list[Json]:
    """Tell the orders of a label, whatever became of them; none is no error."""
    if not params.get("label"):
        raise invalid("label", "must be provided")
    chosen(params, "currency", _ASSETS)
    wanted = matching(venue, params)
    rows: list[Order | Conditional] = [*account.orders.values(), *account.conditionals.values()]
    return [written(venue, row) for row in rows if wanted(row) and _visible(venue, row)]


def order_history(venue: Deribit, account: MarginAccount, params: Params) -> list[Json]:
    """List orders that have ended, newest first."""
    wanted = matching(venue, {**params, "label": None})
    count, offset = number(params, "count", 20), number(params, "offset", 0)
    unfilled = flag(params, "include_unfilled")
    rows = [
        row
        for row in reversed(account.orders.values())
        if not row.status.open and wanted(row) and _visible(venue, row) and (unfilled or row.filled)
    ]
    return [written(venue, row) for row in rows[offset : offset + min(count, _MOST_ROWS)]]


def trigger_history(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """List what became of orders that waited, newest first."""
    of = chosen(params, "currency", _ASSETS)
    count = min(number(params, "count", 20), _MOST_ROWS)
    rows = [
        row
        for row in reversed(account.conditionals.values())
        if of in ("any", currency(row.product.shard.listing))
    ]
    return {"entries": [written(venue, row) for row in rows[:count]], "continuation": None}


def _trades(venue: Deribit, account: MarginAccount, params: Params, fills: list[Fill]) -> Json:
    """Cut a page of own trades: newest first, or oldest first when asked for."""
    count = max(1, min(number(params, "count", 10), _MOST_ROWS))
    first, last = number(params, "start_seq", 0), number(params, "end_seq", _FOREVER)
    start, end = number(params, "start_timestamp", 0), number(params, "end_timestamp", _FOREVER)
    rows = [fill for fill in fills if first <= fill.trade_id <= last and start <= fill.ts_ms <= end]
    rising = params.get("sorting", "default") == "asc"
    ordered = rows if rising else rows[::-1]
    return {
        "trades": [trade(fill, venue.writers[fill.product.symbol]) for fill in ordered[:count]],
        "has_more": len(rows) > count,
    }


def trades_of_instrument(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """List own trades of an instrument."""
    product = product_of(venue, params)
    fills = [fill for fill in account.fills if fill.product is product]
    return _trades(venue, account, params, fills)


def trades_of_currency(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """List own trades of a currency."""
    of, kind = chosen(params, "currency", _ASSETS), str(params.get("kind", "any"))
    fills = [
        fill
        for fill in account.fills
        if of in ("any", currency(fill.product.shard.listing))
        and kind in ("any", kind_of(fill.product.shard.listing))
    ]
    return _trades(venue, account, params, fills)


def trades_of_order(venue: Deribit, account: MarginAccount, params: Params) -> list[Json]:
    """List the trades of an order."""
    row = trading.find(account, params)
    made = row.child if isinstance(row, Conditional) else row
    fills = made.fills if made is not None else []
    return [trade(fill, venue.writers[fill.product.symbol]) for fill in fills]


def positions(venue: Deribit, account: MarginAccount, params: Params) -> list[Json]:
    """List open positions."""
    account = _seen(venue, account)
    of = chosen(params, "currency", _ASSETS, "any")
    kind = str(params.get("kind", "any"))
    return [
        position(row, account, venue.writers[row.product.symbol])
        for row in account.open_positions()
        if of in ("any", currency(row.product.shard.listing))
        and kind in ("any", kind_of(row.product.shard.listing))
    ]


def one_position(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Tell an instrument's position, flat ones too."""
    product = product_of(venue, params)
    account = _seen(venue, account)
    row = account.positions.get((product.symbol, Leg.NET))
    if row is None:
        row = Position(product=product, leg=Leg.NET)
    return position(row, account, venue.writers[product.symbol])


def _identity(venue: Deribit) -> Json:
    return {
        "id": venue.uid,
        "email": "user@example.com",
        "system_name": "emulated",
        "username": "emulated",
        "type": "main",
        "creation_timestamp": venue.market.started_ns // 1_000_000,
        "login_enabled": False,
        "security_keys_enabled": False,
        "mmp_enabled": False,
        "interuser_transfers_enabled": False,
        "referrer_id": None,
        "self_trading_reject_mode": "cancel_maker",
        "self_trading_extended_to_subaccounts": False,
    }


def _fees(asset: str) -> list[Json]:
    """Write what trades cost, as `instruments.describe` has it."""
    index = f"{asset.lower()}_usd" if asset != "USDC" else "sol_usdc"
    rates = {"perpetual": (0.0, 0.0005), "future": (0.0, 0.0005), "option": (0.0003, 0.0003)}
    return [
        {
            "index_name": index,
            "kind": kind,
            "value": {"default": {"type": "fixed", "maker": maker, "taker": taker}},
        }
        for kind, (maker, taker) in rates.items()
    ]


def _part(venue: Deribit, account: MarginAccount, asset: str) -> Json:
    told = portfolio(account, asset, venue.dollars(asset))
    equity = told["equity"]
    return {
        **told,
        "deposit_address": "",
        "estimated_liquidation_ratio": told["maintenance_margin"] / equity if equity else 0.0,
        "fee_group": "standard",
        "fees": _fees(asset),
        "limits": _LIMITS,
    }


def summary(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Tell everything about one currency's part of the account."""
    account = _seen(venue, account)
    of = chosen(params, "currency", _ASSETS[:-1])
    told = _part(venue, account, of)
    return {**told, **_identity(venue)} if flag(params, "extended") else told


def summaries(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Tell every currency's part of the account."""
    account = _seen(venue, account)
    rows = [_part(venue, account, asset) for asset in account.cash]
    return {**_identity(venue), "summaries": rows}


def transaction_log(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """List what changed the balance, newest first."""
    of = chosen(params, "currency", _ASSETS)
    start, end = number(params, "start_timestamp"), number(params, "end_timestamp")
    count = max(1, min(number(params, "count", 100), 250))
    before = number(params, "continuation", _FOREVER)
    query = str(params.get("query", ""))
    groups: dict[tuple[int, str], list[Entry]] = {}
    for entry in account.entries:
        if of in ("any", entry.asset) and start <= entry.ts_ms <= end:
            # A trade's profit and its fee are one row.
            key = entry.fill.number if entry.fill is not None else entry.number
            groups.setdefault((key, entry.asset), []).append(entry)
    rows = [
        log_row(key, entries, venue.uid, venue.writers[entries[0].product.symbol])
        for (key, _), entries in groups.items()
        if key < before
    ]
    rows = [row for row in rows if query in ("", row["type"], row["instrument_name"])]
    rows.reverse()
    more = rows[count - 1]["id"] if len(rows) > count else None
    return {"logs": rows[:count], "continuation": more}
