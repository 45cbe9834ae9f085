"""Draws docs/images/training.svg: one script in a terminal, with jkeras and with Keras.

    pip install . keras && python docs/tools/make_training_picture.py

Runs the script in turn with each, five times, each in a fresh process on a terminal of its own, and
notes when each line came. The picture shows the run of median time of each, its lines appearing
when they came, and the medians of time and CPU time. Run it on an idle machine: the picture says
what else ran (the load average before the first run, and the most beside it).
"""

import argparse
import os
import platform
import pty
import re
import resource
import statistics
import sys
import tempfile
import time
from html import escape
from importlib.metadata import version
from pathlib import Path

import kept

PICTURE = Path(__file__).parents[1] / "images" / "training.svg"
PACKAGES = {"jkeras": "jkeras as keras", "Keras 3": "keras"}
SCRIPT = """\
import numpy as np
import {package}

rng = np.random.default_rng(0)
x = rng.normal(size=(11_610, 8)).astype("float32")
y = np.sin(x[:, :1]) + x[:, 3:4] * x[:, 5:6]
model = keras.Sequential([
    keras.Input((8,)),
    keras.layers.Dense(30, activation="relu"),
    keras.layers.Dense(1),
])
model.compile(loss="mse", optimizer="adam")
model.fit(x, y, epochs=100, validation_split=0.2)
"""
COLUMNS = 78
KEPT, SHOWN = 20, 6  # lines of the end of each run
PLAYED = 14  # seconds, of which the last four show both ends
WIDTH, STEP, LEFT, TOP = 640, 17, 14, 46


def run(package):
    """Runs the script on a terminal; returns its lines with their times, time and CPU time."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(SCRIPT.format(package=PACKAGES[package]))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), KERAS_BACKEND="jax")
            os.environ.update(JAX_PLATFORMS="cpu", NO_COLOR="1")
            os.environ["JKERAS_COMPILATION_CACHE"] = "off"  # Keras keeps no programs on disk
            os.execv(sys.executable, [sys.executable, "-W", "ignore", "train.py"])
        lines, text = [], ""
        while True:
            try:
                piece = os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the terminal is gone: the script has ended
                break
            now = time.perf_counter() - start
            *done, text = (text + piece).split("\n")
            lines += [(now, shown(line)) for line in done]
        _, status = os.waitpid(child, 0)
        if status:
            raise RuntimeError(f"the script failed with {package}: {lines[-5:]}")
        wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"lines": [line for line in lines if line[1]], "wall": wall, "cpu": cpu}


def shown(line):
    """Returns what a terminal shows of a line that was drawn again and again."""
    line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).replace("\x08", "\r")
    parts = [part.rstrip() for part in line.split("\r") if part.strip()]
    return parts[-1][:COLUMNS] if parts else ""


def measure(rounds):
    """Returns the runs of each package, made in turn."""
    runs, loads = {package: [] for package in PACKAGES}, [os.getloadavg()[0]]
    for i in range(rounds):
        for package in PACKAGES if i % 2 == 0 else reversed(PACKAGES):
            runs[package].append(run(package))
            loads.append(os.getloadavg()[0])
            print(package, f"{runs[package][-1]['wall']:.1f} s", flush=True)
    return runs, loads


def measured(rounds):
    """Returns what the picture shows."""
    runs, loads = measure(rounds)
    found = {"load": [round(loads[0], 1), round(max(loads), 1)], "runs": {}}
    for package, several in runs.items():
        middle = sorted(several, key=lambda run: run["wall"])[len(several) // 2]
        found["runs"][package] = {
            "seconds": round(statistics.median(run["wall"] for run in several), 2),
            "cpu": round(statistics.median(run["cpu"] for run in several), 2),
            "rounds": len(several),
            "lines": [[round(at, 2), line] for at, line in middle["lines"]][-KEPT:],
        }
    versions = [f"{name} {version(name.lower())}" for name in ("jax", "Keras")]
    found["where"] = f"{os.cpu_count()} CPU cores, Python {platform.python_version()}, "
    found["where"] += ", ".join(versions)
    found["priority"] = os.sched_getscheduler(0) != os.SCHED_OTHER
    return found


def draw(found):
    """Returns the picture: two terminals, in which lines appear when they came, and two bars."""
    longest = 1.4 * max(run["seconds"] for run in found["runs"].values())
    style, parts, y = [], [], 0
    for i, (package, run) in enumerate(found["runs"].items()):
        rows = [(0.0, "$ time python train.py", "prompt")]
        rows += [(at, line, "line") for at, line in run["lines"][-SHOWN:]]
        rows.append((run["seconds"], f"{run['seconds']:.1f} s  ({run['cpu']:.1f} s CPU)", "end"))
        height = TOP + STEP * len(rows) + 4
        dots = "".join(
            f'<circle cx="{18 + 16 * k}" cy="{y + 15}" r="5" fill="{color}"/>'
            for k, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
        )
        parts.append(
            f'<rect y="{y}" width="{WIDTH}" height="{height}" rx="9" fill="#0f172a"/>{dots}'
            f'<text class="title" x="{WIDTH / 2}" y="{y + 19}">import {PACKAGES[package]}</text>'
        )
        for j, (at, line, kind) in enumerate(rows):
            name, share = f"r{i}-{j}", 100 * at / longest
            if at:
                style.append(
                    f"@keyframes {name}{{0%,{share:.2f}%{{opacity:0}}"
                    f"{share + 0.01:.2f}%,100%{{opacity:1}}}}"
                )
            play = f' style="animation-name:{name}"' if at else ""
            place = f'x="{LEFT}" y="{y + TOP + STEP * j + (4 if kind == "end" else 0)}"'
            parts.append(f'<text class="{kind}" {place}{play}>{escape(line)}</text>')
        y += height + 8
    most = max(run["seconds"] for run in found["runs"].values())
    for (package, run), color in zip(found["runs"].items(), ("#4338ca", "#94a3b8"), strict=True):
        length = (WIDTH - 190) * run["seconds"] / most
        parts.append(
            f'<text class="bar" x="4" y="{y + 17}">{package}</text>'
            f'<rect x="88" y="{y + 2}" width="{length:.1f}" height="20" rx="4" fill="{color}"/>'
            f'<text class="bar" x="{96 + length:.1f}" y="{y + 17}">{run["seconds"]:.1f} s</text>'
        )
        y += 28
    rounds = next(iter(found["runs"].values()))["rounds"]
    low, high = found["load"]
    load = f"{low}" if low == high else f"{low} to {high}"
    priority = ", with real-time priority" if found.get("priority") else ""
    caption = (
        "A network 8-30-1, 11,610 rows, 100 epochs, with imports and all compilation. "
        f"Played {longest / PLAYED:.1f} times as fast.",
        f"Medians of {rounds} runs each, in turn{priority}; load average {load}.",
        f"{found['where']}.",
    )
    parts += [
        f'<text class="caption" x="4" y="{y + 14 + 15 * i}">{escape(line)}</text>'
        for i, line in enumerate(caption)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 52}" role="img">'
        f"<title>One script with jkeras and with Keras</title><style>"
        f"text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
        f"monospace;white-space:pre;fill:#cbd5e1}}.prompt{{fill:#f8fafc}}"
        f".end{{fill:#4ade80;font-weight:bold;font-size:15px}}"
        f".bar{{fill:#64748b;font:bold 16px system-ui,sans-serif}}"
        f".title{{fill:#94a3b8;text-anchor:middle}}"
        f".caption{{fill:#64748b;font:11px system-ui,sans-serif}}"
        f"@media (prefers-reduced-motion:no-preference){{"
        f".line,.end{{animation:{PLAYED}s 3 both}}"
        f"{''.join(style)}}}</style>{''.join(parts)}</svg>\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="draw from the kept figures alone")
    options = parser.parse_args()
    found = kept.picture(PICTURE, lambda: measured(options.rounds), draw, options.again)
    for package, run in found["runs"].items():
        print(f"{package}: {run['seconds']} s, {run['cpu']} s of CPU")


if __name__ == "__main__":
    main()
