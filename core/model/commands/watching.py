"""What is followed: the watchlist and the groups beside it."""

from __future__ import annotations

from pydantic import Field

from core.model.commands.base import Command, Done, Tier
from core.model.ids import InstrumentId


class WatchInstrument(Command):
    """Add to the watchlist."""

    name = "watch_instrument"
    title = "Watch instrument"
    help = "Add an instrument to the watchlist and subscribe to its data, or to a group."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId
    group: str = Field("", description="a group's name; empty: the watchlist")


class UnwatchInstrument(Command):
    """Remove from the watchlist."""

    name = "unwatch_instrument"
    title = "Unwatch instrument"
    help = "Remove an instrument from the watchlist, or from a group."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId
    group: str = Field("", description="a group's name; empty: the watchlist")


class AddGroup(Command):
    """Make a group of instruments."""

    name = "add_group"
    title = "Add group"
    help = "Make an empty group of instruments beside the watchlist."
    tier = Tier.MUTATE
    result = Done
    group: str


class RenameGroup(Command):
    """Rename a group."""

    name = "rename_group"
    title = "Rename group"
    help = "Give a group of instruments another name."
    tier = Tier.MUTATE
    result = Done
    group: str
    to: str


class RemoveGroup(Command):
    """Remove a group."""

    name = "remove_group"
    title = "Remove group"
    help = "Remove a group of instruments; its instruments stay listed."
    tier = Tier.MUTATE
    result = Done
    group: str
