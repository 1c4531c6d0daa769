"""Strategies, the kill switch and the engine itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.model.commands.base import Command, Done, Tier
from core.model.commands.reports import KillReport
from core.model.ids import StrategyId, VenueName
from core.model.views import (
    StrategyView,
)


class EnableStrategy(Command):
    """Start a strategy."""

    name = "enable_strategy"
    title = "Enable strategy"
    help = "Start a strategy in its own process and let its orders through."
    tier = Tier.TRADE
    result = StrategyView
    strategy: StrategyId


class DisableStrategy(Command):
    """Stop a strategy."""

    name = "disable_strategy"
    title = "Disable strategy"
    help = "Stop a strategy; its open orders stay unless asked otherwise."
    tier = Tier.MUTATE
    result = StrategyView
    strategy: StrategyId
    cancel_orders: bool = False


class Kill(Command):
    """The kill switch."""

    name = "kill"
    title = "Kill switch"
    help = "Block entries; on the higher steps also cancel orders and flatten positions."
    tier = Tier.DANGEROUS
    result = KillReport
    level: Literal["pause", "reduce", "cancel", "flatten"] = Field(
        "cancel",
        description="pause: block entries; reduce: also cancel open entries, exits and stops stay; "
        "cancel: cancel all; flatten: also close positions",
    )
    reason: str = Field("", max_length=200)
    dry_run: bool = Field(False, description="count what would be done")


class Resume(Command):
    """Open the gate again."""

    name = "resume"
    title = "Resume trading"
    help = "Let entries through again after a kill or a halt."
    tier = Tier.DANGEROUS
    result = Done
    dry_run: bool = Field(False, description="say whether it would be let")


class Reconcile(Command):
    """Compare with the venue now."""

    name = "reconcile"
    title = "Reconcile"
    help = "Compare orders, fills and balances with the venue now."
    tier = Tier.MUTATE
    result = Done


class AnswerDifference(Command):
    """Say what is to be done about positions that differ."""

    name = "answer_difference"
    title = "Answer a difference"
    help = "Adopt, protect or flatten positions that the venue holds and the journal does not."
    tier = Tier.DANGEROUS
    result = Done
    venue: VenueName
    answer: Literal["adopt", "protect", "flatten"] = Field(
        description="adopt: take them over; protect: also put stops behind them and only let exits "
        "through; flatten: close them"
    )


class StopEngine(Command):
    """Stop the engine."""

    name = "stop_engine"
    title = "Stop engine"
    help = "Stop the engine process; open orders stay at the venue."
    tier = Tier.DANGEROUS
    result = Done
