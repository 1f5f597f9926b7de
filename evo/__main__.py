"""``python -m evo``: the command line."""

from evo.cli import main

if __name__ == "__main__":
    main()
