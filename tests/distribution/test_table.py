"""The same losses as on one device: on eight simulated ones, and in several processes."""

import json

import numpy as np
import pytest

from tests.distribution.jobs import end, start

# How far a loss may be from that of one device. Half precision adds in other orders.
TOLERANCE = {"half": 1e-3, "classifier": 1e-5, "averages": 1e-5, "files": 1e-5}
SCENARIOS = ("arrays", "classifier", "from_host", "stream", "one_step_a_chunk", "lstm")
SCENARIOS += ("transformer", "averages", "half", "files")
EVERY = (*SCENARIOS, "dropout", "resume")
SINGLE = ("dp", "fsdp", "tp", "fsdp_tp")
# What is trained in 2 and in 4 processes, if not every cell of the table is asked for.
OF_JOBS = {2: ("arrays", "classifier", "from_host", "stream", "lstm", "files"), 4: ("arrays",)}


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


def test_same_losses_as_on_one_device(losses, cell, record_property):
    scenario = cell[2]
    here, one = losses[cell], losses[1, "one", *cell[2:]]
    assert isinstance(one, dict) and isinstance(here, dict), here
    tolerance = TOLERANCE.get(scenario, 1e-6)
    far = [np.max(np.abs(np.divide(here[name], one[name]) - 1)) for name in one]
    record_property("farthest", (*cell[:3], float(max(far))))
    for name in one:
        np.testing.assert_allclose(here[name], one[name], rtol=tolerance, err_msg=name)
