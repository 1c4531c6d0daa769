import random

import pytest

from core.model.errors import ConfigError
from core.wire.backoff import Backoff


def test_delays_double_within_half_to_full_jitter_up_to_the_maximum():
    backoff = Backoff(random.Random(3), first_s=1.0, max_s=8.0)
    for ceiling in (1.0, 2.0, 4.0, 8.0, 8.0, 8.0):
        assert ceiling / 2 <= backoff.next_s() <= ceiling
    assert backoff.attempts == 6


def test_same_seed_gives_the_same_delays_and_reset_starts_over():
    one, two = (Backoff(random.Random(9)) for _ in range(2))
    assert [one.next_s() for _ in range(5)] == [two.next_s() for _ in range(5)]
    one.reset()
    assert one.next_s() <= 0.5
    assert one.attempts == 1


@pytest.mark.parametrize("kwargs", [{"first_s": 0.0}, {"first_s": 9, "max_s": 3}, {"factor": 0.5}])
def test_nonsense_delays_are_refused_with_their_values(kwargs):
    with pytest.raises(ConfigError, match="was first_s="):
        Backoff(random.Random(1), **kwargs)
