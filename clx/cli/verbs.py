"""The verbs of `clx`: a lazy group, and the table of them."""

from __future__ import annotations

import importlib
from typing import Final

import click

VERBS: Final[dict[str, tuple[str, str]]] = {
    "attach": (
        "clx.cli.terminal:attach",
        "Open the terminal on a running engine, also ssh://host.",
    ),
    "daemon": ("clx.cli.daemon:daemon", "Start, stop or look at the engine process."),
    "status": ("clx.cli.query:status", "Show the engine's mode, feeds, venues and limits."),
    "watch": ("clx.cli.watch:watch", "Print live quotes, trades or a book as lines."),
    "instruments": ("clx.cli.query:instruments", "List instruments."),
    "quotes": ("clx.cli.query:quotes", "Show bid, ask, last and feed age of instruments."),
    "book": ("clx.cli.query:book", "Show the best levels of a book."),
    "bars": ("clx.cli.query:bars", "Show closed bars, with a chart."),
    "order": ("clx.cli.trade:order", "Place an order: clx order buy 0.5 BTC-USDT @64250 post gtc."),
    "bracket": ("clx.cli.linked:bracket", "Place an entry with its stop and target."),
    "oco": ("clx.cli.linked:oco", "Place a stop and a target; one cancels the other."),
    "amend": ("clx.cli.linked:amend", "Change an order's size, price or trigger."),
    "twap": ("clx.cli.executors:twap", "Trade in equal parts over a time."),
    "scale": ("clx.cli.executors:scale", "Place equal orders between two prices."),
    "executors": (
        "clx.cli.executors:executors",
        "List, pause, resume or stop TWAPs and scaled entries.",
    ),
    "cancel": ("clx.cli.trade:cancel", "Cancel an order, or all."),
    "close": ("clx.cli.trade:close", "Close a position at market."),
    "flatten": ("clx.cli.trade:flatten", "Cancel orders and close positions, of one or all."),
    "orders": ("clx.cli.records:orders", "List orders."),
    "why": ("clx.cli.story:why", "Tell an order's whole life: checks, bytes, answers, fills."),
    "fills": ("clx.cli.records:fills", "List executions."),
    "positions": ("clx.cli.records:positions", "List positions with profit and fees."),
    "balances": ("clx.cli.records:balances", "List what the accounts hold."),
    "ledger": ("clx.cli.records:ledger", "List double-entry ledger lines."),
    "portfolio": ("clx.cli.story:portfolio", "Show equity curve, exposure and profit."),
    "strategy": ("clx.cli.strategy:strategy", "List, enable, disable or check strategies."),
    "model": ("clx.cli.model:model", "List models, their cards and predictions."),
    "backtest": ("clx.cli.backtest:backtest", "Run a strategy over history with the same engine."),
    "replay": ("clx.cli.replay:replay", "Replay a tape or capture through the feed's own code."),
    "tape": ("clx.cli.tape:tape", "Look at, cut and play recorded frames."),
    "test-venue": ("clx.cli.testvenue:test_venue", "Check a venue's adapter on the emulator."),
    "test-feed": ("clx.cli.testfeed:test_feed", "Check a feed against what all must do."),
    "latency": ("clx.cli.latency:latency", "Show how long venues took to answer."),
    "risk": ("clx.cli.risk:risk", "Show what the risk gate lets through, limits as bars."),
    "drill": ("clx.cli.drill:drill", "Rehearse the kill ladder on a simulated market."),
    "kill": ("clx.cli.risk:kill", "Block entries, cancel orders, or flatten."),
    "resume": ("clx.cli.risk:resume", "Let entries through again."),
    "arm": ("clx.cli.trade:arm", "Let orders from the terminal through for a while."),
    "disarm": ("clx.cli.trade:disarm", "Refuse orders from the terminal again."),
    "reconcile": ("clx.cli.trade:reconcile", "Compare with the venue now."),
    "watchlist": ("clx.cli.query:watchlist", "Show, add to or remove from the watchlist."),
    "group": ("clx.cli.lists:group", "Show, make or change groups of instruments."),
    "listing": ("clx.cli.lists:listing", "Show what every venue lists."),
    "sparks": ("clx.cli.lists:sparks", "Show the last 24 hours of instruments as sparklines."),
    "data": ("clx.cli.data.group:data", "Download, check, mend and move market data."),
    "keys": ("clx.cli.keys:keys", "Keep, list, test or remove the keys of accounts."),
    "audit": ("clx.cli.audit:audit", "Show who did what from where; check that log."),
    "config": ("clx.cli.config:config", "Show, check or set settings."),
    "doctor": ("clx.cli.doctor:doctor", "Look for what is wrong with this installation."),
    "completion": ("clx.cli.completion:completion", "Print the shell completion script."),
    "watchdog": ("clx.cli.watchdog:watchdog", "Watch the engine (started by it)."),
    "bridge": ("clx.cli.terminal:bridge", "Copy stdin and stdout to the engine (used by ssh)."),
}
"""Verb to (module:attribute, help); the help stands here so that `--help` loads nothing."""

HIDDEN: Final = frozenset({"bridge", "watchdog"})


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the table's order."""
        return [name for name in VERBS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a verb's command."""
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, naming the nearest one when there is no such."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from core.model.errors import did_you_mean

            ctx.fail(f"no such verb {args[0]!r}{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, VERBS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(None, "--version", package_name="clx", message="clx %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A trading console that lives in a terminal.

    Without a verb: open the terminal, starting the engine when none runs. Close it and the engine
    goes on; attach again from anywhere.
    """
    if ctx.invoked_subcommand is None:
        from clx.cli.opening import open_terminal

        raise click.exceptions.Exit(open_terminal())
