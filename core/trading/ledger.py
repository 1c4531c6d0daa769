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
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderFilled

EXACT: Final = Context(prec=96, rounding=ROUND_HALF_EVEN)
"""Sums and products of money: more digits than any venue's price times size has.

A sign is turned by `copy_negate`: unary minus would round to the 28 digits of the common context.
"""
_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_multiply: Final = EXACT.multiply
MAX_ENTRIES: Final = 10_000
"""Ledger lines kept for reading; balances contain them all, the journal can rebuild them."""
_ZERO: Final = Decimal(0)

_BUY: Final = Side.BUY
_TRADE: Final = EntryKind.TRADE
_FEE: Final = EntryKind.FEE


class Sum:
    """What one account holds of one asset."""

    __slots__ = ("account", "amount", "asset", "booked")

    def __init__(self, account: str, asset: str) -> None:
        self.account = account
        self.asset = asset
        self.amount = _ZERO
        self.booked = False
        """Whether anything was, be it nothing on balance."""


_Move = tuple[Sum, Sum, Decimal, EntryKind]
"""(what receives, what gives, amount, kind), both of one asset: it sums to zero as it is."""
_Fees = tuple[Sum, Sum]
"""(what pays a fee, what gets it)."""


class _Sums(NamedTuple):
    """Where executions of one instrument at one account are booked."""

    instrument: Instrument
    venue_base: Sum
    trading_base: Sum
    venue_pays: Sum
    trading_pays: Sum


_Posted = tuple[tuple[_Move, ...], int, tuple[str, ...]]
"""(what moved, time, parts of its reference)."""
_Bought = tuple[OrderFilled, _Sums, _Fees | None]
"""A holding's execution, from which the same is worked out."""
_Transaction = tuple[int, int, _Posted | None, _Bought | None]
"""(number, lines, either of the two): its lines are written out when they are read."""


class Ledger:
    """Balances of all accounts, and the newest lines that led to them."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        self._sums: dict[tuple[str, str], Sum] = {}
        """By account and asset."""
        self._of_fills: dict[tuple[VenueName, InstrumentId], _Sums] = {}
        self._of_venues: dict[tuple[VenueName, str], Sum] = {}
        self._of_fees: dict[tuple[VenueName, str], tuple[Sum, Sum]] = {}
        self._max_entries = max_entries
        self._newest: deque[_Transaction] = deque()
        """Enough of them for `max_entries` lines."""
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
        venue, fee = fill.venue, fill.fee
        sums = self._of_fills.get((venue, instrument.id))
        if sums is None or sums.instrument is not instrument:
            sums = self._fill_sums(venue, instrument)
        fees = None
        if fee:
            fees = self._of_fees.get((venue, fill.fee_asset)) or self._fee_sums(fill)
        size, paid = fill.size, _multiply(fill.size, fill.price)
        if instrument.derivative or not (paid.is_finite() and fee.is_finite()):
            moves = _moves(fill, sums, fees, gain)
            self._post(moves, fill.ts_ns, (fill.client_order_id, fill.execution_id))
            return
        # A start books every fill there ever was, so this does what `_post` does with `_moves`.
        _, ours, theirs, pays, gets = sums
        if not theirs.booked:
            ours.booked = theirs.booked = pays.booked = gets.booked = True
        if fill.side is _BUY:
            ours.amount, theirs.amount = _add(ours.amount, size), _subtract(theirs.amount, size)
            pays.amount, gets.amount = _subtract(pays.amount, paid), _add(gets.amount, paid)
        else:
            ours.amount, theirs.amount = _subtract(ours.amount, size), _add(theirs.amount, size)
            pays.amount, gets.amount = _add(pays.amount, paid), _subtract(gets.amount, paid)
        lines = 4
        if fees is not None:
            pays, gets = fees
            pays.booked = gets.booked = True
            pays.amount, gets.amount = _subtract(pays.amount, fee), _add(gets.amount, fee)
            lines = 6
        self._keep(lines, None, (fill, sums, fees))

    def book_cash(self, flow: CashMoved) -> None:
        """Book money that moved without a fill: funding, interest, a settlement, a transfer."""
        ours = self._sum(f"venue:{flow.venue}", flow.asset)
        other = self._sum(f"{flow.kind.value}:{flow.instrument_id or flow.venue}", flow.asset)
        self._post(((ours, other, flow.amount, flow.kind),), flow.ts_ns, (flow.flow_id,))

    def book_balance(self, record: BalanceSet) -> Decimal:
        """Adopt a balance the venue stated; return the difference it made."""
        account = f"venue:{record.venue}"
        ours = self._sum(account, record.asset)
        amount = EXACT.subtract(record.total, ours.amount)
        kind = EntryKind.ADJUSTMENT if ours.booked else EntryKind.OPENING
        other = self._sum(f"equity:{kind.value}", record.asset)
        self._post(((ours, other, amount, kind),), record.ts_ns, (record.reason,))
        return amount

    def knows(self, venue: VenueName, asset: str | None = None) -> bool:
        """Return whether anything of this venue, or this asset there, was ever booked."""
        account = f"venue:{venue}"
        return any(
            held.account == account and asset in {None, held.asset} for held in self._booked()
        )

    def total(self, venue: VenueName, asset: str) -> Decimal:
        """Return what the account holds of an asset, 0 when nothing is known."""
        found = self._of_venues.get((venue, asset))
        if found is None:
            found = self._of_venues[venue, asset] = self._sum(f"venue:{venue}", asset)
        return found.amount

    def totals(self) -> Iterator[tuple[VenueName, str, Decimal]]:
        """Yield (venue, asset, total) in a stable order."""
        for account, asset, amount in self.accounts():
            if account.startswith("venue:"):
                yield VenueName(account[6:]), asset, amount

    def accounts(self) -> Iterator[tuple[str, str, Decimal]]:
        """Yield (account, asset, balance) of every account in a stable order."""
        for held in sorted(self._booked(), key=lambda held: (held.account, held.asset)):
            yield held.account, held.asset, held.amount

    def entries(self, limit: int) -> tuple[LedgerEntry, ...]:
        """Return the newest lines, newest last: whole transactions, no more lines than `limit`.

        A newest one of more lines than that comes whole as well, for half of it sums to nothing.
        """
        lines: list[LedgerEntry] = []
        wanted = min(limit, self._max_entries)
        for transaction in reversed(self._newest):
            written = _written_out(transaction)
            if wanted <= 0 or (lines and len(lines) + len(written) > wanted):
                break
            lines += reversed(written)
        return tuple(reversed(lines))

    def check(self) -> None:
        """Prove that all accounts together hold nothing.

        Raises:
            InvariantError: They do; names asset and sum.
        """
        sums: dict[str, Decimal] = {}
        for held in self._sums.values():
            sums[held.asset] = EXACT.add(sums.get(held.asset, _ZERO), held.amount)
        for asset, amount in sums.items():
            if amount:
                raise InvariantError(f"ledger does not balance: {asset} sums to {amount}, not 0")

    def _booked(self) -> Iterator[Sum]:
        return (held for held in self._sums.values() if held.booked)

    def _sum(self, account: str, asset: str) -> Sum:
        found = self._sums.get((account, asset))
        if found is None:
            found = self._sums[(account, asset)] = Sum(account, asset)
        return found

    def _fill_sums(self, venue: VenueName, instrument: Instrument) -> _Sums:
        ours, theirs = f"venue:{venue}", f"trading:{instrument.id}"
        # A contract moves no base, so it is given the same sums twice.
        base = instrument.pays_in if instrument.derivative else instrument.base
        found = self._of_fills[(venue, instrument.id)] = _Sums(
            instrument,
            self._sum(ours, base),
            self._sum(theirs, base),
            self._sum(ours, instrument.pays_in),
            self._sum(theirs, instrument.pays_in),
        )
        return found

    def _fee_sums(self, fill: OrderFilled) -> _Fees:
        venue, asset = fill.venue, fill.fee_asset
        found = self._sum(f"venue:{venue}", asset), self._sum(f"fees:{venue}", asset)
        self._of_fees[(venue, asset)] = found
        return found

    def _post(self, moves: tuple[_Move, ...], ts_ns: int, ref: tuple[str, ...]) -> None:
        """Post one transaction; refuse it whole when it moves what is no number."""
        for of, _, amount, _ in moves:
            if not amount.is_finite():
                words = f"{' '.join(ref)!r} moves {amount} {of.asset}"
                raise InvariantError(f"transaction {words}, it must be a number")
        for receives, gives, amount, _ in moves:
            receives.amount = _add(receives.amount, amount)
            gives.amount = _subtract(gives.amount, amount)
            receives.booked = gives.booked = True
        self._keep(2 * len(moves), (moves, ts_ns, ref), None)

    def _keep(self, lines: int, posted: _Posted | None, bought: _Bought | None) -> None:
        """Keep a transaction for reading, and no more old ones than are needed for that."""
        number = self._transaction = self._transaction + 1
        newest = self._newest
        newest.append((number, lines, posted, bought))
        lines += self._lines
        while (left := lines - newest[0][1]) >= self._max_entries:
            newest.popleft()
            lines = left
        self._lines = lines


def _moves(fill: OrderFilled, sums: _Sums, fees: _Fees | None, gain: Decimal) -> tuple[_Move, ...]:
    """Return what an execution moves."""
    instrument, venue_base, trading_base, venue_pays, trading_pays = sums
    base = fill.size if fill.side is _BUY else fill.size.copy_negate()
    quote = _multiply(base, fill.price)
    moves: tuple[_Move, ...] = ()
    if not instrument.derivative:
        moves = (
            (venue_base, trading_base, base, _TRADE),
            (venue_pays, trading_pays, quote.copy_negate(), _TRADE),
        )
    elif instrument.kind is InstrumentKind.OPTION:
        premium = _multiply(quote, instrument.contract_size)
        moves = ((venue_pays, trading_pays, premium.copy_negate(), _TRADE),)
    else:
        brought = gain if fill.realised is None else fill.realised
        if brought:
            moves = ((venue_pays, trading_pays, brought, EntryKind.PNL),)
    if fees is not None:
        moves = (*moves, (*fees, fill.fee.copy_negate(), _FEE))
    return moves


def _written_out(transaction: _Transaction) -> list[LedgerEntry]:
    """Return both lines of each move."""
    number, _, posted, bought = transaction
    if posted is not None:
        moves, ts_ns, ref = posted
    else:
        assert bought is not None
        fill, sums, fees = bought
        moves, ts_ns = _moves(fill, sums, fees, _ZERO), fill.ts_ns
        ref = (fill.client_order_id, fill.execution_id)
    return [
        LedgerEntry(
            transaction=number,
            kind=kind,
            account=held.account,
            asset=held.asset,
            amount=signed,
            ts_ns=ts_ns,
            ref=" ".join(ref),
        )
        for receives, gives, amount, kind in moves
        for held, signed in ((receives, amount), (gives, amount.copy_negate()))
    ]
