"""`mmtoolkit shapes`: what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def test_the_command_prints_the_walk(job: Callable[..., Any]) -> None:
    done = job("shapes", "--time", 7)
    assert done.code == 0, done.err
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert lines["h"].endswith("N x T x H  5 x 7 x 6") and lines["L"].endswith("one        1")
    found = json.loads(job("shapes", "--json").out)["quantities"]
    assert [each["symbol"] for each in found] == list(lines) and found[0]["shape"] == [5, 4]
    assert job("shapes", "--units", 0).code == 2
