"""Double entry: what accounts gain somebody else loses, to the last 1e-8.

::

    sum over accounts (cash - cost of what is held) + fees + insurance + crowd = what was paid in
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from core.model.market import Side
from emulator.clock import MS
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Entry, Fill, Moved, Order
from emulator.market.derivatives.position import Position
from emulator.market.derivatives.product import Product


class Books:
    """What is not the accounts': by asset, in 1e-8."""

    def __init__(self, next_number: Callable[[], int]) -> None:
        self._next_number = next_number
        self.fees: Counter[str] = Counter()
        self.insurance: Counter[str] = Counter()
        self.crowd: Counter[str] = Counter()
        """What the crowd gained from accounts' trades and funding; of an open trade, its price."""

    def total_e8(self, accounts: list[MarginAccount], asset: str) -> int:
        """Return all there is of an asset; it never changes."""
        there = self.fees[asset] + self.insurance[asset] + self.crowd[asset]
        for account in accounts:
            there += account.cash.get(asset, 0)
            there -= sum(
                position.cost_e8
                for position in account.open_positions(asset)
                if not position.product.option
            )
        return there

    def fill(
        self,
        account: MarginAccount,
        order: Order,
        price_ticks: int,
        lots: int,
        trade_id: int,
        *,
        maker: bool,
        crowd: bool,
    ) -> Fill:
        """Book one execution, and tell of the money and the position it moved."""
        product, side = order.product, order.ticket.side
        account.remember()
        worth = product.worth_e8(price_ticks * product.tick_e8, lots)
        if product.spot:
            # Bought, the fee is paid in base; sold, in quote.
            got = product.amount_e8(lots) if side is Side.BUY else worth
            fee = product.fee_e8(got, lots, maker=maker)
            listing = product.shard.listing
            fee_asset = listing.base if side is Side.BUY else listing.quote
        else:
            fee, fee_asset = product.fee_e8(worth, lots, maker=maker), product.settle
        before = dict(account.cash)
        realized, held = 0, 0
        position: Position | None = None
        if product.spot:
            self._swap(account, product, side, lots, worth, crowd=crowd)
        else:
            position = account.position(product, order.ticket.leg)
            realized = self._trade(account, position, side.sign * lots, price_ticks, crowd=crowd)
            held = position.lots
            position.fees_e8 += fee
            position.trade_id = trade_id
        account.cash[fee_asset] = account.cash.get(fee_asset, 0) - fee
        self.fees[fee_asset] += fee
        order.worth_e8 += worth
        order.fee_e8 += fee
        order.fee_asset = fee_asset
        order.realized_e8 += realized
        ts_ms = product.shard.last_ns // MS
        fill = Fill(
            number=self._next_number(),
            trade_id=trade_id,
            order=order,
            product=product,
            side=side,
            price_ticks=price_ticks,
            lots=lots,
            worth_e8=worth,
            fee_e8=fee,
            fee_asset=fee_asset,
            realized_e8=realized,
            position_lots=held,
            mark_e8=product.mark_e8(),
            maker=maker,
            ts_ms=ts_ms,
        )
        order.fills.append(fill)
        account.fills.append(fill)
        self._write(account, fill, before)
        account.updated_ms = ts_ms
        changed = {
            asset: account.cash[asset] - before.get(asset, 0)
            for asset in account.cash
            if account.cash[asset] != before.get(asset, 0)
        }
        account.tell(
            Moved(
                why="order",
                ts_ms=ts_ms,
                assets=changed,
                positions=(position,) if position is not None else (),
                fill=fill,
            )
        )
        return fill

    def _swap(
        self,
        account: MarginAccount,
        product: Product,
        side: Side,
        lots: int,
        worth: int,
        *,
        crowd: bool,
    ) -> None:
        listing = product.shard.listing
        base = side.sign * product.amount_e8(lots)
        for asset, change in ((listing.base, base), (listing.quote, -side.sign * worth)):
            account.cash[asset] = account.cash.get(asset, 0) + change
            if crowd:
                self.crowd[asset] -= change

    def _trade(
        self,
        account: MarginAccount,
        position: Position,
        lots: int,
        price_ticks: int,
        *,
        crowd: bool,
    ) -> int:
        product, settle = position.product, position.product.settle
        debit = product.debit_e8(price_ticks, lots)
        was = position.lots
        now_ms = product.shard.last_ns // MS
        turned = was * (was + lots) < 0
        if not was or turned:
            position.opened_ms, position.number = now_ms, self._next_number()
            position.fees_e8 = position.funding_e8 = position.realized_e8 = 0
        realized = position.apply(lots, debit)
        position.updated_ms = now_ms
        account.cash[settle] = account.cash.get(settle, 0) + (
            -debit if product.option else realized
        )
        if crowd:
            self.crowd[settle] += debit
        return realized

    def _write(self, account: MarginAccount, fill: Fill, before: dict[str, int]) -> None:
        """Write the lines of a fill: profit or assets first, then the fee."""
        product = fill.product
        kind = "spot" if product.spot else "premium" if product.option else "trade"
        balances = dict(before)
        for asset in account.cash:
            fee = fill.fee_e8 if asset == fill.fee_asset else 0
            change = account.cash[asset] - before.get(asset, 0) + fee
            for name, amount in ((kind, change), ("fee", -fee)):
                if amount:
                    balances[asset] = balances.get(asset, 0) + amount
                    self.note(account, name, asset, amount, product, fill, balances[asset])

    def note(
        self,
        account: MarginAccount,
        kind: str,
        asset: str,
        amount_e8: int,
        product: Product,
        fill: Fill | None = None,
        balance_e8: int | None = None,
        position_lots: int = 0,
    ) -> None:
        """Write one line."""
        account.entries.append(
            Entry(
                number=self._next_number(),
                ts_ms=product.shard.last_ns // MS,
                kind=kind,
                asset=asset,
                amount_e8=amount_e8,
                balance_e8=account.cash.get(asset, 0) if balance_e8 is None else balance_e8,
                product=product,
                fill=fill,
                position_lots=fill.position_lots if fill else position_lots,
                mark_e8=fill.mark_e8 if fill else product.mark_e8(),
            )
        )
