"""What stands between the values of the venue's frames, byte for byte, for `scan`.

It is compiled into the scanner.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt


def _token(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


HEAD: Final = _token('{"stream":"')
DEPTH_HEAD: Final = _token('","data":{"e":"depthUpdate","E":')
TRADE_HEAD: Final = _token('","data":{"e":"trade","E":')
QUOTE_HEAD: Final = _token('","data":{"u":')
SYMBOL: Final = _token(',"s":"')
FIRST: Final = _token('","U":')
LAST: Final = _token(',"u":')
BIDS: Final = _token(',"b":[')
ASKS: Final = _token('],"a":[')
TRADE_ID: Final = _token('","t":')
TRADE_PRICE: Final = _token(',"p":')
TRADE_SIZE: Final = _token(',"q":')
TRADE_TIME: Final = _token(',"T":')
SOLD: Final = _token(',"m":true,"M":')
BOUGHT: Final = _token(',"m":false,"M":')
TRUE: Final = _token("true}}")
FALSE: Final = _token("false}}")
BID: Final = _token('","b":')
BID_SIZE: Final = _token(',"B":')
ASK: Final = _token(',"a":')
ASK_SIZE: Final = _token(',"A":')
END: Final = _token("}}")
KLINE_HEAD: Final = _token('","data":{"e":"kline","E":')
CANDLE: Final = _token('","k":{"t":')
CANDLE_END: Final = _token(',"T":')
INTERVAL: Final = _token('","i":"')
FIRST_TRADE: Final = _token('","f":')
LAST_TRADE: Final = _token(',"L":')
OPEN: Final = _token(',"o":')
CLOSE: Final = _token(',"c":')
HIGH: Final = _token(',"h":')
LOW: Final = _token(',"l":')
VOLUME: Final = _token(',"v":')
TRADES: Final = _token(',"n":')
OVER: Final = _token(',"x":true,"q":"')
FORMING: Final = _token(',"x":false,"q":"')
TAKER: Final = _token('","V":"')
TAKER_QUOTE: Final = _token('","Q":"')
UNUSED: Final = _token('","B":"')
KLINE_END: Final = _token('"}}}')
