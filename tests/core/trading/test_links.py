from core.model.facts import VenueConnected
from core.model.ids import VenueName
from core.model.views import Fact
from core.trading.links import VenueLinks
from core.trading.switches import Switches

OKX = VenueName("okx")


def test_a_venue_compared_before_its_stream_is_up_says_what_it_waits_for() -> None:
    told: list[Fact] = []
    links = VenueLinks([OKX], Switches(), told.append)
    links.reconciled(OKX, 5, ())
    view = links.view(OKX)
    assert (view.connected, view.reason) == (False, "its stream has not come up yet")
    links.connected(VenueConnected(venue=OKX, ts_ns=6))
    assert (links.view(OKX).connected, links.view(OKX).reason) == (True, "")
