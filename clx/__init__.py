"""The front door: the `clx` command, and the one place that knows every concrete class."""

__version__ = "0.1.0"
