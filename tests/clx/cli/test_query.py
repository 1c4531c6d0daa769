"""What `clx status` says of a venue."""

import pytest

from clx.cli.query import link_words, questions
from core.model.ids import VenueName
from core.model.views import VenueView


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "up"),
        ({"connected": False, "reason": "no DNS"}, "down: no DNS"),
        ({"connected": False}, "down: no reason given"),
        ({"reason": "orders are being settled"}, "up, not compared: orders are being settled"),
        (
            {"asks": ("X: we hold 0, the venue says 2",), "reason": "answer adopt"},
            "up, asks about positions: see below",
        ),
    ],
)
def test_a_venue_says_why_it_cannot_be_traded(more, words):
    plain = {"connected": True, "reason": "", "reconciled_ns": 0}
    assert link_words(VenueView(venue=VenueName("okx"), **plain | more)) == words


def test_what_a_venue_asks_stands_with_the_command_that_answers():
    plain = {"connected": True, "reason": "", "reconciled_ns": 0}
    view = VenueView(venue=VenueName("okx"), asks=("X: we hold 0, the venue says 2",), **plain)
    head, *asked = questions(view)
    assert "clx reconcile --venue okx --answer adopt|protect|flatten" in head
    assert asked == ["  X: we hold 0, the venue says 2"]
    assert questions(VenueView(venue=VenueName("okx"), **plain)) == []
