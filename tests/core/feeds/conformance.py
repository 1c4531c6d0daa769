"""The conformance suite as a class: a feed's own test file derives from it."""

from __future__ import annotations

import pytest

from core.feeds.conformance.checks import CHECKS, Check, judge
from core.feeds.conformance.subject import Subject


class FeedConformance:
    """Every feed passes every check; derive, and give a `subject` fixture."""

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conforms(self, check: Check, subject: Subject) -> None:
        assert judge(check, subject) == []
