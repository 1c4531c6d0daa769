"""Double entry: money never appears or vanishes, it moves between accounts.

::

    buy 2 BTC at 100, fee 0.2 USDT          BTC                       USDT
      venue:binance                          +2        -200           -0.2
      trading:BTC-USDT.binance               -2        +200
      fees:binance                                                    +0.2
                                      sum     0           0             0
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import islice
from typing import Final

from core.model.accounts import EntryKind, LedgerEntry
from core.model.errors import InvariantError
from core.model.facts import BalanceSet, CashMoved
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import OrderFilled

EXACT: Final = Context(prec=96, rounding=ROUND_HALF_EVEN)
"""Sums and products of money: more digits than any venue's price times size has.

A sign is turned by `copy_negate`: unary minus would round to the 28 digits of the common context.
"""
MAX_ENTRIES: Final = 10_000
"""Ledger lines kept for reading; balances contain them all, the journal can rebuild them."""
_ZERO: Final = Decimal(0)

_Leg = tuple[str, str, Decimal, EntryKind]


class Ledger:
    """Balances of all accounts, and the newest lines that led to them."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        self._sums: dict[tuple[str, str], Decimal] = {}
        """(account, asset) to its balance."""
        self._entries: deque[LedgerEntry] = deque(maxlen=max_entries)
        self._transaction = 0

    @property
    def transactions(self) -> int:
        """Number of transactions so far; it changes whenever any balance does."""
        return self._transaction

    def book_fill(self, fill: OrderFilled, instrument: Instrument, gain: Decimal = _ZERO) -> None:
        """Book an execution and its fee, in whatever asset it was paid.

        A holding moves base against quote, an option its premium, and any other contract what its
        closing gained: what the venue says, else `gain`.
        """
        base = EXACT.multiply(fill.size, Decimal(fill.side.sign))
        quote = EXACT.multiply(base, fill.price)
        venue, trading = f"venue:{fill.venue}", f"trading:{fill.instrument_id}"
        trade, fee = EntryKind.TRADE, EntryKind.FEE
        asset = instrument.pays_in
        legs: list[_Leg] = []
        if not instrument.derivative:
            legs += [
                (venue, instrument.base, base, trade),
                (trading, instrument.base, base.copy_negate(), trade),
                (venue, instrument.quote, quote.copy_negate(), trade),
                (trading, instrument.quote, quote, trade),
            ]
        elif instrument.kind is InstrumentKind.OPTION:
            premium = EXACT.multiply(quote, instrument.contract_size)
            legs.append((venue, asset, premium.copy_negate(), trade))
            legs.append((trading, asset, premium, trade))
        else:
            brought = gain if fill.realised is None else fill.realised
            if brought:
                legs.append((venue, asset, brought, EntryKind.PNL))
                legs.append((trading, asset, brought.copy_negate(), EntryKind.PNL))
        if fill.fee:
            legs.append((venue, fill.fee_asset, fill.fee.copy_negate(), fee))
            legs.append((f"fees:{fill.venue}", fill.fee_asset, fill.fee, fee))
        self._post(legs, fill.ts_ns, f"{fill.client_order_id} {fill.execution_id}")

    def book_cash(self, flow: CashMoved) -> None:
        """Book money that moved without a fill: funding, interest, a settlement, a transfer."""
        other = f"{flow.kind.value}:{flow.instrument_id or flow.venue}"
        legs: list[_Leg] = [
            (f"venue:{flow.venue}", flow.asset, flow.amount, flow.kind),
            (other, flow.asset, flow.amount.copy_negate(), flow.kind),
        ]
        self._post(legs, flow.ts_ns, flow.flow_id)

    def book_balance(self, record: BalanceSet) -> Decimal:
        """Adopt a balance the venue stated; return the difference it made."""
        account = f"venue:{record.venue}"
        known = self._sums.get((account, record.asset))
        amount = EXACT.subtract(record.total, known or _ZERO)
        kind = EntryKind.OPENING if known is None else EntryKind.ADJUSTMENT
        legs = [
            (account, record.asset, amount, kind),
            (f"equity:{kind.value}", record.asset, amount.copy_negate(), kind),
        ]
        self._post(legs, record.ts_ns, record.reason)
        return amount

    def knows(self, venue: VenueName, asset: str | None = None) -> bool:
        """Return whether anything of this venue, or this asset there, was ever booked."""
        account = f"venue:{venue}"
        if asset is not None:
            return (account, asset) in self._sums
        return any(name == account for name, _ in self._sums)

    def total(self, venue: VenueName, asset: str) -> Decimal:
        """Return what the account holds of an asset, 0 when nothing is known."""
        return self._sums.get((f"venue:{venue}", asset), _ZERO)

    def totals(self) -> Iterator[tuple[VenueName, str, Decimal]]:
        """Yield (venue, asset, total) in a stable order."""
        for (account, asset), amount in sorted(self._sums.items()):
            if account.startswith("venue:"):
                yield VenueName(account[6:]), asset, amount

    def accounts(self) -> Iterator[tuple[str, str, Decimal]]:
        """Yield (account, asset, balance) of every account in a stable order."""
        for (account, asset), amount in sorted(self._sums.items()):
            yield account, asset, amount

    def entries(self, limit: int) -> tuple[LedgerEntry, ...]:
        """Return the newest lines, newest last."""
        skip = max(0, len(self._entries) - limit)
        return tuple(islice(self._entries, skip, None))

    def check(self) -> None:
        """Prove that all accounts together hold nothing.

        Raises:
            InvariantError: They do; names asset and sum.
        """
        sums: dict[str, Decimal] = {}
        for (_, asset), amount in self._sums.items():
            sums[asset] = EXACT.add(sums.get(asset, _ZERO), amount)
        for asset, amount in sums.items():
            if amount:
                raise InvariantError(f"ledger does not balance: {asset} sums to {amount}, not 0")

    def _post(self, legs: list[_Leg], ts_ns: int, ref: str) -> None:
        """Post one transaction; refuse it whole when its legs do not cancel out."""
        sums: dict[str, Decimal] = {}
        for _, asset, amount, _ in legs:
            sums[asset] = EXACT.add(sums.get(asset, _ZERO), amount)
        if any(sums.values()):
            raise InvariantError(f"transaction {ref!r} does not sum to zero: {sums}")
        self._transaction += 1
        for account, asset, amount, kind in legs:
            key = (account, asset)
            self._sums[key] = EXACT.add(self._sums.get(key, _ZERO), amount)
            self._entries.append(
                LedgerEntry(
                    transaction=self._transaction,
                    kind=kind,
                    account=account,
                    asset=asset,
                    amount=amount,
                    ts_ns=ts_ns,
                    ref=ref,
                )
            )
