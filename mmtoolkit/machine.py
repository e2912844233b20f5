"""Describes the CPU of this machine, and the TensorFlow settings that suit it."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
QUOTA = Path("/sys/fs/cgroup/cpu.max")
OLDER_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")  # cgroup v1
TELLING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # instructions that matter here
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def read(path: Path) -> str:
    """Returns a file's text; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def instructions() -> set[str]:
    """Returns the processor's instruction sets, as Linux names them; empty elsewhere."""
    return set(read(CPU_INFO).split())


def processor() -> str:
    """Returns the processor's name."""
    named = [line.partition(":")[2].strip() for line in read(CPU_INFO).splitlines() if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def cores() -> int:
    """Returns the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share() -> int:
    """Returns the number of cores whose time this process gets: fewer than `cores` in a container with a quota."""
    limit, _, period = (read(QUOTA).strip() or " ".join(read(path).strip() for path in OLDER_QUOTA)).partition(" ")
    if not limit.isdigit() or not period.isdigit():
        return cores()
    return max(1, min(cores(), math.ceil(int(limit) / int(period))))


def suited(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the TensorFlow settings that suit this machine and are not set in the environment.

    In a container with the time of two cores of a large machine, TensorFlow starts a thread for each core of the
    machine, and they wait for each other.

    Example:
        >>> suited({"TF_NUM_INTRAOP_THREADS": "4", "TF_NUM_INTEROP_THREADS": "1"})
        {}
    """
    wanted = dict.fromkeys(THREADS, str(share())) if share() < cores() else {}
    return {name: value for name, value in wanted.items() if name not in environment}
