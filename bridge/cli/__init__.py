"""The command line: `stemweave COMMAND`. One file a group of commands."""

from bridge.cli.app import main

__all__ = ["main"]
