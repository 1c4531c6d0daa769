"""Who took a trade, where the provider does not say.

Stock tapes name no aggressor. The rule of Lee and Ready ("Inferring Trade Direction from Intraday
Data", 1991) is the usual estimate: at or through the ask is a buy, at or through the bid a sale,
between them the nearer side; in the middle, or without a quote, the last change of price decides.
"""

from __future__ import annotations


class TakerGuess:
    """One instrument's quotes and trades, as far as the next guess needs them.

    What it returns is an estimate: a rule whose `BookTraits.stated_takers` is false says so.
    """

    __slots__ = ("_ask", "_bid", "_price", "_sold")

    def __init__(self) -> None:
        self._bid = 0
        self._ask = 0
        self._price = 0
        self._sold = False

    def quote(self, bid_ticks: int, ask_ticks: int) -> None:
        """Note the best bid and ask; 0 where a side is empty."""
        self._bid = bid_ticks
        self._ask = ask_ticks

    def sold(self, price_ticks: int) -> bool:
        """Return whether the taker of the next trade sold, and note the trade."""
        bid, ask = self._bid, self._ask
        if ask and price_ticks >= ask > bid:
            sold = False
        elif bid and price_ticks <= bid and (bid < ask or not ask):
            sold = True
        elif 0 < bid < ask and 2 * price_ticks != bid + ask:
            sold = 2 * price_ticks < bid + ask
        elif self._price and price_ticks != self._price:
            sold = price_ticks < self._price
        else:
            sold = self._sold
        self._price = price_ticks
        self._sold = sold
        return sold
