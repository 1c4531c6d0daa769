from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.model.errors import ConfigError
from core.wire.ccxt_loader import exchanges, load

ROOT = Path(__file__).parents[4]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def test_names_are_known_without_importing_ccxt():
    out = run(
        "import sys\nfrom core.wire.ccxt_loader import exchanges\n"
        "print(len(exchanges()) > 50, any(name.startswith('ccxt') for name in sys.modules))"
    )
    assert out == "True False"


def test_the_feed_itself_imports_no_ccxt_until_it_is_used():
    out = run(
        "import sys, random\nfrom core.engine.clock import SystemClock\n"
        "from core.feeds.ccxt_pro.feed import CcxtFeed\n"
        "from core.model.settings import FeedSettings\n"
        "CcxtFeed(FeedSettings(), clock=SystemClock(), rng=random.Random(1), venue='k',"
        " exchange='kraken')\n"
        "print([name for name in sys.modules if name.startswith('ccxt')])"
    )
    assert out == "[]"


def test_one_exchange_is_imported_alone_and_the_whole_is_left_whole():
    out = run(
        "import sys\nfrom core.wire.ccxt_loader import errors, load\n"
        "kraken = load('kraken')\nalone = len([n for n in sys.modules if n.startswith('ccxt')])\n"
        "usdm = load('binanceusdm')\nprint(alone < 30, 'ccxt' in sys.modules)\n"
        "import ccxt.pro\n"
        "print(ccxt.pro.kraken is kraken, ccxt.pro.binanceusdm is usdm,"
        " errors().NetworkError is ccxt.NetworkError, len(ccxt.exchanges) > 100)"
    )
    assert out.split() == ["True", "False", "True", "True", "True", "True"]


@pytest.mark.slow
def test_every_exchange_can_be_imported_alone_and_constructed():
    out = run(
        "from core.wire.ccxt_loader import exchanges, load\n"
        "print([name for name in exchanges() if load(name)({}).id == ''])"
    )
    assert out == "[]"


def test_an_exchange_that_is_none_is_refused_with_the_nearest():
    assert "kraken" in exchanges()
    with pytest.raises(ConfigError, match="did you mean 'kraken'"):
        load("krakn")
