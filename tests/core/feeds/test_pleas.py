"""A venue is asked again ever more rarely, and anew once the instrument spoke for a while."""

import itertools

from core.feeds.pleas import AGAIN_NS, LONGEST_NS, Pleas
from core.model.ids import InstrumentId

NAME = InstrumentId("BTC-USDT.okx")
S = 1_000_000_000


def attempts(pleas: Pleas, *, heard: int, start_ns: int, end_ns: int) -> list[int]:
    """Return when something was done, with a plea every second."""
    made = []
    for now_ns in range(start_ns, end_ns, S):
        tries = pleas.due(NAME, heard, now_ns)
        if tries:
            pleas.made(NAME, tries, heard, now_ns)
            made.append(now_ns - start_ns)
    return made


def test_pauses_between_attempts_double_up_to_a_quarter_of_an_hour() -> None:
    made = attempts(Pleas(), heard=0, start_ns=0, end_ns=7200 * S)
    pauses = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert made[0] == 0
    assert pauses[:4] == [AGAIN_NS, 2 * AGAIN_NS, 4 * AGAIN_NS, 8 * AGAIN_NS]
    assert pauses[-1] == LONGEST_NS


def test_speaking_shortly_after_an_attempt_does_not_begin_anew() -> None:
    pleas = Pleas()
    attempts(pleas, heard=5, start_ns=0, end_ns=30 * S)
    made = attempts(pleas, heard=6, start_ns=30 * S, end_ns=60 * S)
    assert made == [], "a quiet instrument that shows its book when joined is left in peace"


def test_speaking_for_long_begins_anew() -> None:
    pleas = Pleas()
    attempts(pleas, heard=5, start_ns=0, end_ns=60 * S)
    assert pleas.due(NAME, 900, 3600 * S) == 1


def test_instrument_nobody_wants_is_forgotten() -> None:
    pleas = Pleas()
    pleas.made(NAME, 9, 0, 0)
    pleas.drop(NAME)
    assert pleas.due(NAME, 0, S) == 1
