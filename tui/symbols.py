"""Every symbol of every venue, fetched once and searched here: no key waits for the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.model.errors import ClxError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument

if TYPE_CHECKING:
    from core.model.commands import ListedSymbols
    from link.port import EngineLink

_GROWING_S: Final = 15.0
"""The listing is asked for again after this, while venues may still be adding theirs."""
_GROWN_S: Final = 600.0
"""The same once two answers were alike."""
_RANK: Final = {"spot": 0, "perpetual": 0, "stock": 0, "future": 1, "option": 2}
"""Options are thousands; what most people mean comes first."""


class Listed(NamedTuple):
    """One symbol of one venue."""

    id: InstrumentId
    kind: str
    trading: bool

    @property
    def symbol(self) -> str:
        """Our symbol, without the venue."""
        return self.id.rpartition(".")[0]

    @property
    def venue(self) -> str:
        """The venue that lists it."""
        return self.id.rpartition(".")[2]


class Symbols:
    """The listing of this session, and the search in it.

    Args:
        link: Where the listing is asked for.
        run: Starts a coroutine in the background.
        clock_s: Tells how long ago the listing was asked for.
    """

    def __init__(
        self,
        link: EngineLink,
        run: Callable[[Coroutine[Any, Any, None]], object],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._run = run
        self._clock_s = clock_s
        self._session = ""
        self._due_s = 0.0
        self._asking = False
        self._known: dict[InstrumentId, Listed] = {}
        self._texts: list[tuple[str, Listed]] = []
        """What is searched in, sorted so that the likelier comes first."""
        self.version = 0
        """Counts the listings taken."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def ids(self) -> Iterable[InstrumentId]:
        """Return every id."""
        return self._known.keys()

    def fetch(self) -> None:
        """Ask for the listing unless it is here; till then what the replica knows holds."""
        status = self._link.replica.status
        if not self._known:
            self._take_instruments(self._link.replica.instruments.values())
        if status is None or self._asking:
            return
        if status.session == self._session and self._clock_s() < self._due_s:
            return
        self._asking = True
        self._run(self._ask(status.session))

    async def _ask(self, session: str) -> None:
        from core.model.commands import GetListing

        try:
            parts = await self._link.request(GetListing())
        except ClxError:
            # Searching goes on in what is known; the next search asks again.
            return
        finally:
            self._asking = False
        before = len(self._known) if session == self._session else -1
        self.take(parts)
        self._session = session
        grown = len(self._known) == before
        self._due_s = self._clock_s() + (_GROWN_S if grown else _GROWING_S)

    def take(self, parts: Iterable[ListedSymbols]) -> None:
        """Replace the listing."""
        self._fill(
            Listed(InstrumentId(f"{symbol}.{part.venue}"), part.kind.value, part.trading)
            for part in parts
            for symbol in part.symbols.split()
        )

    def _take_instruments(self, items: Iterable[Instrument]) -> None:
        self._fill(Listed(item.id, item.kind.value, item.trading) for item in items)

    def _fill(self, found: Iterable[Listed]) -> None:
        self._known = {item.id: item for item in found}
        ranked = sorted(
            self._known.values(),
            key=lambda item: (
                not item.trading,
                _RANK.get(item.kind, 1),
                len(item.symbol),
                item.id,
            ),
        )
        self._texts = [
            (f"{item.id} {item.symbol.replace('-', '')} {item.kind}".casefold(), item)
            for item in ranked
        ]
        self.version += 1

    def search(self, text: str, limit: int = 200) -> list[Listed]:
        """Return symbols with every word of `text` in their id or kind, likeliest first."""
        words = text.casefold().split()
        if not words:
            return [item for _, item in self._texts[:limit]]
        first = words[0]
        ahead: list[Listed] = []
        behind: list[Listed] = []
        for folded, item in self._texts:
            if first in folded and all(word in folded for word in words[1:]):
                (ahead if folded.startswith(first) else behind).append(item)
                if len(ahead) >= limit:
                    break
        return (ahead + behind)[:limit]
