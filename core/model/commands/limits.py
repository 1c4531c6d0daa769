"""What the risk gate lets through, and how much of each limit is used."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from core.model.accounts import LimitUse, RiskState
from core.model.commands.base import Command, Tier


class RiskReport(msgspec.Struct, frozen=True, kw_only=True):
    """The gate as it stands."""

    state: RiskState
    reason: str
    kill: str
    """The step of the kill switch that stands, or empty."""
    limits: tuple[LimitUse, ...]


class GetRisk(Command):
    """Every limit and how much of it is used."""

    name: ClassVar[str] = "get_risk"
    title: ClassVar[str] = "Risk limits"
    help: ClassVar[str] = "Every limit of every scope, with how much of it is used."
    tier: ClassVar[Tier] = Tier.READ
    result = RiskReport
