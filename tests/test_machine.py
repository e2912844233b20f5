"""What is read of the machine, from the files in which Linux describes one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmtoolkit import machine


@pytest.fixture
def eight_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores; the file with the container's limit is not there yet."""
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(machine, "OLDER_QUOTA", (tmp_path / "quota", tmp_path / "period"))
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("limit", "share"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("3200000 100000\n", 8),
        ("", 8),
    ],
)
def test_a_container_gets_the_share_that_it_is_held_to(limit: str, share: int, eight_cores: Path) -> None:
    eight_cores.write_text(limit)
    assert machine.share() == share


@pytest.mark.parametrize(("quota", "share"), [("-1\n", 8), ("250000\n", 3)])
def test_the_older_files_are_read_too(quota: str, share: int, eight_cores: Path) -> None:
    eight_cores.with_name("quota").write_text(quota)
    eight_cores.with_name("period").write_text("100000\n")
    assert machine.share() == share


def test_without_a_limit_all_cores_are_shared(eight_cores: Path) -> None:
    assert machine.share() == 8
    assert machine.suited({}) == {}


def test_threads_suit_the_share_but_never_override_what_is_set(eight_cores: Path) -> None:
    eight_cores.write_text("200000 100000\n")
    assert machine.suited({}) == {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}
    assert machine.suited({"TF_NUM_INTRAOP_THREADS": "6"}) == {"TF_NUM_INTEROP_THREADS": "2"}


def test_the_processor_is_read_from_its_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = tmp_path / "cpuinfo"
    described.write_text("processor\t: 0\nmodel name\t: Some CPU 3 GHz\nflags\t\t: fpu avx2 amx_bf16\n")
    monkeypatch.setattr(machine, "CPU_INFO", described)
    assert machine.processor() == "Some CPU 3 GHz"
    assert {"avx2", "amx_bf16"} <= machine.instructions()
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert machine.instructions() == set()
    assert machine.processor()


def test_this_process_may_run_somewhere() -> None:
    assert 1 <= machine.share() <= machine.cores() <= (os.cpu_count() or 1)
