"""What happens to a simulated account's contracts without an order: funding, force, expiry.

Prices are those the venue's feed tells. An account whose equity falls below its maintenance margin
is closed whole at the mark, asset by asset, for a fee; what is missing after that the venue's fund
pays, as nobody can be made to. Times nobody followed the market are not made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from core.model.accounts import EntryKind
from core.model.facts import CashMoved, PositionForced, PositionSet, VenueEvent, VenueWarned
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import MarkPrice
from core.trading.ledger import EXACT
from core.venues.funding import Due, FundingClock
from core.venues.margin import Held, Margin, Terms
from core.venues.sim_account import SimAccount

Drop: TypeAlias = Callable[[Callable[[Instrument], bool], str, int], list[VenueEvent]]
"""Ends the resting orders of some instruments, with why and when."""

_CENT: Final = Decimal("1e-8")
_ZERO: Final = Decimal(0)
_NEAR: Final = Decimal("1.25")
"""Equity below so many times the maintenance margin is told, once."""


class Upkeep:
    """Watches what contracts are worth, pay and become."""

    def __init__(
        self,
        venue: VenueName,
        account: SimAccount,
        terms: Callable[[Instrument], Terms],
        drop: Drop,
    ) -> None:
        self._venue = venue
        self._account = account
        self._margin: Margin = account.margin
        self._terms = terms
        self._drop = drop
        self._funding = FundingClock()
        self._warned: set[str] = set()
        """Assets whose margin call was told, and instruments that cannot be settled."""

    def on_mark(self, event: MarkPrice, ts_ns: int) -> list[VenueEvent]:
        """Take reference prices: pay what is due, then see whether the margin still holds."""
        name = event.instrument_id
        if event.mark is not None:
            self._margin.marks[name] = event.mark
        if event.index is not None:
            self._margin.indices[name] = event.index
        due = self._funding.take(event)
        events = self._pay(due, ts_ns) if due is not None else []
        return events + self.check(name, ts_ns)

    def pay_arrears(
        self,
        name: InstrumentId,
        rows: Sequence[FundingPaid],
        paid: Callable[[str], bool],
        ts_ns: int,
    ) -> list[VenueEvent]:
        """Pay funding that came due before the account was taken up; `paid` knows what was."""
        events: list[VenueEvent] = []
        for row in rows:
            due = Due(name, row.share, row.at_ns)
            events += self._pay(due, ts_ns, price=row.price, paid=paid)
        return events

    def check(self, name: InstrumentId, ts_ns: int) -> list[VenueEvent]:
        """See whether an instrument's new price leaves its account too little."""
        assets = {held.instrument.pays_in for held in self._margin.open() if
                  held.instrument.id == name}  # fmt: skip
        events: list[VenueEvent] = []
        for asset in assets:
            needed = self._margin.maintenance(asset)
            equity = self._margin.equity(asset)
            if not needed or equity >= needed * _NEAR:
                self._warned.discard(asset)
            elif equity < needed:
                self._warned.discard(asset)
                events += self._liquidate(asset, equity, needed, ts_ns)
            elif asset not in self._warned:
                self._warned.add(asset)
                text = (
                    f"margin call: equity {_plain(equity)} {asset}, below {_plain(needed)} "
                    "everything is closed by force; add margin or reduce"
                )
                events.append(VenueWarned(venue=self._venue, text=text, ts_ns=ts_ns))
        return events

    @property
    def next_expiry_ns(self) -> int | None:
        """When the next contract held ends, None: none does."""
        ends = [
            held.instrument.expiry_ns
            for held in self._margin.open()
            if held.instrument.expiry_ns and held.instrument.id not in self._warned
        ]
        return min(ends, default=None)

    def deliver(self, ts_ns: int) -> list[VenueEvent]:
        """Settle contracts whose time is over, in cash, at the index the feed told last."""
        events: list[VenueEvent] = []
        for held in list(self._margin.open()):
            item = held.instrument
            if not 0 < item.expiry_ns <= ts_ns or item.id in self._warned:
                continue
            index = self._margin.indices.get(item.id)
            if index is None:
                self._warned.add(item.id)
                text = (
                    f"{item.id} expired and its feed has told no index price: the position of "
                    f"{held.net.size:f} stays as it is"
                )
                events.append(VenueWarned(venue=self._venue, text=text, ts_ns=ts_ns))
                continue
            events += self._drop(lambda one, item=item: one.id == item.id, "it expired", ts_ns)  # type: ignore[misc]  # bound at once
            events.append(self._settle(held, index, ts_ns))
        return events

    def _pay(
        self,
        due: Due,
        ts_ns: int,
        *,
        price: Decimal | None = None,
        paid: Callable[[str], bool] | None = None,
    ) -> list[VenueEvent]:
        """Pay on what is held, at the mark where no price is given."""
        events: list[VenueEvent] = []
        for held in self._margin.open():
            mark = price or self._margin.mark(held.instrument)
            if held.instrument.id != due.instrument_id or mark is None:
                continue
            worth = held.net.worth(abs(held.net.size), mark)
            owed = (worth * due.share).quantize(_CENT)
            amount = -owed if held.net.size > 0 else owed
            flow_id = f"{held.instrument.id}:{held.side}:{due.at_ns // 1_000_000}"
            if amount and not (paid is not None and paid(flow_id)):
                events.append(
                    self._moved(held, amount, EntryKind.FUNDING, flow_id, due.at_ns, ts_ns)
                )
        return events

    def _liquidate(
        self, asset: str, equity: Decimal, needed: Decimal, ts_ns: int
    ) -> list[VenueEvent]:
        """Close everything settled in an asset at the mark."""
        events = self._drop(
            lambda item: item.derivative and item.pays_in == asset, "liquidation", ts_ns
        )
        sets: list[PositionSet] = []
        flows: list[CashMoved] = []
        words: list[str] = []
        closed: list[tuple[Held, Decimal]] = []
        for held in list(self._margin.open(asset)):
            mark = self._margin.mark(held.instrument)
            if mark is None or held.option:
                continue
            size = held.net.size
            worth = held.net.worth(abs(size), mark)
            words.append(f"{held.instrument.id} {size:+f} at the mark {mark:f}")
            sets.append(self._flat(held, "liquidation", mark, ts_ns))
            gain = self._margin.trade(held.instrument, held.side, -size, mark)
            flow_id = self._flow_id(held, "liquidated", ts_ns)
            flows.append(self._moved(held, gain, EntryKind.PNL, flow_id, ts_ns, ts_ns))
            closed.append((held, worth))
        charged = _ZERO
        for held, worth in closed:
            rate = self._terms(held.instrument).liquidation_fee
            left = max(self._account.wallet.total(asset), _ZERO)
            fee = min((worth * rate).quantize(_CENT), left)
            if fee:
                charged += fee
                flow_id = self._flow_id(held, "liquidation-fee", ts_ns)
                flows.append(self._moved(held, -fee, EntryKind.LIQUIDATION, flow_id, ts_ns, ts_ns))
        missing = -self._account.wallet.total(asset)
        if missing > 0:
            flow_id = self._flow_id(closed[0][0], "insurance", ts_ns)
            flows.append(
                self._moved(closed[0][0], missing, EntryKind.LIQUIDATION, flow_id, ts_ns, ts_ns)
            )
        text = (
            f"LIQUIDATED: equity {_plain(equity)} {asset} fell below the maintenance margin of "
            f"{_plain(needed)}: {'; '.join(words)}; fee {_plain(charged)}, left are "
            f"{_plain(self._account.wallet.total(asset))}"
        )
        events.append(self._forced(sets, flows, text, ts_ns))
        return events

    def _settle(self, held: Held, index: Decimal, ts_ns: int) -> VenueEvent:
        """Close a contract at its end."""
        item, size = held.instrument, held.net.size
        price = payoff(item, index) if held.option else index
        record = self._flat(held, "expiry", price, ts_ns)
        gain = self._margin.trade(item, held.side, -size, price)
        if held.option:
            gain = EXACT.multiply(EXACT.multiply(size, item.contract_size), price)
        flow_id = f"{item.id}:{held.side}:expiry"
        flow = self._moved(held, gain, EntryKind.SETTLEMENT, flow_id, item.expiry_ns, ts_ns)
        when = datetime.fromtimestamp(item.expiry_ns // 10**9, UTC)
        text = (
            f"{item.id} expired {when:%Y-%m-%d %H:%M} UTC: {size:+f} settled in cash, index "
            f"{index:f}: {_plain(gain)} {item.pays_in}"
        )
        return self._forced([record], [flow], text, ts_ns)

    def _flat(self, held: Held, reason: str, price: Decimal, ts_ns: int) -> PositionSet:
        return PositionSet(
            venue=self._venue,
            instrument_id=held.instrument.id,
            side=held.side,
            size=_ZERO,
            average_price=None,
            reason=reason,
            closed_at=price,
            ts_ns=ts_ns,
        )

    def _moved(
        self,
        held: Held,
        amount: Decimal,
        kind: EntryKind,
        flow_id: str,
        ts_event_ns: int,
        ts_ns: int,
    ) -> CashMoved:
        item = held.instrument
        return self._account.moved(item.pays_in, amount, kind, flow_id, item.id, ts_event_ns, ts_ns)

    def _forced(
        self, sets: list[PositionSet], flows: list[CashMoved], text: str, ts_ns: int
    ) -> PositionForced:
        return PositionForced(
            venue=self._venue, positions=tuple(sets), flows=tuple(flows), text=text, ts_ns=ts_ns
        )

    @staticmethod
    def _flow_id(held: Held, what: str, ts_ns: int) -> str:
        return f"{held.instrument.id}:{held.side}:{what}:{ts_ns}"


def payoff(item: Instrument, index: Decimal) -> Decimal:
    """Return what one option is worth at its end, in what it is quoted in."""
    assert item.kind is InstrumentKind.OPTION
    way = 1 if item.option_right == "call" else -1
    inner = max(_ZERO, (index - item.strike) * way)
    # An option quoted in its coin pays in coin.
    return (inner / index).quantize(_CENT) if item.quote == item.base else inner


def _plain(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT).normalize():f}"
