"""The benchmark for accelerators runs, here on a CPU; its other sections take minutes."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_benchmark_runs(tmp_path):
    path = tmp_path / "found.jsonl"
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--tiny", "--file", str(path)]
    command += ["--only", "facts,loops,ensemble"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [f["section"] for f in found] == ["facts", "loops", "ensemble"], done.stdout
    assert {f["outcome"] for f in found} == {"done"}, done.stdout
    assert "compiled here" in found[2]["text"]
