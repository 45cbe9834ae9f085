"""The same script on one device, on eight simulated ones, and in several processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.distribution import faults

# Two workers: one for the table of losses, one for all else, much of which is waiting.
pytestmark = pytest.mark.xdist_group("jobs")

ROOT = Path(__file__).parents[2]
# How far a loss may be from that of one device. Half precision adds in other orders.
TOLERANCE = {"half": 1e-3, "classifier": 1e-5, "transformer": 1e-5, "averages": 1e-5, "files": 1e-5}
SCENARIOS = ("arrays", "classifier", "from_host", "stream", "one_step_a_chunk", "lstm")
SCENARIOS += ("transformer", "averages", "half", "files")
EVERY = (*SCENARIOS, "dropout")
SINGLE = ("dp", "fsdp", "tp", "fsdp_tp")
# What is trained in 2 and in 4 processes, if not every cell of the table is asked for.
OF_JOBS = {2: ("arrays", "classifier", "from_host", "stream", "lstm", "files"), 4: ("arrays",)}


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


def cells(every):
    """Returns the table's cells: processes, distribution, scenario, rows (None: as few as do)."""
    if every:
        names = {1: SINGLE, 2: ("dp", "fsdp"), 4: ("dp", "fsdp")}
        return [(n, d, s, r) for r in (900, 1003) for n in names for d in names[n] for s in EVERY]
    alone = [(1, name, scenario, None) for name in SINGLE for scenario in SCENARIOS]
    jobs = [(n, d, s, None) for n in OF_JOBS for d in ("dp", "fsdp") for s in OF_JOBS[n]]
    return alone + jobs


def pytest_generate_tests(metafunc):
    if "cell" in metafunc.fixturenames:
        found = cells(metafunc.config.getoption("every_cell", False))
        names = ["-".join(str(part) for part in c if part is not None) for c in found]
        metafunc.parametrize("cell", found, ids=names)


@pytest.fixture(scope="module")
def losses(tmp_path_factory, request):
    """What each scenario gave: by processes, distribution, scenario and rows."""
    found = {}
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [call.params["cell"] for call in calls if call is not None and "cell" in call.params]

    def read(path, processes, rows):
        for name, value in json.loads(path.read_text()).items():
            found[processes, *name.split(), rows] = value

    for rows in dict.fromkeys(cell[3] for cell in wanted):
        folder, of_rows = tmp_path_factory.mktemp("losses"), [c for c in wanted if c[3] == rows]

        def job(n, names, scenarios, path, folder=folder, rows=rows):
            files = folder / f"files{n}"
            files.mkdir(exist_ok=True)
            options = {"processes": n, "folder": files if n > 1 else None, "rows": rows}
            return start("scenarios", ",".join(names), path, *scenarios, **options)

        names = ("one", *dict.fromkeys(d for n, d, _, _ in of_rows if n == 1))
        scenarios = tuple(dict.fromkeys(s for _, _, s, _ in of_rows))
        halves = [part for part in (names[::2], names[1::2]) if part]  # beside each other
        paths = [folder / f"{','.join(part)}.json" for part in halves]
        jobs = [job(1, *given, scenarios, p) for *given, p in zip(halves, paths, strict=True)]
        for started, path in zip(jobs, paths, strict=True):
            end(started)
            read(path, 1, rows)
        for n in OF_JOBS:
            names = tuple(dict.fromkeys(d for m, d, _, _ in of_rows if m == n))
            scenarios = tuple(dict.fromkeys(s for m, _, s, _ in of_rows if m == n))
            if names:
                path = folder / f"{n}.json"
                end(job(n, names, scenarios, path))
                read(path, n, rows)
                left = [f.name for f in (folder / f"files{n}").iterdir()]
                assert not [name for name in left if name.startswith(".")]
    return found


@pytest.mark.xdist_group("table")
def test_same_losses_as_on_one_device(losses, cell):
    scenario = cell[2]
    here, one = losses[cell], losses[1, "one", *cell[2:]]
    assert isinstance(one, dict) and isinstance(here, dict), here
    tolerance = TOLERANCE.get(scenario, 1e-6)
    for name in one:
        np.testing.assert_allclose(here[name], one[name], rtol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs") / "found.json"
    end(start("programs", path))
    return json.loads(path.read_text())


def test_one_sum_over_the_devices_a_step(programs):
    # One program for all epochs, and in its loop one all-reduce of all gradients and totals.
    assert programs["sent"] == [["all-reduce"]]


def test_each_device_holds_its_part_of_the_state(programs):
    assert len(programs["held"]) == 8 and max(programs["held"]) < 1 / 7


def test_weights_are_drawn_in_parts(programs):
    assert programs["memory"] < 0.5
    assert programs["differ"] == []


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    out = tmp_path_factory.mktemp("faults") / "seen"
    job = start("faults", out, processes=2)
    outputs = end(job, fails=True)
    found = [json.loads(Path(f"{out}.{number}").read_text()) for number in (0, 1)]
    return found, outputs, [process.returncode for process in job]


def test_one_seed_in_all_processes(seen):
    (first, second), _, _ = seen
    assert first["drawn"] == second["drawn"]


@pytest.mark.parametrize("case", ["late", "slow"])
def test_processes_of_different_speed_stay_in_step(seen, case):
    (first, second), _, _ = seen
    assert first[case]["losses"] == second[case]["losses"]
    assert len(first[case]["losses"]) == 3


def test_all_stop_when_one_stops(seen):
    for process in seen[0]:
        assert len(process["stop"]["losses"]) == 2


def test_all_hear_of_an_interrupt(seen):
    for process in seen[0]:
        assert process["interrupt"]["error"].startswith("KeyboardInterrupt")


@pytest.mark.parametrize("case", ["fail at a begin", "fail at an end"])
def test_all_end_when_one_fails(seen, case):
    (first, second), _, _ = seen
    assert second[case]["error"] == "ValueError: no luck"
    assert "Process 1 of 2 has ended with an error" in first[case]["error"]
    assert "ValueError: no luck" in first[case]["error"]
    assert max(first[case]["seconds"], second[case]["seconds"]) < 60


@pytest.mark.parametrize("case", ["other data", "other seed", "other streams"])
def test_processes_that_do_not_do_the_same(seen, case):
    for process in seen[0]:
        assert "do not do the same" in process[case]["error"]


def test_all_end_when_one_dies(seen):
    (first, second), outputs, codes = seen
    assert list(second)[-1] == "other streams"  # it died in the case after that
    assert all(codes)
    said = outputs[0][1] + first.get("die", {}).get("error", "")
    assert "has ended" in said or "tasks have crashed" in said


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    job = start("resuming", tmp_path_factory.mktemp("unbroken"), "one", 1)
    return json.loads(end(job)[0][0])


@pytest.mark.parametrize(
    ("before", "after", "batch"),
    [(("fsdp", 8, 1), ("tp", 4, 1), 7), (("fsdp", 2, 2), ("one", 1, 1), 11)],
    ids=["another mesh", "another number of processes"],
)
def test_going_on_elsewhere_after_a_kill(unbroken, tmp_path, before, after, batch):
    killed = start("resuming", tmp_path, *before[:2], batch, processes=before[2])
    outputs = end(killed, fails=True)
    assert all(process.returncode for process in killed), outputs
    gone_on = start("resuming", tmp_path, *after[:2], processes=after[2])
    np.testing.assert_allclose(json.loads(end(gone_on)[0][0]), unbroken, rtol=1e-5)


def test_every_case_of_faults_is_looked_at():
    assert set(faults.CASES) == {
        *("late", "slow", "stop", "interrupt", "fail at a begin", "fail at an end"),
        *("other data", "other seed", "other streams", "die"),
    }
