"""The one command table: everything a person or program can ask of the engine.

From it come the CLI verbs, the palette, the key help and, later, REST routes and MCP tools. A
command is a pydantic model, so one class gives validation, JSON schema and help.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pydantic import ValidationError

from core.model.audit import Client
from core.model.commands.base import (
    Command,
    Done,
    Tier,
)
from core.model.commands.inspecting import GetOrderLife, GetPortfolio, PreviewOrder
from core.model.commands.limits import GetRisk, RiskReport
from core.model.commands.reading import (
    GetActivityBars,
    GetBalances,
    GetBook,
    GetChart,
    GetExecutors,
    GetFills,
    GetGroups,
    GetInstruments,
    GetLedger,
    GetListing,
    GetModels,
    GetOrders,
    GetPositions,
    GetPredictions,
    GetQuality,
    GetQuotes,
    GetSparks,
    GetStatus,
    GetStrategies,
)
from core.model.commands.reports import (
    FlattenReport,
    GroupReport,
    KillReport,
    ListedSymbols,
    OrderReport,
    Spark,
    StatusReport,
    WatchReport,
)
from core.model.commands.running import (
    AnswerDifference,
    DisableStrategy,
    EnableStrategy,
    Kill,
    Reconcile,
    Resume,
    StopEngine,
)
from core.model.commands.trading import (
    AmendOrder,
    Arm,
    CancelAll,
    CancelOrder,
    ClosePosition,
    Disarm,
    Flatten,
    PauseExecutor,
    ResumeExecutor,
    StartExecutor,
    StopExecutor,
    SubmitBracket,
    SubmitOco,
    SubmitOrder,
)
from core.model.commands.watching import (
    AddGroup,
    RemoveGroup,
    RenameGroup,
    UnwatchInstrument,
    WatchInstrument,
)
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import OriginKind

__all__ = [
    "COMMANDS",
    "AddGroup",
    "AmendOrder",
    "AnswerDifference",
    "Arm",
    "CancelAll",
    "CancelOrder",
    "ClosePosition",
    "Command",
    "DisableStrategy",
    "Disarm",
    "Done",
    "EnableStrategy",
    "Flatten",
    "FlattenReport",
    "GetActivityBars",
    "GetBalances",
    "GetBook",
    "GetChart",
    "GetExecutors",
    "GetFills",
    "GetGroups",
    "GetInstruments",
    "GetLedger",
    "GetListing",
    "GetModels",
    "GetOrderLife",
    "GetOrders",
    "GetPortfolio",
    "GetPositions",
    "GetPredictions",
    "GetQuality",
    "GetQuotes",
    "GetRisk",
    "GetSparks",
    "GetStatus",
    "GetStrategies",
    "GroupReport",
    "Kill",
    "KillReport",
    "ListedSymbols",
    "OrderReport",
    "PauseExecutor",
    "PreviewOrder",
    "Reconcile",
    "RemoveGroup",
    "RenameGroup",
    "Request",
    "Resume",
    "ResumeExecutor",
    "RiskReport",
    "Spark",
    "StartExecutor",
    "StatusReport",
    "StopEngine",
    "StopExecutor",
    "SubmitBracket",
    "SubmitOco",
    "SubmitOrder",
    "Tier",
    "UnwatchInstrument",
    "WatchInstrument",
    "WatchReport",
    "parse_command",
]

COMMANDS: Final[dict[str, type[Command]]] = {
    command.name: command
    for command in (
        GetStatus,
        GetInstruments,
        GetListing,
        GetGroups,
        GetSparks,
        GetQuotes,
        GetBook,
        GetQuality,
        GetChart,
        GetActivityBars,
        GetOrders,
        GetExecutors,
        GetFills,
        GetPositions,
        GetBalances,
        GetLedger,
        GetRisk,
        GetStrategies,
        GetModels,
        GetPredictions,
        PreviewOrder,
        GetOrderLife,
        GetPortfolio,
        WatchInstrument,
        UnwatchInstrument,
        AddGroup,
        RenameGroup,
        RemoveGroup,
        Arm,
        Disarm,
        SubmitOrder,
        SubmitBracket,
        SubmitOco,
        AmendOrder,
        StartExecutor,
        PauseExecutor,
        ResumeExecutor,
        StopExecutor,
        CancelOrder,
        CancelAll,
        ClosePosition,
        Flatten,
        EnableStrategy,
        DisableStrategy,
        Kill,
        Resume,
        Reconcile,
        AnswerDifference,
        StopEngine,
    )
}
"""Every command, by name."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command as handed to the engine: the parsed command and who asked."""

    command: Command
    origin: OriginKind
    client: Client | None = None
    """The program that asked, where it came through a socket."""


def parse_command(name: str, args: dict[str, Any]) -> Command:
    """Build a command from its name and plain arguments.

    Raises:
        ConfigError: The name is unknown, or an argument is; the nearest known one is named.
    """
    kind = COMMANDS.get(name)
    if kind is None:
        raise ConfigError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}")
    try:
        return kind.model_validate(args)
    except ValidationError as error:
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or name
        hint = did_you_mean(where, kind.model_fields) if first["type"] == "extra_forbidden" else ""
        was = "" if first["type"] == "missing" else f", was {first['input']!r}"
        raise ConfigError(f"{name}.{where}: {first['msg'].lower()}{was}{hint}") from None
