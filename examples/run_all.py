"""Runs every example, small: `nox -s examples`.

python examples/run_all.py gan_loop sweep                these ones
python examples/run_all.py --pictures docs/gallery       in full, and keeps their pictures
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.name != "run_all.py")
# Several examples need no other size.
AS_THEY_ARE = {"distributed", "drop_in", "export"}
# What those print that show their result in the terminal; the others leave a picture.
PRINTED = {"distributed": ("ModelParallel: losses", "CPU 0,4", "Total params")}


def shrink(source, target):
    """Writes a picture of 256 colours, no wider than a page."""
    from PIL import Image

    image = Image.open(source).convert("RGB")
    image.thumbnail((720, 720), Image.Resampling.LANCZOS)
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        target, optimize=True
    )


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[])
parser.add_argument("--pictures", type=Path, help="a folder for the pictures; runs in full")
options = parser.parse_args()
pictures = options.pictures and options.pictures.resolve()
environment = {"MPLBACKEND": "agg", **os.environ}
failed = []
for name in options.names or NAMES:
    started, before = time.time(), sum(os.times()[2:4])
    print(f"== {name}.py", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        small = [] if pictures or name in AS_THEY_ARE else ["--small"]
        command = [sys.executable, str(FOLDER / f"{name}.py"), *small]
        picture, words = Path(folder, f"{name}.png"), PRINTED.get(name, ())
        output = subprocess.PIPE if words else None
        done = subprocess.run(command, cwd=folder, env=environment, stdout=output, text=True)
        if words:
            print(done.stdout)
        shown = all(word in done.stdout for word in words) if words else picture.exists()
        if done.returncode or not shown:
            failed.append(name)
        elif pictures and not words:
            pictures.mkdir(parents=True, exist_ok=True)
            shrink(picture, pictures / f"{name}.png")
    spent = sum(os.times()[2:4]) - before
    print(f"== {name}.py: {time.time() - started:.0f} s, of CPUs {spent:.0f} s\n", flush=True)
if failed:
    sys.exit(f"failed, or left no picture or table: {', '.join(failed)}")
