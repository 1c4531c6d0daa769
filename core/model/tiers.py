"""Margin by size: brackets, position tiers and risk limits, as venues call them.

::

    maintenance  = worth * (rate + growth * coins) - deduction      of the tier the size is in
    least margin = worth * (1 / max_leverage + growth * coins)

Binance USD-M: ``notional * maintMarginRatio - cum`` ("Maintenance Margin = Notional Position Value
* Maintenance Margin Rate - Maintenance Amount", Leverage and Margin of USDS-M Futures). Bybit: the
same with ``mmDeduction``. OKX: the rate of the tier holds for the whole position, and the tier goes
by contracts ("Tiered Maintenance Margin Ratio": 60,000 contracts of a tier of 2 % need 2 % of all).
Deribit: one tier whose rate grows with the coins held ("Linear Perpetual").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from core.model.errors import DataError
from core.model.fees import kind_of
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.settings import FeedSettings, PaperSettings

MOST_TIERS: Final = 500
"""Of one instrument; Bybit, which has the finest, lists some 50."""
MOST_TABLES: Final = 2_000
"""Kept at once; what was learnt longest ago gives way."""
STALE_NS: Final = 24 * 3_600 * 1_000_000_000
"""After so long a table is told to be old; it is used until there is a newer one."""
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_HUNDRED: Final = Decimal(100)

CAUTIOUS: Final[Mapping[str, Decimal]] = MappingProxyType({"binance_usdm": Decimal("0.025")})
"""By kind of feed the rate a venue states publicly where its tiers need a key.

Binance USD-M: ``maintMarginPercent`` of ``exchangeInfo`` is 2.5 for every symbol, and as the
maintenance margin is "always less than 50 % of the initial margin" (Leverage and Margin), no more
than half of what the account's leverage asks for is taken.
"""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """What holds up to a size."""

    up_to: Decimal | None
    """Largest position in it, None: there is no end."""
    rate: Decimal
    """Maintenance margin over what the position is worth."""
    deduction: Decimal = _ZERO
    """Taken off again, in the asset profit is paid in."""
    max_leverage: Decimal = _ZERO
    """0: the venue does not say."""


class _Stretch(NamedTuple):
    """Worths between which one quadratic holds."""

    low: Decimal
    high: Decimal | None
    rate: Decimal
    deduction: Decimal
    growth: Decimal


class MarginTiers(msgspec.Struct, frozen=True, kw_only=True):
    """The tiers of one instrument, smallest first."""

    instrument_id: InstrumentId
    measure: Literal["worth", "contracts"]
    """What `up_to` is counted in: the asset profit is paid in, or the instrument's size units."""
    tiers: tuple[Tier, ...]
    growth: Decimal = _ZERO
    """Added to every rate for each coin of the position."""
    said: str
    """Who says so, in words."""
    ts_ns: int = 0
    """When the venue said so, 0: it is no venue's word."""

    def tier(self, size: Decimal, worth: Decimal) -> Tier:
        """Return the tier of an unsigned size; beyond the last one, the last."""
        measured = worth if self.measure == "worth" else size
        for tier in self.tiers:
            if tier.up_to is None or measured <= tier.up_to:
                return tier
        return self.tiers[-1]

    def most(self) -> Decimal | None:
        """Return the largest position there may be, None: any."""
        return self.tiers[-1].up_to

    def maintenance(self, instrument: Instrument, size: Decimal, worth: Decimal) -> Decimal:
        """Return the margin below which an unsigned size is closed by force."""
        tier = self.tier(size, worth)
        rate = tier.rate + self.growth * coins(instrument, size, worth)
        return max(_ZERO, worth * rate - tier.deduction)

    def least_initial(self, instrument: Instrument, size: Decimal, worth: Decimal) -> Decimal:
        """Return the least margin an unsigned size may be held with, whatever its leverage."""
        most = self.tier(size, worth).max_leverage
        rate = _ONE / most if most else _ZERO
        return worth * (rate + self.growth * coins(instrument, size, worth))

    def liquidation_worth(
        self,
        instrument: Instrument,
        signed: Decimal,
        cost: Decimal,
        worth: Decimal,
        spare: Decimal,
    ) -> Decimal | None:
        """Return what a position is worth where equity and maintenance margin meet.

        ::

            spare + way * (worth - cost) = worth * (rate + growth * coins) - deduction
            way: +1 where profit rises with the worth (linear long, inverse short), else -1

        Tier by tier, away from where it is now to where it loses. `spare` is the equity without
        this position less the maintenance margin of all others. None: it is never met.
        """
        size = abs(signed)
        way = _ONE if (signed > 0) is not instrument.inverse else -_ONE
        for number, part in enumerate(self._away(instrument, size, worth, way)):
            met = _met(part, way, cost, spare)
            if number == 0:
                # Already below it at the first look: what would have been enough.
                near = met is not None and (met > worth if way > 0 else met < worth)
                inside = met is not None and _within(part, met)
                if near or inside:
                    return met
                continue
            edge = part.high if way > 0 else part.low
            if met is not None and _within(part, met):
                return met
            if edge is not None and _below(part, way, cost, spare, edge):
                # Where no deduction smooths it, the margin jumps at the edge of a tier.
                return edge
        return None

    def _away(
        self, instrument: Instrument, size: Decimal, worth: Decimal, way: Decimal
    ) -> list[_Stretch]:
        """Return stretches from the present worth on, in the direction the position loses."""
        if self.measure == "contracts" or len(self.tiers) == 1:
            # What does not change with the price.
            tier = self.tier(size, worth)
            rate, growth = tier.rate, self.growth
            if not instrument.inverse:
                rate, growth = rate + growth * coins(instrument, size, worth), _ZERO
            return [_Stretch(_ZERO, None, rate, tier.deduction, growth)]
        low = _ZERO
        found: list[_Stretch] = []
        for number, tier in enumerate(self.tiers):
            last = number == len(self.tiers) - 1
            high = None if last else tier.up_to
            found.append(_Stretch(low, high, tier.rate, tier.deduction, self.growth))
            low = tier.up_to if tier.up_to is not None else low
        if way > 0:
            return [part for part in reversed(found) if part.low < worth]
        return [part for part in found if part.high is None or part.high >= worth]

    def words(self, size: Decimal, worth: Decimal, now_ns: int) -> str:
        """Say the rate that holds for a size, and who says so."""
        tier = self.tier(size, worth)
        which = f", tier {self.tiers.index(tier) + 1} of {len(self.tiers)}"
        age = max(0, now_ns - self.ts_ns)
        when = ""
        if self.ts_ns and age >= STALE_NS:
            when = f", told {age // STALE_NS} d ago"
        share = f"{(tier.rate * _HUNDRED).normalize():f} %"
        return f"{share} ({self.said}{which if len(self.tiers) > 1 else ''}{when})"


def coins(instrument: Instrument, size: Decimal, worth: Decimal) -> Decimal:
    """Return how much of the underlying an unsigned size is."""
    return worth if instrument.inverse else size * instrument.contract_size


def _met(part: _Stretch, way: Decimal, cost: Decimal, spare: Decimal) -> Decimal | None:
    """Solve ``growth*w*w + (rate - way)*w + (way*cost - spare - deduction) = 0`` for w above 0."""
    slope = part.rate - way
    rest = way * cost - spare - part.deduction
    under = slope * slope - 4 * part.growth * rest
    if under < 0:
        return None
    # Of the two roots the one that stays where growth goes to 0; no small difference of large ones.
    divisor = -slope + way * under.sqrt()
    met = _TWO * rest / divisor if divisor else None
    return met if met is not None and met > 0 else None


def _within(part: _Stretch, worth: Decimal) -> bool:
    return part.low <= worth and (part.high is None or worth <= part.high)


def _below(part: _Stretch, way: Decimal, cost: Decimal, spare: Decimal, worth: Decimal) -> bool:
    """Return whether the equity at a worth is below the maintenance margin."""
    kept = worth * (part.rate + part.growth * worth) - part.deduction
    return spare + way * (worth - cost) < kept


def checked(table: MarginTiers, what: str) -> MarginTiers:
    """Return a venue's table when it makes sense.

    Raises:
        DataError: It does not; says which tier and value.
    """
    if not 0 < len(table.tiers) <= MOST_TIERS:
        raise DataError(f"{what}: 1 to {MOST_TIERS} tiers are possible, was {len(table.tiers)}")
    if not (table.growth.is_finite() and 0 <= table.growth < _ONE):
        raise DataError(f"{what}: growth must be 0 to 1, was {table.growth}")
    before = _ZERO
    for number, tier in enumerate(table.tiers, 1):
        where = f"{what}, tier {number}"
        end = tier.up_to
        if end is None and number < len(table.tiers):
            raise DataError(f"{where}: only the last may have no end")
        if end is not None and not (end.is_finite() and end > before):
            raise DataError(f"{where}: must end above {before}, was {end}")
        if not (tier.rate.is_finite() and 0 < tier.rate < _ONE):
            raise DataError(f"{where}: the maintenance rate must be 0 to 1, was {tier.rate}")
        if not (tier.deduction.is_finite() and tier.deduction >= 0):
            raise DataError(f"{where}: the deduction must be 0 or more, was {tier.deduction}")
        if tier.deduction > before * tier.rate:
            raise DataError(
                f"{where}: a deduction of {tier.deduction} leaves no maintenance margin at {before}"
            )
        if not (tier.max_leverage.is_finite() and tier.max_leverage >= 0):
            raise DataError(f"{where}: leverage must be 0 or more, was {tier.max_leverage}")
        before = end if end is not None else before
    return table


def flat(instrument_id: InstrumentId, rate: Decimal, said: str) -> MarginTiers:
    """Return one tier for everything."""
    return MarginTiers(
        instrument_id=instrument_id,
        measure="worth",
        tiers=(Tier(up_to=None, rate=rate),),
        said=said,
    )


class TierBook:
    """The tables known, by instrument."""

    def __init__(self) -> None:
        self._tables: dict[InstrumentId, MarginTiers] = {}

    def of(self, instrument_id: InstrumentId) -> MarginTiers | None:
        """Return an instrument's tiers as its venue last told them, None: it did not."""
        return self._tables.get(instrument_id)

    def learn(self, tables: Iterable[MarginTiers]) -> None:
        """Take newer tables in place of older ones."""
        for table in tables:
            known = self._tables.pop(table.instrument_id, None)
            newest = known if known is not None and known.ts_ns > table.ts_ns else table
            self._tables[table.instrument_id] = newest
        while len(self._tables) > MOST_TABLES:
            del self._tables[next(iter(self._tables))]

    def tables(self) -> list[MarginTiers]:
        """Return all of them, those learnt longest ago first."""
        return list(self._tables.values())


@runtime_checkable
class TellsTiers(Protocol):
    """A feed or venue that tells the margin tiers of instruments."""

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        """Fetch the tiers of some contracts; what it has none of is left out.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells none, or wants another key.
        """
        ...


def tiers_of(
    instrument: Instrument,
    paper: PaperSettings,
    feeds: Mapping[str, FeedSettings],
    book: TierBook | None,
) -> MarginTiers:
    """Return the tiers of a contract: its venue's, else a cautious rate, and whose that is."""
    known = book.of(instrument.id) if book is not None else None
    if known is not None:
        return known
    own = paper.maintenance_pct / _HUNDRED
    kind = kind_of(instrument.venue, feeds)
    stated = CAUTIOUS.get(kind)
    if stated is not None and book is not None:
        leverage = leverage_of(instrument, paper)
        rate = max(own, min(stated, _ONE / leverage / _TWO))
        said = f"{kind}'s published rate, its tiers need a key"
        return flat(instrument.id, rate, said)
    return flat(instrument.id, own, "[paper] maintenance_pct, not the venue's tiers")


def leverage_of(instrument: Instrument, paper: PaperSettings) -> Decimal:
    """Return what paper holds a contract at, before its size makes it less."""
    most = instrument.max_leverage
    return min(paper.leverage, most) if most else paper.leverage
