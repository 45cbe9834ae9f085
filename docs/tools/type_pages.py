"""Runs the blocks of pages as a newcomer types them: in order, in an empty folder, without a seed.

    python -m venv new && new/bin/pip install ".[plot,image,pandas,sklearn]"
    new/bin/python docs/tools/type_pages.py docs/quickstart.md docs/ko/quickstart.md

The build of the documentation runs the same blocks, but with names imported, a seed set, and
quickly compiled. Here only what the page says is there; what a block prints must be what stands
below it. The program that runs this must see an installed jkeras, which may be another clone's.
"""

import doctest
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BLOCK = re.compile(r"^```(?:\{doctest\}|pycon)[^\n]*\n(.*?)^```$", re.M | re.S)
FLAGS = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1


def type_blocks(path):
    """Runs the blocks of a page in this process; returns how many there are, and the bad ones."""
    text, names, bad = path.read_text("utf-8"), {"__name__": "__main__"}, []
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        test = doctest.DocTestParser().get_doctest(block[1], names, path.name, str(path), line)
        test.globs = names  # which the next block finds
        if doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False).failed:
            bad.append(line + 1)
    return len(blocks), bad


def main():
    if sys.argv[1] == "--here":
        count, bad = type_blocks(Path(sys.argv[2]))
        print(f"{count} blocks, {len(bad)} bad{': at lines ' + str(bad) if bad else ''}")
        return bool(bad)
    failed = 0
    for page in map(os.path.abspath, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, os.path.abspath(__file__), "--here", page]
            start, environment = time.time(), {**os.environ, "MPLBACKEND": "agg"}
            run = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True
            )
        failed += run.returncode != 0
        print(
            f"{page}, {time.time() - start:.0f} s: {run.stdout or run.stderr}", end="", flush=True
        )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
