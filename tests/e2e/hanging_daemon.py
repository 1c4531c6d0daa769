"""The product's own daemon, which on SIGUSR1 spins for ever in its loop's thread."""

import signal
import sys
from typing import Any

from clx import daemon


def spin(*_: Any) -> None:
    """Keep the loop from ever turning again."""
    while True:
        pass


signal.signal(signal.SIGUSR1, spin)
sys.exit(daemon.main())
