"""An engine whose every change is written down: who asked for what, from where, and what came."""

from __future__ import annotations

import asyncio
import functools
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from core.model.accounts import RiskState
from core.model.audit import Audit, AuditRecord, Client
from core.model.commands import Command, Done, KillReport, OrderReport, Request, Tier
from core.model.errors import ClxError
from core.model.ids import ClientOrderId
from core.model.orders import Order, OrderIntent, OrderState
from core.model.ports import Clock
from core.model.views import EngineSnapshot, Fact, OrderChanged, StatusChanged
from link.codec import kind_of
from link.server import EngineFace, MarketView

_REFUSED: Final = frozenset({OrderState.DENIED, OrderState.REJECTED})
_NEW: Final = frozenset({OrderState.HELD, OrderState.SUBMITTED, OrderState.DENIED})
_REMEMBERED: Final = 20_000
"""Orders of strategies remembered as told; far more than are new at once."""

_Parameters = dict[str, str | int | float | bool | None]


class AuditedFace:
    """The engine as a doorway sees it, with an `Audit` beside it; a `link.server.EngineFace`.

    Commands that only read leave no trace, and neither do dry runs: they change nothing. Orders of
    strategies and of the engine itself, and its own changes of the risk state, come from the facts.
    """

    def __init__(self, face: EngineFace, audit: Audit, clock: Clock) -> None:
        self._face = face
        self._audit = audit
        self._clock = clock
        self._told: OrderedDict[ClientOrderId, None] = OrderedDict()
        self._risk: RiskState | None = None
        face.on_fact(self._on_fact)

    @property
    def session(self) -> str:
        """This run's name."""
        return self._face.session

    @property
    def version(self) -> str:
        """The program's version."""
        return self._face.version

    def snapshot(self) -> EngineSnapshot:
        """Return everything a client starts from."""
        return self._face.snapshot()

    def open_view(self) -> MarketView:
        """Start a client's look at the market."""
        return self._face.open_view()

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        """Have every fact from now on given to `sink`; return the last one's number so far."""
        return self._face.on_fact(sink)

    def on_clients(self, count: int) -> None:
        """Take note of how many clients are attached."""
        self._face.on_clients(count)

    async def execute(self, request: Request) -> Any:
        """Carry out a command and write down who asked for it and what became of it.

        Raises:
            ClxError: The command was refused.
        """
        command = request.command
        if command.tier is Tier.READ or getattr(command, "dry_run", False):
            return await self._face.execute(request)
        try:
            result = await self._face.execute(request)
        except ClxError as error:
            self._note(request, f"{kind_of(error)}: {error}", refused=True)
            raise
        except BaseException as error:
            self._note(request, f"failed: {error!r}", refused=True)
            raise
        words, refused = _outcome(result)
        self._note(request, words, refused=refused)
        return result

    def _note(self, request: Request, outcome: str, *, refused: bool) -> None:
        self._put(
            request.origin,
            request.command.name,
            functools.partial(_parameters, request.command),
            outcome,
            refused=refused,
            client=request.client,
        )

    def _put(
        self,
        origin: str,
        what: str,
        parameters: Callable[[], _Parameters],
        outcome: str,
        *,
        refused: bool,
        client: Client | None = None,
    ) -> None:
        ts_ns = self._clock.now_ns()

        def put() -> None:
            self._audit.note(
                AuditRecord(
                    ts_ns=ts_ns,
                    origin=origin,
                    what=what,
                    parameters=parameters(),
                    outcome=outcome,
                    refused=refused,
                    client=client,
                )
            )

        try:
            # After what the command itself has set going: an order leaves first.
            asyncio.get_running_loop().call_soon(put)
        except RuntimeError:
            put()

    def _on_fact(self, _: int, fact: Fact) -> None:
        if isinstance(fact, OrderChanged):
            self._on_order(fact.order)
        elif isinstance(fact, StatusChanged):
            self._on_risk(fact.status.risk_state)

    def _on_order(self, order: Order) -> None:
        """Write down an order nobody asked for through the doorway, when it is new."""
        intent = order.intent
        if intent.origin not in ("strat", "engine") or order.state not in _NEW:
            return
        if intent.client_order_id in self._told:
            return
        self._told[intent.client_order_id] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        who = f"{intent.origin}:{intent.strategy_id}" if intent.strategy_id else intent.origin
        refused = order.state in _REFUSED
        told = functools.partial(_of, intent)
        self._put(who, "submit_order", told, _words(order), refused=refused)

    def _on_risk(self, state: RiskState) -> None:
        if self._risk is not None and state is not self._risk:
            words = f"{self._risk.value} to {state.value}"
            self._put("engine", "risk_state", dict, words, refused=False)
        self._risk = state


def _parameters(command: Command) -> _Parameters:
    """Return a command's fields as plain values, those that were left out left out."""
    told: _Parameters = {}
    for name, value in command.model_dump(mode="json", exclude_defaults=True).items():
        plain = isinstance(value, str | int | float | bool)
        told[name] = value if plain else json.dumps(value)
    return told


def _of(intent: OrderIntent) -> _Parameters:
    told: _Parameters = {
        "client_order_id": intent.client_order_id,
        "instrument": intent.instrument_id,
        "side": intent.side.value,
        "type": intent.type.value,
        "size": f"{intent.size:f}",
    }
    if intent.price is not None:
        told["price"] = f"{intent.price:f}"
    if intent.reason:
        told["reason"] = intent.reason
    return told


def _outcome(result: object) -> tuple[str, bool]:
    """Return what became of a command in words, and whether it was refused."""
    match result:
        case OrderReport(order=order):
            return _words(order), order.state in _REFUSED
        case KillReport():
            words = f"risk {result.risk_state.value}, cancelling {result.cancels}"
            return f"{words}, closing {len(result.closing_orders)}", False
        case Done(text=text):
            return text, False
        case _:
            return "done", False


def _words(order: Order) -> str:
    return f"{order.state.value}: {order.note}" if order.note else order.state.value
