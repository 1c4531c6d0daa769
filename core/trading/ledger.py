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
from typing import Final, NamedTuple

from core.model.accounts import EntryKind, LedgerEntry
from core.model.errors import InvariantError
from core.model.facts import BalanceSet, CashMoved
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderFilled

EXACT: Final = Context(prec=96, rounding=ROUND_HALF_EVEN)
"""Sums and products of money: more digits than any venue's price times size has.

A sign is turned by `copy_negate`: unary minus would round to the 28 digits of the common context.
"""
MAX_ENTRIES: Final = 10_000
"""Ledger lines kept for reading; balances contain them all, the journal can rebuild them."""
_ZERO: Final = Decimal(0)

_BUY: Final = Side.BUY
_TRADE: Final = EntryKind.TRADE
_FEE: Final = EntryKind.FEE
_Move = tuple[str, str, str, Decimal, EntryKind]
"""(account that receives, account that gives, asset, amount, kind): it sums to zero as it is."""


class _Transaction(NamedTuple):
    """What one event moved, its lines still to be written out."""

    number: int
    moves: tuple[_Move, ...]
    ts_ns: int
    ref: tuple[str, ...]


class Ledger:
    """Balances of all accounts, and the newest lines that led to them."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        self._sums: dict[tuple[str, str], Decimal] = {}
        """(account, asset) to its balance."""
        self._max_entries = max_entries
        self._newest: deque[_Transaction] = deque()
        """Enough of them for `max_entries` lines; a line is made when somebody reads it."""
        self._lines = 0
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
        base = fill.size if fill.side is _BUY else fill.size.copy_negate()
        quote = EXACT.multiply(base, fill.price)
        venue, trading = f"venue:{fill.venue}", f"trading:{fill.instrument_id}"
        moves: tuple[_Move, ...] = ()
        if not instrument.derivative:
            moves = (
                (venue, trading, instrument.base, base, _TRADE),
                (venue, trading, instrument.quote, quote.copy_negate(), _TRADE),
            )
        elif instrument.kind is InstrumentKind.OPTION:
            premium = EXACT.multiply(quote, instrument.contract_size)
            moves = ((venue, trading, instrument.pays_in, premium.copy_negate(), _TRADE),)
        else:
            brought = gain if fill.realised is None else fill.realised
            if brought:
                moves = ((venue, trading, instrument.pays_in, brought, EntryKind.PNL),)
        if fill.fee:
            fee = fill.fee.copy_negate()
            moves = (*moves, (venue, f"fees:{fill.venue}", fill.fee_asset, fee, _FEE))
        self._post(moves, fill.ts_ns, (fill.client_order_id, fill.execution_id))

    def book_cash(self, flow: CashMoved) -> None:
        """Book money that moved without a fill: funding, interest, a settlement, a transfer."""
        other = f"{flow.kind.value}:{flow.instrument_id or flow.venue}"
        moves = ((f"venue:{flow.venue}", other, flow.asset, flow.amount, flow.kind),)
        self._post(moves, flow.ts_ns, (flow.flow_id,))

    def book_balance(self, record: BalanceSet) -> Decimal:
        """Adopt a balance the venue stated; return the difference it made."""
        account = f"venue:{record.venue}"
        known = self._sums.get((account, record.asset))
        amount = EXACT.subtract(record.total, known or _ZERO)
        kind = EntryKind.OPENING if known is None else EntryKind.ADJUSTMENT
        moves = ((account, f"equity:{kind.value}", record.asset, amount, kind),)
        self._post(moves, record.ts_ns, (record.reason,))
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
        lines: list[LedgerEntry] = []
        wanted = min(limit, self._max_entries)
        for transaction in reversed(self._newest):
            if len(lines) >= wanted:
                break
            lines += reversed(_written_out(transaction))
        return tuple(reversed(lines[: max(wanted, 0)]))

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

    def _post(self, moves: tuple[_Move, ...], ts_ns: int, ref: tuple[str, ...]) -> None:
        """Post one transaction; refuse it whole when it moves what is no number."""
        for _, _, asset, amount, _ in moves:
            if not amount.is_finite():
                words = f"{' '.join(ref)!r} moves {amount} {asset}"
                raise InvariantError(f"transaction {words}, it must be a number")
        self._transaction += 1
        sums, add = self._sums, EXACT.add
        for receives, gives, asset, amount, _ in moves:
            to, of = (receives, asset), (gives, asset)
            sums[to] = add(sums.get(to, _ZERO), amount)
            sums[of] = add(sums.get(of, _ZERO), amount.copy_negate())
        self._newest.append(_Transaction(self._transaction, moves, ts_ns, ref))
        self._lines += 2 * len(moves)
        while self._lines - 2 * len(self._newest[0].moves) >= self._max_entries:
            self._lines -= 2 * len(self._newest.popleft().moves)


def _written_out(transaction: _Transaction) -> list[LedgerEntry]:
    """Return both lines of each move."""
    ref = " ".join(transaction.ref)
    return [
        LedgerEntry(
            transaction=transaction.number,
            kind=kind,
            account=account,
            asset=asset,
            amount=signed,
            ts_ns=transaction.ts_ns,
            ref=ref,
        )
        for receives, gives, asset, amount, kind in transaction.moves
        for account, signed in ((receives, amount), (gives, amount.copy_negate()))
    ]
