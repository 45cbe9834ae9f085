"""Standard output: lines, and one line that is drawn again and again."""

import logging
import os
import shutil
import sys

from jkeras.base import settings
from jkeras.core import processes

BOLD, GREEN, GRAY, _RESET = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"

_log = logging.getLogger("jkeras")

# How many characters stand on a line that was drawn, and not yet ended.
_open = 0


def is_terminal() -> bool:
    """Says whether standard output can redraw a line: a terminal, or a notebook."""
    if not settings.get("interactive_logging"):
        return False
    if "ipykernel" in sys.modules:
        return True
    try:
        return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def columns() -> int | None:
    """Returns the width of the terminal; None if there is none (a notebook, a file)."""
    try:
        return shutil.get_terminal_size((0, 0)).columns or None if sys.stdout.isatty() else None
    except (AttributeError, ValueError):
        return None


def can_show(text: str) -> bool:
    """Says whether standard output has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def say(line: str = "") -> None:
    """Writes a line, at once; below a line that was drawn and not ended."""
    global _open
    if not processes.writes_files():
        return
    start = "\n" if _open and not line.startswith("\n") else ""
    _open = 0
    _write(f"{start}{line}\n")


def draw(parts: list[tuple[str, str]], end: bool = False) -> None:
    """Draws a line over the one that was drawn last.

    Args:
        parts: Pairs of a text and a style (`BOLD`, `GREEN`, `GRAY` or nothing).
        end: Whether to end the line. Until then it is cut to the width of the terminal, since a
            line that is broken in two could not be drawn over.
    """
    global _open
    room = None if end else columns()
    parts = parts if room is None else cut(parts, room - 1)
    width = sum(len(text) for text, _ in parts)
    styled = os.environ.get("NO_COLOR") is None
    line = "".join(f"{style}{t}{_RESET}" if style and t and styled else t for t, style in parts)
    blank = " " * max(_open - width, 0)
    _open = 0 if end else width
    _write(f"\r{line}{blank}" + ("\n" if end else ""))


def cut(parts: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """Returns the parts of a line, shortened to `width` characters.

    Example:
        >>> from jkeras.callbacks.console import cut
        >>> cut([("12/40 ", ""), ("loss: 0.5", "")], 10)
        [('12/40 ', ''), ('los…', '')]
    """
    kept: list[tuple[str, str]] = []
    for text, style in parts:
        if len(text) > width:
            mark = "…" if can_show("…") else "."
            return [*kept, (text[: max(width - 1, 0)] + mark, style)]
        kept.append((text, style))
        width -= len(text)
    return kept


def _write(text: str) -> None:
    if not settings.get("interactive_logging"):
        _log.info("%s", text.strip())
        return
    sys.stdout.write(text)
    sys.stdout.flush()
