"""How the engine carries out each command of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from core.engine import ordering, previews
from core.engine.digest import book_view, make_chart
from core.engine.kernel import Kernel
from core.model import commands as c
from core.model.errors import ConfigError, TemporaryError, did_you_mean
from core.model.ids import InstrumentId, ModelId, OriginKind, VenueName
from core.model.inspection import OrderLife
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import ActivityBar, FeedStatus, Timeframe
from core.model.orders import Order, OrderFilled
from core.model.signals import Prediction
from core.model.views import BookView, Chart, ModelView, QualityView, QuoteLine, StrategyView

_DAY_BARS: Final = 96
"""Bars of 15 minutes in 24 hours."""

Handler: TypeAlias = Callable[[Kernel, Any, OriginKind], Any]


def execute(kernel: Kernel, request: c.Request) -> Any:
    """Carry out a command and return the result its class declares.

    Raises:
        ClxError: The command was refused; the message says what and why.
    """
    handler = HANDLERS[request.command.name]
    return kernel.act(lambda: handler(kernel, request.command, request.origin))


# -- reading ---------------------------------------------------------------------------------


def _get_status(kernel: Kernel, _: c.GetStatus, __: OriginKind) -> c.StatusReport:
    desk = kernel.desk
    return c.StatusReport(
        status=kernel.line.now(),
        feeds=kernel.feed_views(),
        venues=desk.venues(),
        equity=desk.equity(),
        day_pnl=desk.day_pnl(),
        limits=desk.limits(),
        alerts=tuple(kernel.log.alerts),
    )


def _get_instruments(
    kernel: Kernel, ask: c.GetInstruments, _: OriginKind
) -> tuple[Instrument, ...]:
    part = ask.contains.casefold()
    known = kernel.listing.instruments
    names = [name for name in ask.names if name in known] if ask.names else sorted(known)
    return tuple(known[name] for name in names if part in name.casefold())


def _get_listing(kernel: Kernel, _: c.GetListing, __: OriginKind) -> tuple[c.ListedSymbols, ...]:
    parts: dict[tuple[str, str, bool], list[str]] = {}
    for item in kernel.listing.instruments.values():
        parts.setdefault((item.venue, item.kind, item.trading), []).append(item.symbol)
    return tuple(
        c.ListedSymbols(
            venue=VenueName(venue),
            kind=InstrumentKind(kind),
            trading=trading,
            symbols=" ".join(sorted(symbols)),
        )
        for (venue, kind, trading), symbols in sorted(parts.items())
    )


def _get_sparks(kernel: Kernel, ask: c.GetSparks, _: OriginKind) -> tuple[c.Spark, ...]:
    names = ask.instruments or kernel.watchlist
    return tuple(
        c.Spark(instrument_id=name, closes_ticks=_course(kernel, name, ask.points))
        for name in names
        if name in kernel.market
    )


def _course(kernel: Kernel, name: InstrumentId, points: int) -> tuple[int, ...]:
    """Return the closes of the last 24 hours, `points` at most, and the last price."""
    closes = kernel.market.bars(name, Timeframe.M15).close[-_DAY_BARS:].tolist()
    trade = kernel.market.last_trade(name)
    if trade is not None:
        closes.append(trade.price_ticks)
    count = min(points, len(closes))
    last = len(closes) - 1
    return tuple(closes[last - round(at * last / max(1, count - 1))] for at in range(count))[::-1]


def _get_quotes(kernel: Kernel, ask: c.GetQuotes, _: OriginKind) -> tuple[QuoteLine, ...]:
    names = ask.instruments or [name for name in kernel.watchlist if name in kernel.market]
    now_ns = kernel.clock.now_ns()
    for name in names:
        kernel.listing.instrument(name)
    return tuple(kernel.quotes.line(name, now_ns) for name in names)


def _get_book(kernel: Kernel, ask: c.GetBook, _: OriginKind) -> BookView:
    kernel.listing.instrument(ask.instrument)
    if not kernel.market.trusted(ask.instrument):
        view = kernel.market.feed_view(ask.instrument)
        raise TemporaryError(
            f"the book of {ask.instrument} cannot be trusted now:"
            f" {FeedStatus(view.status).name.lower()}, {view.reason}; ask again"
        )
    return book_view(kernel.market, ask.instrument, ask.depth)


def _get_quality(kernel: Kernel, ask: c.GetQuality, _: OriginKind) -> tuple[QualityView, ...]:
    names = ask.instruments or sorted(kernel.wants.demand.active)
    for name in names:
        kernel.listing.instrument(name)
    return kernel.quality_of(names, ask.days)


def _get_chart(kernel: Kernel, ask: c.GetChart, _: OriginKind) -> Chart:
    kernel.listing.instrument(ask.instrument)
    series = (ask.instrument, ask.timeframe)
    columns, loading = kernel.market.bars(*series), not kernel.wants.loaded(series)
    return make_chart(kernel, series, columns, ask.indicators, ask.bars, loading=loading)[1]


def _get_activity_bars(
    kernel: Kernel, ask: c.GetActivityBars, _: OriginKind
) -> tuple[ActivityBar, ...]:
    kernel.listing.instrument(ask.instrument)
    return tuple(kernel.market.activity_bars(ask.instrument, ask.rule, ask.bars))


def _get_orders(kernel: Kernel, ask: c.GetOrders, _: OriginKind) -> tuple[Order, ...]:
    return kernel.desk.orders(ask.all, ask.instrument)


def _get_fills(kernel: Kernel, ask: c.GetFills, _: OriginKind) -> tuple[OrderFilled, ...]:
    return kernel.desk.fills(ask.limit)


def _get_order_life(kernel: Kernel, ask: c.GetOrderLife, _: OriginKind) -> OrderLife:
    raise TemporaryError(f"{ask.name}: only an engine with a journal of its own tells lives")


def _get_risk(kernel: Kernel, _: c.GetRisk, __: OriginKind) -> c.RiskReport:
    desk = kernel.desk
    return c.RiskReport(
        state=desk.risk_state(),
        reason=desk.risk_reason(),
        kill=desk.books.switches.kill,
        limits=desk.limits(),
    )


def _get_strategies(kernel: Kernel, _: c.GetStrategies, __: OriginKind) -> tuple[StrategyView, ...]:
    return kernel.proposals.views()


def _get_models(kernel: Kernel, _: c.GetModels, __: OriginKind) -> tuple[ModelView, ...]:
    return kernel.forecasts.views()


def _get_predictions(
    kernel: Kernel, ask: c.GetPredictions, _: OriginKind
) -> tuple[Prediction, ...]:
    known = kernel.forecasts.ids
    if ask.model not in known:
        raise ConfigError(f"unknown model {ask.model!r}{did_you_mean(ask.model, known)}")
    return kernel.forecasts.stored(ModelId(ask.model), ask.instrument, ask.limit)


# -- changing --------------------------------------------------------------------------------


def _watch(kernel: Kernel, ask: c.WatchInstrument, _: OriginKind) -> c.Done:
    kernel.listing.instrument(ask.instrument)
    if ask.group:
        added = kernel.groups.put(ask.group, ask.instrument)
        kernel.tell_instruments()
        return c.Done(
            text=f"{ask.instrument} is in group {ask.group}" + ("" if added else " already")
        )
    if ask.instrument in kernel.watchlist:
        return c.Done(text=f"{ask.instrument} is on the watchlist already")
    kernel.set_watchlist((*kernel.watchlist, ask.instrument))
    return c.Done(text=f"{ask.instrument} is on the watchlist")


def _unwatch(kernel: Kernel, ask: c.UnwatchInstrument, _: OriginKind) -> c.Done:
    if ask.group:
        kernel.groups.take(ask.group, ask.instrument)
        kernel.tell_instruments()
        return c.Done(text=f"{ask.instrument} is no longer in group {ask.group}")
    if ask.instrument not in kernel.watchlist:
        hint = did_you_mean(ask.instrument, kernel.watchlist)
        raise ConfigError(f"{ask.instrument!r} is not on the watchlist{hint}")
    kernel.set_watchlist([name for name in kernel.watchlist if name != ask.instrument])
    return c.Done(text=f"{ask.instrument} is off the watchlist")


def _add_group(kernel: Kernel, ask: c.AddGroup, _: OriginKind) -> c.Done:
    name = kernel.groups.add(ask.group)
    kernel.tell_instruments()
    return c.Done(text=f"group {name} is there; it is empty")


def _rename_group(kernel: Kernel, ask: c.RenameGroup, _: OriginKind) -> c.Done:
    name = kernel.groups.rename(ask.group, ask.to)
    kernel.tell_instruments()
    return c.Done(text=f"group {ask.group} is now called {name}")


def _remove_group(kernel: Kernel, ask: c.RemoveGroup, _: OriginKind) -> c.Done:
    count = kernel.groups.remove(ask.group)
    kernel.tell_instruments()
    return c.Done(text=f"group {ask.group} with {count} instruments is gone")


def _arm(kernel: Kernel, ask: c.Arm, _: OriginKind) -> c.Done:
    seconds = kernel.settings.trading.arm_seconds if ask.seconds is None else ask.seconds
    if ask.dry_run:
        kernel.listing.instrument(ask.instrument)
        return c.Done(text=f"{ask.instrument} would be armed for {seconds} s")
    kernel.desk.arm(ask.instrument, seconds)
    return c.Done(text=f"{ask.instrument} is armed for {seconds} s")


def _disarm(kernel: Kernel, ask: c.Disarm, _: OriginKind) -> c.Done:
    armed = [name for name in kernel.desk.armed() if ask.instrument in {None, name}]
    if ask.instrument is not None and not armed:
        # A name that was mistyped would read as if what is armed were not any more.
        kernel.listing.instrument(ask.instrument)
        return c.Done(text=f"{ask.instrument} is not armed: nothing to disarm")
    if ask.dry_run:
        return c.Done(text=f"would disarm {', '.join(armed) or 'nothing: nothing is armed'}")
    kernel.desk.disarm(ask.instrument)
    return c.Done(text=f"{ask.instrument or 'everything'} is disarmed")


def _enable(kernel: Kernel, ask: c.EnableStrategy, _: OriginKind) -> StrategyView:
    strategy = kernel.proposals.find(ask.strategy)
    kernel.enable(strategy)
    return strategy.view()


def _disable(kernel: Kernel, ask: c.DisableStrategy, origin: OriginKind) -> StrategyView:
    strategy = kernel.proposals.find(ask.strategy)
    for order_id in kernel.disable(strategy, f"by {origin}"):
        if ask.cancel_orders:
            kernel.desk.cancel(order_id, origin)
    return strategy.view()


def _kill(kernel: Kernel, ask: c.Kill, origin: OriginKind) -> c.KillReport:
    return kernel.desk.kill(ask.level, ask.reason, origin, dry_run=ask.dry_run)


def _resume(kernel: Kernel, ask: c.Resume, origin: OriginKind) -> c.Done:
    kernel.desk.resume(origin, dry_run=ask.dry_run)
    return c.Done(text="entries would go again" if ask.dry_run else "entries go again")


def _reconcile(kernel: Kernel, _: c.Reconcile, __: OriginKind) -> c.Done:
    for view in kernel.desk.venues():
        kernel.desk.links.wake(view.venue)
    return c.Done(text="comparing with every venue")


def _answer(kernel: Kernel, ask: c.AnswerDifference, _: OriginKind) -> c.Done:
    kernel.desk.links.answer(ask.venue, ask.answer)
    return c.Done(text=f"{ask.venue}: {ask.answer}; comparing again")


def _stop(kernel: Kernel, _: c.StopEngine, origin: OriginKind) -> c.Done:
    kernel.host.stop(f"asked to by {origin}")
    return c.Done(text="the engine stops; open orders stay at the venue")


OF_THE_JOURNAL: Final = frozenset(
    {
        "get_orders", "get_executors", "get_fills", "get_positions", "get_balances", "get_ledger",
        "get_portfolio", "get_order_life", "preview_order",
    }
)  # fmt: skip
"""Questions that have no answer before the journal is read: none is not the same as not known."""

HANDLERS: Final[dict[str, Handler]] = {
    "get_status": _get_status,
    "get_instruments": _get_instruments,
    "get_listing": _get_listing,
    "get_groups": lambda kernel, _, __: c.WatchReport(
        watchlist=kernel.watchlist, groups=kernel.groups.views()
    ),
    "get_sparks": _get_sparks,
    "get_quotes": _get_quotes,
    "get_book": _get_book,
    "get_quality": _get_quality,
    "get_chart": _get_chart,
    "get_activity_bars": _get_activity_bars,
    "get_orders": _get_orders,
    "get_fills": _get_fills,
    "get_positions": lambda kernel, _, __: kernel.desk.positions(),
    "get_balances": lambda kernel, _, __: kernel.desk.balances(),
    "get_ledger": lambda kernel, ask, __: kernel.desk.ledger(ask.limit),
    "get_risk": _get_risk,
    "get_strategies": _get_strategies,
    "get_models": _get_models,
    "get_predictions": _get_predictions,
    "preview_order": previews.preview,
    "get_order_life": _get_order_life,
    "get_portfolio": lambda kernel, ask, __: kernel.portfolio.view(ask),
    "watch_instrument": _watch,
    "unwatch_instrument": _unwatch,
    "add_group": _add_group,
    "rename_group": _rename_group,
    "remove_group": _remove_group,
    "arm": _arm,
    "disarm": _disarm,
    "submit_order": ordering.submit,
    "submit_bracket": ordering.submit_bracket,
    "submit_oco": ordering.submit_oco,
    "amend_order": ordering.amend,
    "start_executor": ordering.start_executor,
    "pause_executor": ordering.pause_executor,
    "resume_executor": ordering.resume_executor,
    "stop_executor": ordering.stop_executor,
    "get_executors": lambda kernel, _, __: kernel.desk.executors.views(kernel.clock.now_ns()),
    "cancel_order": ordering.cancel,
    "cancel_all": ordering.cancel_all,
    "close_position": ordering.close_position,
    "flatten": ordering.flatten,
    "enable_strategy": _enable,
    "disable_strategy": _disable,
    "kill": _kill,
    "resume": _resume,
    "reconcile": _reconcile,
    "answer_difference": _answer,
    "stop_engine": _stop,
}
"""One handler for every command, by name."""


def reads_market(command: c.Command) -> tuple[InstrumentId, ...]:
    """Return the instruments whose market data a command needs, for whoever can wait for it.

    Exits go without: they are never held up.
    """
    match command:
        case c.GetQuotes():
            return command.instruments
        case c.PreviewOrder():
            return (command.instrument,)
        case c.GetBook() | c.GetChart() | c.GetActivityBars():
            return (command.instrument,)
        case c.SubmitOrder() if not command.reduce_only:
            return (command.instrument,)
        case c.SubmitBracket():
            return (command.instrument,)
        case _:
            return ()
