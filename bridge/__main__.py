"""`python -m bridge` is `stemweave`."""

from bridge.cli import main

main()
