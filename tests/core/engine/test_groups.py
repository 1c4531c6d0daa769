import pytest

from core.engine.groups import MAX_GROUPS, MAX_INSTRUMENTS, Groups
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.views import WatchGroup

BTC, ETH = InstrumentId("BTC-USDT.binance"), InstrumentId("ETH-USDT.binance")


@pytest.fixture
def groups() -> Groups:
    made = Groups()
    made.restore([WatchGroup(name="majors", instruments=(BTC,)), WatchGroup(name="alts")])
    return made


def test_a_group_keeps_its_place_when_renamed(groups: Groups) -> None:
    groups.rename("majors", " big ones ")
    assert groups.views() == (
        WatchGroup(name="big ones", instruments=(BTC,)),
        WatchGroup(name="alts"),
    )


def test_an_instrument_is_in_a_group_once_and_goes_when_taken(groups: Groups) -> None:
    assert groups.put("majors", ETH)
    assert not groups.put("majors", ETH)
    assert groups.names() == {BTC, ETH}
    groups.take("majors", BTC)
    assert groups.views()[0].instruments == (ETH,)
    assert groups.remove("majors") == 1
    assert [view.name for view in groups.views()] == ["alts"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 25, "a\nb", "majors", "Majors", "Watchlist"])
def test_a_name_that_cannot_be_one_is_refused(groups: Groups, name: str) -> None:
    with pytest.raises(ConfigError, match=r"name|called"):
        groups.add(name)
    with pytest.raises(ConfigError, match=r"name|called"):
        groups.rename("alts", name)


def test_an_unknown_group_is_named_with_the_nearest(groups: Groups) -> None:
    with pytest.raises(ConfigError, match="did you mean 'majors'"):
        groups.put("major", BTC)


def test_an_instrument_that_is_not_there_cannot_be_taken(groups: Groups) -> None:
    with pytest.raises(ConfigError, match="not in group 'alts'"):
        groups.take("alts", BTC)


def test_groups_and_their_instruments_are_bounded(groups: Groups) -> None:
    for number in range(MAX_GROUPS - 2):
        groups.add(f"group {number}")
    with pytest.raises(ConfigError, match="remove one first"):
        groups.add("one more")
    for number in range(MAX_INSTRUMENTS):
        groups.put("alts", InstrumentId(f"X{number}-USDT.binance"))
    with pytest.raises(ConfigError, match="no more fit"):
        groups.put("alts", BTC)
