"""How OKX writes orders, fills, algo orders, positions and balances: everything as text."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.market.derivatives.orders import (
    Branch,
    Category,
    Conditional,
    Ending,
    Fill,
    Order,
    Status,
    Wait,
)
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import Economy, Product
from emulator.market.triggers import Watched
from emulator.okx.instruments import inst_type
from emulator.wire.numbers import Scale
from emulator.wire.telling import average_e8, e8
from emulator.wire.venue import Json

_SOURCES: Final = {
    Ending.USER: "1",
    Ending.NO_LIQUIDITY: "14",
    Ending.TIME_IN_FORCE: "14",
    Ending.POST_ONLY: "31",
    Ending.SELF_TRADE: "32",
    Ending.REDUCE_ONLY: "22",
    Ending.LIQUIDATION: "3",
    Ending.DEAD_MAN: "20",
    Ending.VENUE: "0",
    Ending.OVER: "0",
}
_CATEGORIES: Final = {
    Category.NORMAL: "normal",
    Category.LIQUIDATION: "full_liquidation",
    Category.ADL: "adl",
}
_STATES: Final = {
    Status.NEW: "live",
    Status.PARTIALLY_FILLED: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "canceled",
}
ALGO_STATES: Final = {
    Wait.ARMED: "live",
    Wait.TRIGGERED: "effective",
    Wait.FINISHED: "effective",
    Wait.CANCELED: "canceled",
    Wait.EXPIRED: "canceled",
    Wait.REJECTED: "order_failed",
}
_WATCHED: Final = {Watched.LAST: "last", Watched.MARK: "mark", Watched.INDEX: "index"}


def kind(product: Product) -> str:
    """Return ``SPOT`` or ``SWAP``."""
    return inst_type(product.shard.listing)


def pos_side(leg: Leg, product: Product) -> str:
    """Return which position an order is for; nothing at spot."""
    return "" if product.spot else leg.value


def usd_e8(product: Product, price_e8: int, lots: int) -> int:
    """Return what lots are worth in dollars."""
    if product.economy is Economy.INVERSE:
        return product.amount_e8(lots)
    return product.worth_e8(price_e8, lots)


def order(row: Order, scale: Scale, leverage: int) -> Json:
    """Write an order as REST lists it."""
    said, ticket, product = row.ticket.words, row.ticket, row.product
    last = row.fills[-1] if row.fills else None
    parent = row.parent
    source = _SOURCES.get(row.ending, "0") if row.ending is not None else ""
    if row.ending is Ending.TIME_IN_FORCE and said.get("ordType") == "fok":
        source = "13"
    return {
        "accFillSz": scale.short_size(row.filled),
        "algoClOrdId": parent.client_id if parent else "",
        "algoId": str(parent.id) if parent else "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": said.get("attach", []),
        "avgPx": e8(average_e8(product, row)) if row.filled else "",
        "cTime": str(row.created_ms),
        "cancelSource": source,
        "cancelSourceReason": "",
        "category": _CATEGORIES[ticket.category],
        "ccy": "",
        "clOrdId": ticket.client_id,
        "fee": e8(-row.fee_e8),
        "feeCcy": row.fee_asset,
        "fillPx": scale.short_price(last.price_ticks) if last else "",
        "fillSz": scale.short_size(last.lots) if last else "0",
        "fillTime": str(last.ts_ms) if last else "",
        "instId": product.symbol,
        "instType": kind(product),
        "isTpLimit": "false",
        "lever": "" if product.spot else str(leverage),
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": str(row.id),
        "ordType": said.get("ordType", "market"),
        "pnl": e8(row.realized_e8),
        "posSide": pos_side(ticket.leg, product),
        "px": "" if ticket.market else scale.short_price(row.price_ticks),
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "quickMgnType": "",
        "rebate": "0",
        "rebateCcy": row.fee_asset,
        "reduceOnly": "true" if ticket.reduce_only else "false",
        "side": ticket.side.value,
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "6" if parent else "",
        "state": _STATES[row.status],
        "stpId": "",
        "stpMode": said.get("stpMode", "cancel_maker"),
        "sz": said["sz"] if ticket.budget else scale.short_size(row.lots),
        "tag": said.get("tag", ""),
        "tdMode": said.get("tdMode", "cross"),
        "tgtCcy": said.get("tgtCcy", ""),
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeId": str(last.trade_id) if last else "",
        "tradeQuoteCcy": product.shard.listing.quote if product.spot else "",
        "uTime": str(row.updated_ms),
    }


def order_push(
    row: Order, fill: Fill | None, scale: Scale, leverage: int, amended: str | None
) -> Json:
    """Write an order as its channel sends it; `amended` is the amend's request id."""
    product = row.product
    last = product.last_ticks()
    price_e8 = (row.price_ticks or last) * product.tick_e8
    filled_usd = usd_e8(product, fill.price_ticks * product.tick_e8, fill.lots) if fill else 0
    return {
        **order(row, scale, leverage),
        "amendResult": "0" if amended is not None else "",
        "amendSource": "1" if amended is not None else "",
        "code": "0",
        "execType": ("M" if fill.maker else "T") if fill else "",
        "fillFee": e8(-fill.fee_e8) if fill else "0",
        "fillFeeCcy": fill.fee_asset if fill else "",
        "fillFwdPx": "",
        "fillMarkPx": e8(fill.mark_e8) if fill and not product.spot else "",
        "fillMarkVol": "",
        "fillNotionalUsd": e8(filled_usd) if fill else "",
        "fillPnl": e8(fill.realized_e8) if fill else "0",
        "fillPx": scale.short_price(fill.price_ticks) if fill else "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": scale.short_size(fill.lots) if fill else "0",
        "fillTime": str(fill.ts_ms) if fill else "",
        "lastPx": scale.short_price(last),
        "msg": "",
        "notionalUsd": e8(usd_e8(product, price_e8, row.lots)),
        "reqId": amended or "",
        "tradeId": str(fill.trade_id) if fill else "",
    }


def fill_row(fill: Fill, scale: Scale) -> Json:
    """Write an execution as REST lists it."""
    product, made = fill.product, fill.order
    rate = product.terms.maker_ppm if fill.maker else product.terms.taker_ppm
    buys = fill.side is Side.BUY
    return {
        "billId": str(fill.number),
        "clOrdId": made.ticket.client_id,
        "execType": "M" if fill.maker else "T",
        "fee": e8(-fill.fee_e8),
        "feeCcy": fill.fee_asset,
        "feeRate": f"{-rate / 1e6:.6f}",
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": e8(fill.mark_e8) if not product.spot else "",
        "fillMarkVol": "",
        "fillPnl": e8(fill.realized_e8),
        "fillPx": scale.short_price(fill.price_ticks),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": scale.short_size(fill.lots),
        "fillTime": str(fill.ts_ms),
        "instId": product.symbol,
        "instType": kind(product),
        "ordId": str(made.id),
        "posSide": pos_side(made.ticket.leg, product) or "net",
        "side": fill.side.value,
        "subType": "1" if buys else "2",
        "tag": made.ticket.words.get("tag", ""),
        "tradeId": str(fill.trade_id),
        "tradeQuoteCcy": product.shard.listing.quote if product.spot else "",
        "ts": str(fill.ts_ms),
    }


def fill_push(fill: Fill, scale: Scale) -> Json:
    """Write an execution as the fills channel sends it."""
    return {
        "instId": fill.product.symbol,
        "fillSz": scale.short_size(fill.lots),
        "fillPx": scale.short_price(fill.price_ticks),
        "side": fill.side.value,
        "ts": str(fill.ts_ms),
        "ordId": str(fill.order.id),
        "clOrdId": fill.order.ticket.client_id,
        "tradeId": str(fill.trade_id),
        "execType": "M" if fill.maker else "T",
        "count": "1",
    }


def _branch(waits: Conditional, name: str) -> Branch | None:
    return next((each for each in waits.branches if each.name == name), None)


def algo(waits: Conditional, scale: Scale, leverage: int) -> Json:
    """Write an algo order."""
    said, ticket, child, product = waits.words, waits.ticket, waits.child, waits.product
    first = waits.branches[0].trigger
    trailing, plain = first.trailing, said["ordType"] == "trigger"
    told: Json = {
        "activePx": e8(first.active_at) if trailing and first.active_at else "",
        "actualPx": e8(average_e8(product, child)) if child and child.filled else "",
        "actualSide": waits.fired.name if waits.fired else "",
        "actualSz": scale.short_size(child.filled) if child else "0",
        "algoClOrdId": waits.client_id,
        "algoId": str(waits.id),
        "amendPxOnTriggerType": "0",
        "attachAlgoOrds": [],
        "cTime": str(waits.created_ms),
        "callbackRatio": said.get("callbackRatio", ""),
        "callbackSpread": said.get("callbackSpread", ""),
        "ccy": "",
        "chaseType": "",
        "chaseVal": "",
        "clOrdId": "",
        "closeFraction": "1" if ticket.close else "",
        "failCode": "51008" if waits.failure is not None else "0" if child else "",
        "instId": product.symbol,
        "instType": kind(product),
        "isTradeBorrowMode": "",
        "last": scale.short_price(product.last_ticks()),
        "lever": "" if product.spot else str(leverage),
        "linkedOrd": {"ordId": said.get("linked", "")},
        "maxChaseType": "",
        "maxChaseVal": "",
        "moveTriggerPx": e8(first.price) if trailing else "",
        "ordId": str(child.id) if child else "",
        "ordIdList": [str(child.id)] if child else [],
        "ordPx": (said["px"].get("", "")) if plain else "",
        "ordType": said["ordType"],
        "posSide": pos_side(ticket.leg, product),
        "pxLimit": "",
        "pxSpread": "",
        "pxVar": "",
        "quickMgnType": "",
        "reduceOnly": "true" if ticket.reduce_only else "false",
        "side": ticket.side.value,
        "state": ALGO_STATES[waits.state],
        "stpMode": said.get("stpMode", "cancel_maker"),
        "sz": "" if ticket.close else scale.short_size(ticket.lots),
        "szLimit": "",
        "tag": said.get("tag", ""),
        "tdMode": said.get("tdMode", "cross"),
        "tgtCcy": said.get("tgtCcy", ""),
        "timeInterval": "",
        "triggerPx": e8(first.price) if plain else "",
        "triggerPxType": _WATCHED[first.watches] if plain else "",
        "triggerTime": str(waits.triggered_ms) if waits.triggered_ms else "",
        "uTime": str(waits.updated_ms),
    }
    for name in ("tp", "sl"):
        branch = _branch(waits, name)
        told[f"{name}TriggerPx"] = e8(branch.trigger.price) if branch else ""
        told[f"{name}TriggerPxType"] = _WATCHED[branch.trigger.watches] if branch else ""
        told[f"{name}OrdPx"] = said["px"].get(name, "") if branch else ""
    return told
