"""OKX endpoints about money, positions and settings, and the lists of orders and fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Conditional, Order, Wait
from emulator.market.derivatives.product import PPM, Product
from emulator.okx import algos
from emulator.okx.asked import Declined, product_of, text, wrong
from emulator.okx.private_wire import ALGO_STATES, algo, fill_row, kind, order
from emulator.okx.trading import find
from emulator.okx.venue import Okx
from emulator.okx.wallet_wire import balance, bill, position, rows_page
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

_MOST_ROWS: Final = 100
NO_ORDER: Final = "Order does not exist"


def _seen(venue: Okx, account: MarginAccount) -> MarginAccount:
    """Return the account as it is, or by a fault as it was."""
    return account.stale() if venue.struck("stale_account") else account


def _scaled(venue: Okx, account: MarginAccount, row: Order) -> Json:
    return order(row, venue.scales[row.product.symbol], account.leverage_of(row.product))


def _number(args: Json, name: str) -> int | None:
    value = text(args, name)
    if value and not digits(value):
        raise wrong(name)
    return int(value) if value else None


def _limit(args: Json) -> int:
    return max(1, min(_number(args, "limit") or _MOST_ROWS, _MOST_ROWS))


def get_balance(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell what there is of each currency."""
    account = _seen(venue, account)
    wanted = [name for name in text(args, "ccy").split(",") if name]
    told = balance(account, venue.dollars(), venue.now_ms())
    if wanted:
        told["details"] = [row for row in told["details"] if row["ccy"] in wanted]
    return [told]


def get_positions(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List open positions."""
    account = _seen(venue, account)
    names = [name for name in text(args, "instId").split(",") if name]
    of = text(args, "instType")
    now_ms = venue.now_ms()
    return [
        position(row, account, now_ms)
        for row in account.open_positions()
        if (not names or row.product.symbol in names) and of in ("", "SWAP")
    ]


def get_order(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell one order."""
    missing = Declined("51603", NO_ORDER)
    row = find(venue, account, args, missing)
    if row.hidden_until_ms > venue.now_ms():
        raise missing
    return [_scaled(venue, account, row)]


def _wanted(args: Json) -> Callable[[Product], bool]:
    of, name = text(args, "instType"), text(args, "instId")
    return lambda product: of in ("", kind(product)) and name in ("", product.symbol)


def get_pending(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List resting orders, newest first."""
    fits, state, type_ = _wanted(args), text(args, "state"), text(args, "ordType")
    rows = [
        (row.id, told)
        for row in account.open_orders(None, venue.now_ms())
        if fits(row.product)
        and (told := _scaled(venue, account, row))
        and state in ("", told["state"])
        and (not type_ or told["ordType"] in type_.split(","))
    ]
    return rows_page(rows, _number(args, "after"), _number(args, "before"), _limit(args))


def get_history(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List orders that have ended, newest first."""
    if not text(args, "instType"):
        raise Declined("50014", "Parameter instType cannot be empty.")
    fits, state = _wanted(args), text(args, "state")
    begin, end = _number(args, "begin") or 0, _number(args, "end") or 1 << 62
    now_ms = venue.now_ms()
    rows = [
        (row.id, told)
        for row in account.orders.values()
        if not row.status.open
        and fits(row.product)
        and begin <= row.created_ms <= end
        and row.hidden_until_ms <= now_ms
        and (told := _scaled(venue, account, row))
        and state in ("", told["state"])
    ]
    return rows_page(rows, _number(args, "after"), _number(args, "before"), _limit(args))


def get_fills(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List executions, newest first, paged by ``billId``."""
    fits, wanted = _wanted(args), text(args, "ordId")
    begin, end = _number(args, "begin") or 0, _number(args, "end") or 1 << 62
    rows = [
        (fill.number, fill_row(fill, venue.scales[fill.product.symbol]))
        for fill in account.fills
        if fits(fill.product) and wanted in ("", str(fill.order.id)) and begin <= fill.ts_ms <= end
    ]
    return rows_page(rows, _number(args, "after"), _number(args, "before"), _limit(args))


def get_fills_history(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List executions of three months; the type of instrument must be told."""
    if not text(args, "instType"):
        raise Declined("50014", "Parameter instType cannot be empty.")
    return get_fills(venue, account, args)


def get_bills(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List what changed the balances, newest first."""
    asset, type_ = text(args, "ccy"), text(args, "type")
    begin, end = _number(args, "begin") or 0, _number(args, "end") or 1 << 62
    fits = _wanted(args)
    rows = [
        (entry.number, told)
        for entry in account.entries
        if asset in ("", entry.asset)
        and fits(entry.product)
        and begin <= entry.ts_ms <= end
        and (told := bill(entry, venue.scales[entry.product.symbol]))
        and type_ in ("", told["type"])
    ]
    return rows_page(rows, _number(args, "after"), _number(args, "before"), _limit(args))


def _algo(venue: Okx, account: MarginAccount, waits: Conditional) -> Json:
    product = waits.product
    return algo(waits, venue.scales[product.symbol], account.leverage_of(product))


def get_algo(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell one algo order."""
    waits = algos.find(account, args)
    if waits is None or waits.hidden_until_ms > venue.now_ms():
        raise Declined("51603", NO_ORDER)
    return [_algo(venue, account, waits)]


def _algos(
    venue: Okx, account: MarginAccount, args: Json, keep: Callable[[Conditional], bool]
) -> list[Json]:
    types, number, fits = text(args, "ordType"), text(args, "algoId"), _wanted(args)
    if not types:
        raise Declined("50014", "Parameter ordType cannot be empty.")
    rows = [
        (waits.id, _algo(venue, account, waits))
        for waits in account.conditionals.values()
        if keep(waits)
        and fits(waits.product)
        and waits.words["ordType"] in types.split(",")
        and number in ("", str(waits.id))
        and waits.hidden_until_ms <= venue.now_ms()
    ]
    return rows_page(rows, _number(args, "after"), _number(args, "before"), _limit(args))


def get_algos_pending(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List algo orders that wait."""
    return _algos(venue, account, args, lambda waits: waits.state is Wait.ARMED)


def get_algos_history(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List algo orders that have ended, by state or by id."""
    state = text(args, "state")
    if not (state or text(args, "algoId")):
        raise Declined("50014", "Parameter state cannot be empty.")
    return _algos(
        venue,
        account,
        args,
        lambda waits: waits.state is not Wait.ARMED and state in ("", ALGO_STATES[waits.state]),
    )


def get_leverage(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell an instrument's leverage."""
    return [
        _leverage(account, product_of(venue, {"instId": name}))
        for name in text(args, "instId").split(",")
    ]


def _leverage(account: MarginAccount, product: Product) -> Json:
    return {
        "ccy": "",
        "instId": product.symbol,
        "lever": str(account.leverage_of(product)),
        "mgnMode": "cross",
        "posSide": "net",
    }


def set_leverage(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Set an instrument's leverage."""
    product = product_of(venue, args)
    wanted = text(args, "lever").partition(".")[0]
    if product.spot or text(args, "mgnMode") != "cross":
        raise wrong("mgnMode")
    if not digits(wanted) or not 1 <= int(wanted) <= product.terms.most_leverage:
        raise Declined("59102", "Leverage exceeds the maximum leverage. Please lower the leverage.")
    was = account.leverage_of(product)
    account.leverage[product.symbol] = int(wanted)
    short = account.equity_e8(product.settle) < account.initial_e8(product.settle)
    if short and int(wanted) < was:
        account.leverage[product.symbol] = was
        raise Declined("59103", "Insufficient margin in account. Please increase the leverage.")
    row = _leverage(account, product)
    del row["ccy"]
    return [row]


def set_mode(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Hold long and short apart, or net them."""
    mode = text(args, "posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise wrong("posMode")
    hedge = mode == "long_short_mode"
    if hedge is not account.hedge and (account.open or account.armed or account.open_positions()):
        raise Declined(
            "59000",
            "Setting failed. Cancel any open orders, close positions, and stop trading bots first.",
        )
    account.hedge = hedge
    return [{"posMode": mode}]


def get_fees(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell fees, negative for what is paid."""
    of = text(args, "instType")
    product = next((p for p in venue.house.products.values() if kind(p) == of), None)
    if product is None:
        raise wrong("instType")
    maker, taker = (
        f"{-ppm / PPM:.4f}" for ppm in (product.terms.maker_ppm, product.terms.taker_ppm)
    )
    return [
        {
            "category": "1",
            "delivery": "",
            "exercise": "",
            "feeGroup": [],
            "fiat": [],
            "instType": of,
            "level": "Lv1",
            "maker": maker,
            "makerU": maker,
            "makerUSDC": maker,
            "ruleType": "normal",
            "taker": taker,
            "takerU": taker,
            "takerUSDC": taker,
            "ts": str(venue.now_ms()),
        }
    ]


def get_max_size(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell how much could be bought or sold now."""
    rows = []
    for name in text(args, "instId").split(","):
        product = product_of(venue, {"instId": name})
        listing, scale = product.shard.listing, venue.scales[product.symbol]
        one = max(1, product.worth_e8(product.last_ticks() * product.tick_e8, 1_000_000))
        if product.spot:
            buy = account.free_e8(listing.quote) * 1_000_000 // one
            sell = account.free_e8(listing.base) // max(1, product.amount_e8(1))
        else:
            free = account.available_e8(product.settle) * account.leverage_of(product)
            buy = sell = free * 1_000_000 // one
        rows.append(
            {
                "ccy": product.settle,
                "instId": product.symbol,
                "maxBuy": scale.short_size(buy),
                "maxSell": scale.short_size(sell),
            }
        )
    return rows


def get_config(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """Tell the account's modes, and what its key may do."""
    return [
        {
            "acctLv": "2",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "greeksType": "PA",
            "ip": "",
            "type": "0",
            "kycLv": "3",
            "label": "emulated",
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": venue.uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": "read_only,withdraw,trade" if venue.withdrawing_keys else "read_only,trade",
            "posMode": "long_short_mode" if account.hedge else "net_mode",
            "roleType": "0",
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "traderInsts": [],
            "uid": venue.uid,
        }
    ]


def get_currencies(venue: Okx, account: MarginAccount, args: Json) -> list[Json]:
    """List the currencies there are; none can be moved in or out."""
    wanted = [name for name in text(args, "ccy").split(",") if name]
    return [
        {
            "burningFeeRate": "",
            "canDep": False,
            "canInternal": False,
            "canWd": False,
            "ccy": asset,
            "chain": f"{asset}-Emulated",
            "ctAddr": "",
            "depEstOpenTime": "",
            "depQuotaFixed": "",
            "depQuoteDailyLayer2": "",
            "fee": "0",
            "logoLink": "",
            "mainNet": True,
            "maxFee": "0",
            "maxFeeForCtAddr": "",
            "maxWd": "0",
            "minDep": "0",
            "minDepArrivalConfirm": "1",
            "minFee": "0",
            "minFeeForCtAddr": "",
            "minInternal": "0",
            "minWd": "0",
            "minWdUnlockConfirm": "1",
            "name": asset,
            "needTag": False,
            "usedDepQuotaFixed": "",
            "usedWdQuota": "0",
            "wdEstOpenTime": "",
            "wdQuota": "0",
            "wdTickSz": "8",
        }
        for asset in account.cash
        if not wanted or asset in wanted
    ]


Reader = Callable[[Okx, MarginAccount, Json], list[Any]]
