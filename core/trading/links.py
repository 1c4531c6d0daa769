"""The private side of each venue: its stream, and whether we and it agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from core.model.errors import ConfigError
from core.model.facts import DeadManSet, VenueConnected, VenueDisconnected
from core.model.ids import VenueName
from core.model.views import Fact, VenueChanged, VenueView
from core.trading.switches import Switches

Answer: TypeAlias = Literal["adopt", "protect", "flatten"]


class VenueLinks:
    """Keeps a view per venue, and closes venues for entries until they are reconciled."""

    def __init__(
        self, venues: Iterable[VenueName], switches: Switches, emit: Callable[[Fact], None]
    ) -> None:
        self._switches = switches
        self._emit = emit
        self._down: set[VenueName] = set()
        """Venues whose stream was lost; one that never reported a stream is none of them."""
        self._views: dict[VenueName, VenueView] = {}
        self.wake: Callable[[VenueName], None] = _nobody
        """Called with a venue that is to be reconciled now."""
        self.look: Callable[[VenueName], None] = _nobody
        """Called with a venue whose list of fills is to be looked at now."""
        self.answer: Callable[[VenueName, Answer], None] = _nobody_asks
        """Called with what is to be done about a venue's `VenueView.asks`."""
        for venue in venues:
            switches.closed_venues[venue] = "it was not compared since the start"
            self._views[venue] = VenueView(
                venue=venue, connected=False, reason="starting", reconciled_ns=0
            )

    def __contains__(self, venue: object) -> bool:
        return venue in self._views

    def views(self) -> tuple[VenueView, ...]:
        """Return each venue's view, by name."""
        return tuple(self._views[name] for name in sorted(self._views))

    def view(self, venue: VenueName) -> VenueView:
        """Return one venue's view."""
        return self._views[venue]

    def connected(self, event: VenueConnected) -> None:
        """Note that the stream is up; what happened before it came up is still to be asked."""
        if event.venue not in self._views:
            return
        self._down.discard(event.venue)
        self._switches.closed_venues[event.venue] = "its stream came up, it is being compared"
        self._show(event.venue, connected=True, reason="")
        self.wake(event.venue)

    def disconnected(self, event: VenueDisconnected) -> None:
        """Note that orders live on unseen."""
        if event.venue not in self._views:
            return
        self._down.add(event.venue)
        self._switches.closed_venues[event.venue] = f"its stream is down: {event.reason}"
        self._show(event.venue, connected=False, reason=event.reason)

    def private(self, venue: VenueName, how: str, switch: str) -> None:
        """Show how fills of a venue arrive, and how its dead-man switch stands unarmed."""
        self._show(venue, private=how, switch=switch)

    def simulated(self, venue: VenueName, how: str) -> None:
        """Show that a venue only simulates one, and how."""
        self._show(venue, simulated=how)

    def dead_man(self, event: DeadManSet) -> None:
        """Show what the venue does by itself when it no longer hears from us."""
        self._show(event.venue, dead_man=event.state)

    def reconciled(self, venue: VenueName, ts_ns: int, differences: tuple[str, ...]) -> None:
        """Open a venue for entries, unless its stream is down."""
        if venue in self._down:
            self._show(venue, reconciled_ns=ts_ns, differences=differences)
            return
        self._switches.closed_venues.pop(venue, None)
        known = self._views.get(venue)
        reason = "" if known is None or known.connected else "its stream has not come up yet"
        self._show(venue, reason=reason, reconciled_ns=ts_ns, differences=differences)

    def ask(self, venue: VenueName, differences: tuple[str, ...]) -> None:
        """Show what somebody must say how to deal with, and open nothing there until then.

        Empty: nothing is asked any more.
        """
        if differences:
            self._switches.closed_venues[venue] = "it asks about positions"
        self._show(venue, asks=differences)

    def failed(self, venue: VenueName, reason: str) -> None:
        """Note that the venue could not be compared; why its stream is down says more."""
        if venue in self._down:
            return
        if venue in self._switches.closed_venues:
            self._switches.closed_venues[venue] = reason
        self._show(venue, reason=reason)

    def _show(self, venue: VenueName, **changes: object) -> None:
        known = self._views.get(venue)
        if known is None:
            return
        view = msgspec.structs.replace(known, **changes)
        if view != known:
            self._views[venue] = view
            self._emit(VenueChanged(venue=view))


def _nobody_asks(venue: VenueName, _: Answer) -> None:
    """Refuse an answer: no reconciler is running."""
    raise ConfigError(f"{venue} asks nothing: it is not being compared")


def _nobody(_: VenueName) -> None:
    """Wake nobody: no reconciler is running."""
