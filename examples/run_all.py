"""Runs every example, small: `nox -s examples`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = {
    "convnet.py": ["--epochs", "1"],
    "gan.py": ["--steps", "300"],
    "series.py": ["--epochs", "2"],
    "vae.py": ["--epochs", "2"],
}

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.name == "run_all.py":
        continue
    started = time.time()
    print(f"== {path.name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(path.resolve()), *SMALL.get(path.name, [])]
        subprocess.run(command, cwd=folder, check=True)
    print(f"== {path.name}: {time.time() - started:.0f} s\n", flush=True)
