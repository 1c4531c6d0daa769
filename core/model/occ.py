"""Options of US exchanges by their names: the OCC's ``AAPL261218C00200000`` and ours beside it.

Both say the same, so that either leads to the other without asking anybody::

    AAPL261218C00200000  <->  AAPL-USD-20261218-200-C
    root, day of expiry, right, strike in thousandths
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final, NamedTuple

_OCC: Final = re.compile(r"^([A-Z0-9.]{1,6}?)(\d{6})([CP])(\d{8})$")
_OURS: Final = re.compile(r"^([A-Z0-9.]{1,6})-USD-(\d{8})-(\d+(?:\.\d+)?)-([CP])$")
_THOUSAND: Final = Decimal(1000)


class OptionName(NamedTuple):
    """What an option's name says of it."""

    root: str
    """The underlying share's ticker, with a digit more where its contracts were adjusted."""
    expiry: dt.date
    right: str
    """``C`` or ``P``."""
    strike: Decimal

    @property
    def occ(self) -> str:
        """The OCC's name, without the blanks that fill up its root."""
        return f"{self.root}{self.expiry:%y%m%d}{self.right}{int(self.strike * _THOUSAND):08d}"

    @property
    def symbol(self) -> str:
        """Our symbol."""
        strike = format(self.strike.normalize(), "f")
        return f"{self.root}-USD-{self.expiry:%Y%m%d}-{strike}-{self.right}"


def read_option(text: str) -> OptionName | None:
    """Return what either name of an option says, in any case; None: it is no such name."""
    upper = text.upper()
    found = _OCC.match(upper)
    try:
        if found is not None:
            root, day, right, strike = found.groups()
            expiry = dt.datetime.strptime(f"20{day}", "%Y%m%d").replace(tzinfo=dt.UTC).date()
            return OptionName(root, expiry, right, Decimal(strike) / _THOUSAND)
        found = _OURS.match(upper)
        if found is None:
            return None
        root, day, strike, right = found.groups()
        expiry = dt.datetime.strptime(day, "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None
    return OptionName(root, expiry, right, Decimal(strike))
