from __future__ import annotations

import pytest

from core.feeds.alphavantage.budget import DailyBudget
from core.feeds.alphavantage.cache import AnswerCache
from core.model.errors import ConfigError, StoreError, TemporaryError

HOUR = 3600 * 10**9


def test_no_more_than_the_budget_is_asked_in_any_24_hours(clock, tmp_path):
    budget = DailyBudget(tmp_path / "b.json", clock, 3)
    for _ in range(3):
        budget.spend("quote")
        clock.advance(HOUR)
    with pytest.raises(TemporaryError, match=r"budget of 3 questions .* free in 1260 min"):
        budget.spend("quote")
    clock.advance(21 * HOUR - 1)
    assert budget.left == 0
    clock.advance(1)
    assert budget.left == 1
    budget.spend("quote")
    assert budget.left == 0


def test_a_restart_remembers_what_was_asked(clock, tmp_path):
    DailyBudget(tmp_path / "b.json", clock, 2).spend("quote")
    again = DailyBudget(tmp_path / "b.json", clock, 2)
    assert again.left == 1
    again.spend("quote")
    with pytest.raises(TemporaryError):
        DailyBudget(tmp_path / "b.json", clock, 2).spend("quote")


def test_two_programs_share_one_budget(clock, tmp_path):
    one, other = (DailyBudget(tmp_path / "b.json", clock, 2) for _ in range(2))
    one.spend("quote")
    other.spend("quote")
    assert (one.left, other.left) == (0, 0)


def test_a_provider_that_counts_more_is_believed_for_a_while(clock, tmp_path):
    budget = DailyBudget(tmp_path / "b.json", clock, 5)
    budget.block(HOUR)
    assert DailyBudget(tmp_path / "b.json", clock, 5).left == 0
    with pytest.raises(TemporaryError, match="free in 60 min"):
        budget.spend("quote")
    clock.advance(HOUR)
    budget.spend("quote")


def test_a_damaged_file_spends_nothing_and_says_what_to_do(clock, tmp_path):
    path = tmp_path / "b.json"
    path.write_text("{")
    with pytest.raises(StoreError, match="delete it a day after the last question"):
        DailyBudget(path, clock, 5).spend("quote")


def test_a_folder_that_cannot_be_written_spends_nothing(clock, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="lock file"):
        DailyBudget(tmp_path / "file" / "b.json", clock, 5).spend("quote")


def test_a_budget_of_nothing_is_refused(clock, tmp_path):
    with pytest.raises(ConfigError, match="at least 1"):
        DailyBudget(tmp_path / "b.json", clock, 0)


def test_answers_are_kept_by_name_and_age(clock, tmp_path):
    cache = AnswerCache(tmp_path / "kept", clock)
    assert cache.get("BRK.B-1min-2024-03") is None
    cache.put("BRK.B-1min-2024-03", b"rows")
    cache.put("../up", b"other")
    clock.advance(HOUR)
    assert cache.get("BRK.B-1min-2024-03") == b"rows"
    assert cache.get("BRK.B-1min-2024-03", HOUR - 1) is None
    assert [path.parent for path in tmp_path.rglob("*.answer")] == [tmp_path / "kept"] * 2


def test_a_damaged_answer_is_asked_for_again(clock, tmp_path):
    cache = AnswerCache(tmp_path, clock)
    cache.put("x", b"rows")
    next(tmp_path.glob("*.answer")).write_bytes(b"\x93")
    assert cache.get("x") is None
