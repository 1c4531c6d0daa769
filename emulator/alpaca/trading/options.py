"""What REST tells of options: contracts by page, quotes, snapshots with greeks, and no bars."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from emulator.alpaca.hours import NEW_YORK
from emulator.alpaca.trading import rules, wire
from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.assets import Contract
from emulator.wire.rest import Call, Refusal
from emulator.wire.venue import Json

if TYPE_CHECKING:
    from emulator.alpaca.trading.rest import Desktop

_MOST: Final = 10_000
_USUAL: Final = 100
_NONE: Final = Decimal(0)
_HIGHEST: Final = Decimal(10**12)


def contracts(desktop: Desktop, account: Account, call: Call) -> Json:
    """Give ``/v2/options/contracts``."""
    params = call.params
    today = _today(desktop)
    low = rules.amount(params, "strike_price_gte") or _NONE
    high = rules.amount(params, "strike_price_lte") or _HIGHEST
    roots = {name for name in (params.get("underlying_symbols") or "").split(",") if name}
    # Unless asked otherwise, those that expire by the end of the coming week.
    last = params.get("expiration_date_lte") or (
        ""
        if params.get("expiration_date") or params.get("expiration_date_gte")
        else _weekend(today)
    )
    rows = [
        told
        for told in (wire.contract(each, today) for each in desktop.house.assets.contracts())
        if (not roots or told["underlying_symbol"] in roots)
        and params.get("root_symbol") in (None, "", told["root_symbol"])
        and params.get("type") in (None, "", told["type"])
        and params.get("style") in (None, "", told["style"])
        and told["status"] == (params.get("status") or "active")
        and params.get("expiration_date") in (None, "", told["expiration_date"])
        and (params.get("expiration_date_gte") or "") <= told["expiration_date"]
        and (not last or told["expiration_date"] <= last)
        and low <= Decimal(told["strike_price"]) <= high
    ]
    token = params.get("page_token") or "0"
    if not token.isdigit():
        raise rules.bad(f"invalid page_token: {token}", 40010001)
    first, limit = int(token), _limit(call)
    more = str(first + limit) if len(rows) > first + limit else None
    return {"option_contracts": rows[first : first + limit], "next_page_token": more}


def contract(desktop: Desktop, account: Account, call: Call) -> Json:
    """Give ``/v2/options/contracts/{symbol_or_id}``."""
    name = call.path("symbol")
    found = desktop.house.assets.find(name)
    if found is None or found.contract is None:
        raise Refusal(404, {"code": 40410000, "message": f"contract not found for {name}"})
    return wire.contract(found, _today(desktop))


def latest_quotes(desktop: Desktop, account: Account, call: Call) -> Json:
    """Give ``/v1beta1/options/quotes/latest``."""
    now_ms = desktop.desk.now_ms
    return {
        "quotes": {
            symbol: wire.option_quote(option, now_ms) for symbol, option in _asked(desktop, call)
        },
        "next_page_token": None,
    }


def snapshots(desktop: Desktop, account: Account, call: Call) -> Json:
    """Give ``/v1beta1/options/snapshots``; who never traded has no last trade."""
    now_ms = desktop.desk.now_ms
    found: Json = {}
    for symbol, option in _asked(desktop, call):
        greeks = option.greeks()
        found[symbol] = {
            "latestQuote": wire.option_quote(option, now_ms),
            "greeks": {
                "delta": round(greeks.delta, 4),
                "gamma": round(greeks.gamma, 4),
                "rho": round(greeks.rho, 4),
                "theta": round(greeks.theta, 4),
                "vega": round(greeks.vega, 4),
            },
            "impliedVolatility": round(greeks.iv, 4),
        }
    return {"snapshots": found, "next_page_token": None}


def bars(desktop: Desktop, account: Account, call: Call) -> Json:
    """Give ``/v1beta1/options/bars``: nobody but the accounts trades options here."""
    _asked(desktop, call)
    return {"bars": {}, "next_page_token": None}


def _asked(desktop: Desktop, call: Call) -> list[tuple[str, Contract]]:
    names = [name for name in (call.params.get("symbols") or "").split(",") if name]
    if not names:
        raise Refusal(400, {"message": "symbols is required"})
    found = [desktop.house.assets.find(name) for name in names]
    return [(each.symbol, each.contract) for each in found if each and each.contract is not None]


def _limit(call: Call) -> int:
    text = call.params.get("limit") or str(_USUAL)
    if not text.isdigit() or not 0 < int(text) <= _MOST:
        raise rules.bad(f"invalid limit: {text}", 40010001)
    return int(text)


def _today(desktop: Desktop) -> dt.date:
    return dt.datetime.fromtimestamp(desktop.desk.now_ms / 1_000, NEW_YORK).date()


def _weekend(today: dt.date) -> str:
    return (today + dt.timedelta(days=6 - today.weekday())).isoformat()
