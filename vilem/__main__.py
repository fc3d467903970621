"""`python -m vilem` is the `vilem` command."""

from vilem.cli.main import main

# a process that serves beside others imports this anew
if __name__ == "__main__":
    main()
