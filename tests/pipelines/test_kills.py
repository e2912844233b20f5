"""Jobs killed at random moments lose nothing: a few kills of each; `benchmarks/kill.py` makes as many as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it forks")
def test_killed_jobs_lose_nothing() -> None:
    jobs = ["label", "features", "predict"]
    command = [sys.executable, str(SCRIPT), "--kills", "1", "--seed", "0", "--jobs", *jobs]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [[job, "1"] for job in jobs]
