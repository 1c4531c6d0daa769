"""`python -m clx` is `clx`."""

from clx.cli.entry import main

main()
