"""Draws docs/images/timeline.svg: one epoch of a small network, in jkeras and in Keras, over time.

    pip install . keras && python docs/tools/make_timeline.py

Profiles several epochs of each with JAX's profiler, without its tracing of Python's calls, in
processes of their own, and draws the shortest: when the program's thread was in `fit`, and when
XLA computed. Run it on an idle machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from html import escape
from importlib.metadata import version
from pathlib import Path

import kept

PICTURE = Path(__file__).parents[1] / "images" / "timeline.svg"
INK, PALE = "#334155", "#e2e8f0"
PYTHON, XLA = "#f59e0b", "#2563eb"


def profile(package, epochs=40):
    """Prints the time of the shortest epoch, and when XLA computed in it, in microseconds."""
    os.environ.update(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    # A note of each of a step's 60 operations would take ten times as long as they do.
    os.environ["XLA_FLAGS"] = "--xla_cpu_enable_xprof_traceme=false"
    if package == "jkeras":
        import jkeras as keras
    else:
        import keras
    import jax
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(11_610, 8)).astype("float32")
    y = np.sin(x[:, :1]) + x[:, 3:4] * x[:, 5:6]
    model = keras.Sequential([keras.Input((8,))])
    model.add(keras.layers.Dense(30, activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mse", optimizer="adam")
    model.fit(x, y, epochs=3, verbose=0)

    class Marks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.mark = jax.profiler.TraceAnnotation(f"epoch {epoch}")
            self.mark.__enter__()

        def on_epoch_end(self, epoch, logs=None):
            self.mark.__exit__(None, None, None)

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            model.fit(x, y, epochs=epochs, verbose=0, callbacks=[Marks()])
        (path,) = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(path))
    marks, work = [], []
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name.startswith("epoch "):
                    marks.append((event.duration_ns, event.start_ns))
                elif event.name == "ThunkExecutor::Execute":
                    work.append((event.start_ns, event.start_ns + event.duration_ns))
    length, start = min(marks[1:])
    inside = [(a - start, b - start) for a, b in sorted(work) if start <= a < start + length]
    spans = []
    for a, b in inside:  # overlapping ones and those a microsecond apart are one
        if spans and a <= spans[-1][1] + 1000:
            spans[-1][1] = max(b, spans[-1][1])
        else:
            spans.append([a, b])
    json.dump([length / 1000, [[a / 1000, b / 1000] for a, b in spans]], sys.stdout)


def measure():
    """Returns what both did, and where."""
    found = {"where": f"{os.cpu_count()} CPU cores, jax {version('jax')}, Keras {version('keras')}"}
    loads = []
    for package in ("jkeras", "Keras"):
        command = [sys.executable, "-W", "ignore", __file__, "--profile", package]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[package] = json.loads(output.splitlines()[-1])
        loads.append(os.getloadavg()[0])
    return found | {"load": round(max(loads), 1)}


def lane(length, spans, scale, x, y, total):
    """Returns a row of Python's bar above XLA's."""
    parts = [
        f'<rect x="{x}" y="{y}" width="{max(length * scale, 1):.2f}" height="16" fill="{PYTHON}"/>'
    ]
    path = "".join(
        f"M{x + a * scale:.2f} {y + 20}h{max((b - a) * scale, 0.3):.2f}v16H{x + a * scale:.2f}z"
        for a, b in spans
    )
    parts.append(f'<path d="{path}" fill="{XLA}"/>')
    parts.append(
        f'<rect x="{x}" y="{y + 20}" width="{total:.1f}" height="16" fill="none" stroke="{PALE}"/>'
    )
    return "".join(parts)


def draw(found):
    """Returns the picture."""
    width, left, long = 960, 145, found["Keras"][0]
    short = found["jkeras"][0]
    total = width - left - 20
    rows = [
        ("jkeras", "jkeras", total / long, f"{short / 1000:.1f} ms"),
        ("Keras 3", "Keras", total / long, f"{long / 1000:.1f} ms"),
        ("Keras 3, the first", "Keras", total / short, f"{short / 1000:.1f} ms of it"),
        ("jkeras, all of it", "jkeras", total / short, f"{short / 1000:.1f} ms"),
    ]
    parts, y = [], 44
    for i, (title, package, scale, time) in enumerate(rows):
        if i == 2:
            parts.append(
                f'<text x="{left}" y="{y + 6}" class="dim">the same, {long / short:.0f} times'
                " enlarged</text>"
            )
            y += 18
        length, spans = found[package]
        shown = total / scale
        spans = [[a, min(b, shown)] for a, b in spans if a < shown]
        parts.append(f'<text x="8" y="{y + 16}" class="name">{escape(title)}</text>')
        parts.append(f'<text x="8" y="{y + 32}" class="dim">{time}</text>')
        parts.append(lane(min(length, shown), spans, scale, left, y, total))
        y += 58
    busy = {p: sum(b - a for a, b in found[p][1]) / found[p][0] for p in ("jkeras", "Keras")}
    caption = (
        "A network 8-30-1 on 11,610 rows, 363 steps; the shortest of 39 epochs under the profiler.",
        f"{found['where']}; load average {found['load']}. XLA computes in {busy['jkeras']:.0%} of "
        f"jkeras's epoch, in {busy['Keras']:.0%} of Keras's.",
    )
    legend = (
        f'<rect x="{left}" y="12" width="12" height="12" fill="{PYTHON}"/>'
        f'<text x="{left + 18}" y="22">fit</text>'
        f'<rect x="{left + 110}" y="12" width="12" height="12" fill="{XLA}"/>'
        f'<text x="{left + 128}" y="22">XLA computes</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 40}" role="img">'
        f"<title>One epoch over time</title>"
        f"<style>text{{font:12px system-ui,sans-serif;fill:{INK}}}"
        f".name{{font-weight:600;font-size:13px}}.dim{{fill:#64748b;font-size:11px}}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="white"/>{legend}{"".join(parts)}'
        + "".join(
            f'<text x="8" y="{y + 10 + 16 * i}" class="dim">{escape(line)}</text>'
            for i, line in enumerate(caption)
        )
        + "</svg>\n"
    )


def rounded():
    """Returns what was measured, to a tenth of a microsecond."""
    found = measure()
    for package in ("jkeras", "Keras"):
        length, spans = found[package]
        found[package] = [round(length, 1), [[round(a, 1), round(b, 1)] for a, b in spans]]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help="draw from the kept figures alone")
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    kept.picture(PICTURE, rounded, draw, options.again)


if __name__ == "__main__":
    main()
