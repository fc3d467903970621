"""`python -m vilem` is the `vilem` command."""

from vilem.cli.main import main

main()
