from __future__ import annotations

import statistics

import pytest
from pydantic import ValidationError

from core.model.ids import VenueName
from core.model.settings import PaperSettings
from core.venues.latency import LEAST_MEASURED, Fixed, Leg, Measured, Modelled, make_latency

BINANCE = VenueName("binance")
MS = 1_000_000


def test_model_keeps_its_median_and_its_99th_percentile() -> None:
    settings = PaperSettings.model_validate(
        {"order_latency": {"median_ms": 20, "p99_ms": 100}, "latency": "model"}
    )
    latency = make_latency(settings, BINANCE)
    drawn = sorted(latency.draw(Leg.ORDER) / MS for _ in range(5000))
    assert statistics.median(drawn) == pytest.approx(20, rel=0.05)
    assert drawn[4950] == pytest.approx(100, rel=0.15)
    assert min(drawn) > 0


def test_same_seed_draws_the_same_and_venues_draw_apart() -> None:
    settings = PaperSettings(seed=3)
    one, same = make_latency(settings, BINANCE), make_latency(settings, BINANCE)
    other = make_latency(settings, VenueName("okx"))
    first = [one.draw(Leg.ORDER) for _ in range(20)]
    # What is drawn for one kind of message does not shift what is drawn for another.
    drawn = []
    for _ in range(20):
        same.draw(Leg.CANCEL)
        drawn.append(same.draw(Leg.ORDER))
    assert first == drawn
    assert first != [other.draw(Leg.ORDER) for _ in range(20)]


def test_latency_in_ms_alone_is_a_fixed_one() -> None:
    latency = make_latency(PaperSettings(latency_ms=12.5), BINANCE)
    assert isinstance(latency, Fixed)
    assert (latency.draw(Leg.ORDER), latency.draw(Leg.REPORT)) == (12_500_000, 0)
    assert make_latency(PaperSettings(latency="none"), BINANCE).draw(Leg.ORDER) == 0


def test_measured_draws_halves_of_what_was_measured() -> None:
    trips = {
        "order": [n * 2 * MS for n in range(10, 10 + LEAST_MEASURED)],
        "cancel": [4 * MS] * LEAST_MEASURED,
    }
    latency = make_latency(PaperSettings(latency="measured"), BINANCE, trips)
    assert isinstance(latency, Measured)
    drawn = {latency.draw(Leg.ORDER) for _ in range(500)}
    assert drawn <= {n * MS for n in range(10, 10 + LEAST_MEASURED)}
    assert len(drawn) > LEAST_MEASURED // 2
    assert latency.draw(Leg.CANCEL) == 2 * MS
    assert "20 round trips" in latency.words


def test_too_few_measured_round_trips_give_the_model_and_say_so() -> None:
    latency = make_latency(PaperSettings(latency="measured"), BINANCE, {"order": [MS] * 3})
    assert isinstance(latency, Modelled)
    assert "only 3 round trips" in latency.words


def test_p99_below_the_median_is_refused() -> None:
    with pytest.raises(ValidationError, match="p99_ms must be at least median_ms, 50, was 20"):
        PaperSettings.model_validate({"order_latency": {"median_ms": 50, "p99_ms": 20}})
