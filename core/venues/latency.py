"""How long messages to and from a simulated venue take.

Nobody can see one way of a round trip, so a measured one counts half each way.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from core.model.ids import VenueName
from core.model.settings import LatencyLeg, PaperSettings

LEAST_MEASURED: Final = 20
"""Round trips below which nothing is drawn from them."""
_MS: Final = 1_000_000
_Z99: Final = 2.3263478740408408
"""The standard normal's 99th percentile."""


class Leg(StrEnum):
    """What is on its way."""

    ORDER = "order"
    """An order, or a change of one, to the book."""
    CANCEL = "cancel"
    REPORT = "report"
    """What became of it, back to us."""


class Latency(Protocol):
    """Where times under way come from; the same calls give the same times."""

    words: str
    """What it is, for people."""
    reports: bool
    """Whether reports take time at all; those of a backtest's venue do not."""

    def draw(self, leg: Leg) -> int:
        """Return nanoseconds, never negative."""
        ...


class Fixed:
    """The same for whatever goes out; reports take no time."""

    reports = False

    def __init__(self, latency_ms: float) -> None:
        self._ns = int(latency_ms * _MS)
        self.words = f"{latency_ms:g} ms" if latency_ms else "none"

    def draw(self, leg: Leg) -> int:
        """Return the time of a leg."""
        return 0 if leg is Leg.REPORT else self._ns


class Modelled:
    """Log-normal: half are faster than the median, one of a hundred is slower than the p99."""

    reports = True

    def __init__(self, legs: Mapping[Leg, LatencyLeg], seed: str) -> None:
        self._random = {leg: random.Random(f"{seed}/{leg}") for leg in legs}  # noqa: S311  no secret
        self._shape = {
            leg: (math.log(item.median_ms), math.log(item.p99_ms / item.median_ms) / _Z99)
            for leg, item in legs.items()
        }
        order, report = legs[Leg.ORDER], legs[Leg.REPORT]
        self.words = (
            f"model, median {order.median_ms:g} ms out and {report.median_ms:g} back, "
            f"p99 {order.p99_ms:g} and {report.p99_ms:g}"
        )

    def draw(self, leg: Leg) -> int:
        """Return a time of a leg."""
        mean, spread = self._shape[leg]
        return int(math.exp(self._random[leg].gauss(mean, spread)) * _MS)


class Measured:
    """Halves of round trips somebody really had, drawn with replacement."""

    reports = True

    def __init__(self, trips: Mapping[Leg, Sequence[int]], seed: str) -> None:
        """`trips` are round trips in ns of orders and cancels, none empty."""
        self._random = {leg: random.Random(f"{seed}/{leg}") for leg in Leg}  # noqa: S311  no secret
        orders = sorted(trips[Leg.ORDER])
        self._halves = {
            Leg.ORDER: [ns // 2 for ns in orders],
            Leg.CANCEL: [ns // 2 for ns in sorted(trips[Leg.CANCEL])],
            Leg.REPORT: [ns // 2 for ns in orders],
        }
        middle = orders[len(orders) // 2] / _MS
        self.words = f"measured, {len(orders)} round trips with a median of {middle:.3g} ms"

    def draw(self, leg: Leg) -> int:
        """Return half of one of the round trips."""
        return self._random[leg].choice(self._halves[leg])


def make_latency(
    settings: PaperSettings,
    venue: VenueName,
    trips: Mapping[str, Sequence[int]] | None = None,
) -> Latency:
    """Build what the settings ask for; too few round trips give the model, which says so.

    Args:
        settings: `[paper]`.
        venue: Whose it is: each venue has draws of its own.
        trips: Measured round trips in ns by kind (``order``, ``cancel``).
    """
    if settings.latency == "none":
        return Fixed(0)
    if settings.latency == "fixed":
        return Fixed(settings.latency_ms)
    seed = f"{settings.seed}/{venue}"
    lacking = ""
    if settings.latency == "measured":
        orders = list((trips or {}).get(Leg.ORDER, ()))
        cancels = list((trips or {}).get(Leg.CANCEL, ()))
        if len(orders) >= LEAST_MEASURED:
            # A cancel is no longer on its way than an order, where nobody measured enough of them.
            some = cancels if len(cancels) >= LEAST_MEASURED else orders
            return Measured({Leg.ORDER: orders, Leg.CANCEL: some}, seed)
        lacking = f" (only {len(orders)} round trips measured, {LEAST_MEASURED} are needed)"
    model = Modelled(
        {
            Leg.ORDER: settings.order_latency,
            Leg.CANCEL: settings.cancel_latency,
            Leg.REPORT: settings.report_latency,
        },
        seed,
    )
    model.words += lacking
    return model
