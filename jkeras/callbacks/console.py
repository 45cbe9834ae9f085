"""Where messages go."""

import sys


def say(line: str = "") -> None:
    """Writes a line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
