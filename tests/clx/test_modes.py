from clx.compose import FEEDS
from clx.modes import VENUES


def test_every_venue_that_settings_may_name_can_be_built() -> None:
    assert set(VENUES) == set(FEEDS)
