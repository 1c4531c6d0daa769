"""`python -m bench [--whole] [NAME ...]`: run the benchmarks and print their ratios.

Each module has ``run()`` giving rows of ``name ours peer ratio target unit ok``: `ours` and `peer`
are measured in the same run, `ratio` is what `target` speaks of, `ok` whether it is met. Of proofs
that would take long a part is played, in at most three minutes a row; with `--whole` everything.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import platform
import sys

import bench


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 when a target is missed."""
    whole = "--whole" in names
    names = [name for name in names if name != "--whole"]
    known = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if m.name != "__main__")
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    missed = 0
    for name in names or known:
        module = importlib.import_module(f"bench.{name}")
        if not hasattr(module, "run"):
            continue
        print(f"\n== {name}", flush=True)
        print(f"{'figure':<66} {'ours':>12} {'peer':>12} {'ratio':>8}  {'target':<26} unit")
        some = {"whole": whole} if "whole" in inspect.signature(module.run).parameters else {}
        for row in module.run(**some):
            mark = "ok" if row["ok"] else "MISSED"
            missed += not row["ok"]
            print(
                f"{row['name']:<66} {_figure(row['ours']):>12} {_figure(row['peer']):>12} "
                f"{_figure(row['ratio']):>8}  {row['target']:<26} {row['unit']} {mark}",
                flush=True,
            )
    return 1 if missed else 0


def _figure(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
