"""`mmtoolkit info`: what there is, and whose settings are in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from mmtoolkit import machine
from mmtoolkit.pipelines.info import in_bytes
from mmtoolkit.vision import FeatureStore
from mmtoolkit.vision.feature_store import ExtractorKey
from mmtoolkit.vision.weights import NO_TOP, PUBLISHED, choose_precision

Job = Callable[..., Any]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path))
    return tmp_path


def report(job: Job) -> dict[str, Any]:
    done = job("info", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_versions_and_machine_are_those_of_this_process(job: Job, cache: Path) -> None:
    found = report(job)
    assert found["versions"]["keras"] == keras.__version__
    assert found["machine"]["cores"] == machine.cores()
    assert found["machine"]["precision"] == choose_precision("auto")
    assert found["extras"]["heic"] == "installed"


def test_an_empty_cache_says_how_to_get_the_weights(job: Job, cache: Path) -> None:
    found = report(job)
    assert found["cache"] == {"folder": str(cache), "in all": {"bytes": 0}}
    assert NO_TOP in found["encoder_weights"]["block5_conv4"] and "--encoder-weights" in found["encoder_weights"]["fc2"]


def test_what_the_cache_holds_is_counted(job: Job, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / NO_TOP).write_bytes(b"x" * 2048)
    for layer in ("block4_pool", "block5_conv4", "block5_pool"):
        monkeypatch.setitem(PUBLISHED, layer, (NO_TOP, hashlib.md5(b"x" * 2048).hexdigest()))
    given = cache / "weights" / f"{hashlib.sha256(b'y' * 1024).hexdigest()}.h5"
    given.parent.mkdir()
    given.write_bytes(b"y" * 1024)
    store = FeatureStore(cache / "features", ExtractorKey("random", "float32")).folder
    store.mkdir(parents=True)
    (store / "a.json").write_text('[["1", 1], ["2", 2]]')
    (store / "b.json").write_text('[["3", 3]]')
    found = report(job)
    assert found["cache"][NO_TOP] == {"bytes": 2048} and found["cache"][f"weights/{given.name}"] == {"bytes": 1024}
    assert found["cache"][f"features/{store.name}"]["pictures"] == 3
    (line,) = [line for line in job("info").out.splitlines() if store.name in line]
    assert line.split()[1:3] == ["3", "pictures,"]
    assert found["encoder_weights"]["block5_conv4"] == str(cache / NO_TOP)
    assert found["encoder_weights"]["others"] == str(given)
    for damage in ("[[", "5"):
        (store / "b.json").write_text(damage)
        assert report(job)["cache"][f"features/{store.name}"]["pictures"] is None
    assert "damaged" in job("info").out


def test_it_says_whose_settings_are_in_force(job: Job, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = cache / "cpu.max"
    limit.write_text("100000 100000\n")
    monkeypatch.setattr(machine, "QUOTA", limit)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "3")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "9")  # so that what the job sets is taken back
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # of the tests
    settings = report(job)["settings"]
    assert settings["TF_NUM_INTRAOP_THREADS"] == {"value": "1", "by": "mmtoolkit"}
    assert settings["TF_NUM_INTEROP_THREADS"] == {"value": "3", "by": "user"}
    assert settings["TF_ENABLE_ONEDNN_OPTS"] == {"value": "0", "by": "user", "note": "slower: unset it"}
    assert settings["XLA_FLAGS"]["by"] == "default"
    lines = [line.split(maxsplit=1) for line in job("info").out.splitlines() if line.startswith("  ")]
    assert ["TF_ENABLE_ONEDNN_OPTS", "0 (yours); slower: unset it"] in lines


def test_the_table_has_a_line_for_each_of_them(job: Job, cache: Path) -> None:
    done = job("info")
    assert done.code == 0 and done.err == ""
    titles = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["versions:", "machine:", "settings:", "cache:", "encoder weights:", "extras:"]
    assert f"  keras            {keras.__version__}\n" in done.out


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (5 * 2**20, "5 MiB"), (1.5 * 2**30, "1.5 GiB")]
)
def test_sizes_are_for_people(size: float, shown: str) -> None:
    assert in_bytes(size) == shown
