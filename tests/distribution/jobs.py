"""Starts jobs of one or more processes, and waits for them; looks at what they take."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(module, *arguments, processes=1, folder=None, rows=None):
    """Starts the processes of a job."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu"}
    if folder is not None:
        env["FOLDER"] = str(folder)
    if rows is not None:
        env["ROWS"] = str(rows)
    started = []
    for number in range(processes):
        of_job = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
        }
        command = [sys.executable, "-m", f"tests.distribution.{module}", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        own = {**env, **(of_job if processes > 1 else {})}
        started.append(subprocess.Popen(command, cwd=ROOT, env=own, **pipes))
    return started


def end(job, fails=False):
    """Waits for a job; returns what its processes wrote."""
    outputs = [process.communicate(timeout=3600) for process in job]
    if not fails:
        assert all(p.returncode == 0 for p in job), outputs[0][1][-3000:] + outputs[-1][1][-3000:]
    return outputs


def resident(name):
    """Returns the bytes that this process holds, by a line of its status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def peak_from_now():
    """Makes the peak, `resident("VmHWM")`, count from now on."""
    Path("/proc/self/clear_refs").write_text("5")
