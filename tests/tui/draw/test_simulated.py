from __future__ import annotations

from core.model.ids import VenueName
from core.model.views import VenueView
from tui.draw.glyphs import BLOCK
from tui.draw.runs import row_text
from tui.draw.sums import draw_venues


def test_a_venue_that_is_only_simulated_says_so_with_its_model() -> None:
    view = VenueView(
        venue=VenueName("okx"), connected=True, reason="", reconciled_ns=0, private="engine",
        simulated="latency none; fees 2/5 bp",
    )  # fmt: skip
    text = " ".join(row_text(row).strip() for row in draw_venues([view], 60, 4, BLOCK))
    assert "SIMULATED: latency none; fees 2/5 bp" in " ".join(text.split())
    assert "dead-man" not in text
