"""What the markets screen lists: a group's instruments, and what a search finds beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from core.model.ids import InstrumentId
from core.model.views import QualityView
from link.replica import Replica
from tui.arranged import Arranged, has_words
from tui.draw.markets import MARKETS, MarketRow
from tui.symbols import Symbols

WATCHLIST: Final = "watchlist"
"""What the list that is always watched is called here."""
MOST_FOUND: Final = 200


class Markets:
    """The rows of the group shown, and the cursor on one of them."""

    def __init__(self, replica: Replica, symbols: Symbols) -> None:
        self._replica = replica
        self._symbols = symbols
        self.group = WATCHLIST
        self.arranged = Arranged()
        self.courses: dict[InstrumentId, tuple[int, ...]] = {}
        self.qualities: dict[InstrumentId, QualityView] = {}
        self.rows: Sequence[MarketRow] = ()
        """As shown, found ones last; made anew by `refresh`."""
        self.link_up = True
        self._chosen: InstrumentId | None = None
        self._at = 0

    # -- groups ------------------------------------------------------------------------------

    def groups(self) -> list[tuple[str, int]]:
        """Return the names of the watchlist and of every group, with how many each has."""
        replica = self._replica
        named = [(group.name, len(group.instruments)) for group in replica.groups]
        return [(WATCHLIST, len(replica.watchlist)), *named]

    @property
    def group_at(self) -> int:
        """Where the group shown stands among them; one that is gone gives way to the watchlist."""
        names = [name for name, _ in self.groups()]
        if self.group not in names:
            self.group = WATCHLIST
        return names.index(self.group)

    def members(self, group: str) -> tuple[InstrumentId, ...]:
        """Return the instruments of a group."""
        replica = self._replica
        known = {item.name: item.instruments for item in replica.groups}
        return known.get(group, replica.watchlist if group == WATCHLIST else ())

    def step_group(self, by: int) -> None:
        """Show the next group."""
        names = [name for name, _ in self.groups()]
        self.group = names[(self.group_at + by) % len(names)]
        self._chosen, self._at = None, 0

    @staticmethod
    def as_named(group: str) -> str:
        """Return a group as commands name it: the watchlist is the empty one."""
        return "" if group == WATCHLIST else group

    # -- rows --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Make the rows anew from what the replica holds."""
        members = self.members(self.group)
        rows = list(self.arranged.apply(MARKETS, [self._row(name) for name in members]))
        if self.arranged.words:
            there = set(members)
            rows += [row for row in self._found() if row.id not in there]
        self.rows = rows

    def _found(self) -> list[MarketRow]:
        found = self._symbols.search(self.arranged.words, MOST_FOUND)
        return [MarketRow(id=item.id, kind=item.kind, member=False) for item in found]

    def _row(self, name: InstrumentId) -> MarketRow:
        replica = self._replica
        item = replica.instruments.get(name)
        return MarketRow(
            id=name,
            kind=item.kind.value if item is not None else "",
            instrument=item,
            line=replica.quotes.get(name),
            feed=replica.feeds.get(name),
            quality=self.qualities.get(name),
            course=self.courses.get(name, ()),
            now_ns=replica.frame_ts_ns,
            link_up=self.link_up,
        )

    # -- the cursor, which stays on its instrument while rows change places ------------------------

    @property
    def cursor(self) -> int | None:
        """The row under the cursor, None where there are no rows."""
        if not self.rows:
            return None
        if self._chosen is not None:
            for at, row in enumerate(self.rows):
                if row.id == self._chosen:
                    self._at = at
                    return at
        self._at = min(self._at, len(self.rows) - 1)
        return self._at

    @property
    def chosen(self) -> MarketRow | None:
        """The row under the cursor."""
        at = self.cursor
        return None if at is None else self.rows[at]

    def move(self, by: int) -> None:
        """Move the cursor by rows, stopping at both ends."""
        at = self.cursor
        if at is not None:
            self._at = max(0, min(len(self.rows) - 1, at + by))
            self._chosen = self.rows[self._at].id

    def take_qualities(self, views: Iterable[QualityView]) -> None:
        """Keep how good the data was today."""
        self.qualities = {view.instrument_id: view for view in views}


def matches_words(row: MarketRow, words: str) -> bool:
    """Return whether a row has all these words."""
    return has_words(MARKETS, row, words.casefold().split())
