"""What is sent and held; and what happens when processes stop, fail, die, or go on elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.distribution import faults
from tests.distribution.jobs import end, start


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


def test_one_device_costs_nothing(tmp_path):
    path = tmp_path / "found.json"
    end(start("one_device", path))
    found = json.loads(path.read_text())
    assert len(found) == 4
    assert list(found.values()) == [{"bits": True, "operations": True, "programs": 1}] * 4


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
