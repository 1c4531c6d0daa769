"""Races a client loses: the crowd fills a resting order just before its cancel comes."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.market.market import Market
from emulator.market.shard import Shard

_NEAR_PER_MILLE: Final = 10
"""An order farther than this from the best price is left alone: to reach it, the crowd would have
to trade the market there."""


def fill_first(market: Market, shard: Shard, order_id: int) -> bool:
    """Let the crowd fill a resting order and what stands before it; False when it does not."""
    engine = shard.engine
    order = engine.order(order_id)
    if order is None:
        return False
    buys = order.side is Side.BUY
    best = engine.best_bid() if buys else engine.best_ask()
    price = order.price_ticks
    if best is None or abs(best - price) * 1_000 > best * _NEAR_PER_MILLE:
        return False
    taker = order.side.opposite
    whole = order.lots + order.hidden + engine.queue_ahead(order_id)
    better = sum(lots for ticks, lots in engine.sweep(taker, price, 1 << 60) if ticks != price)
    if order.hidden:
        # Its later parts stand behind all others at its price.
        whole = sum(lots for ticks, lots in engine.sweep(taker, price, 1 << 60) if ticks == price)
    market.crowd_trade(shard.listing.symbol, taker, better + whole, price)
    return True
