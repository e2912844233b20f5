"""Makes the Markdown model card of a preset, and shares both on the Hugging Face Hub."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_json
from mmtoolkit.hub import parsed, upload
from mmtoolkit.presets import CARD, CONFIG, file_names, presets_in, read_json, read_preset, seal
from mmtoolkit.tasks import TASKS

SPDX = re.compile(r"[a-z0-9][a-z0-9.+-]*")
SECTIONS = {  # what a person writes of a model: by entry of the card, its title and what belongs there
    "data": ("Data", "Say what the model was trained on, and whose it is."),
    "limits": ("Limits", "Say what it cannot do, and where its mistakes would matter."),
    "biases": ("Biases", "Say whom and what the data shows often, rarely and wrongly, and count it where you can."),
}


def push_preset(
    preset: str | Path,
    address: str,
    *,
    licence: str | None = None,
    private: bool = False,
) -> str:
    """Uploads a preset with a model card made from its `card.json`.

    Args:
        preset: Name of a shipped preset, or the path of one.
        address: `hf://user/name`; a repository that is not there is created.
        licence: Licence of the model, in place of the card's own.
        private: Whether a new repository is private.

    Returns:
        The URL of the repository.

    Raises:
        InputError: The preset is damaged or has no licence, or the hub refuses it.
    """
    repository, _ = parsed(address)
    folder = read_preset(preset).folder
    with tempfile.TemporaryDirectory() as place:
        staged = Path(place) / "preset"
        for inner in presets_in(folder):
            for name in (CARD, *file_names(inner)):
                target = staged / inner.relative_to(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(inner / name, target)
        card = read_json(staged, CARD)
        card["licence"] = licence or card.get("licence")
        if not card["licence"]:
            raise InputError(
                "A model that is shared has a licence. Received: a preset without one; give it with --licence, e.g. "
                "--licence apache-2.0, and look at what its data allows."
            )
        write_json(staged / CARD, card)
        for inner in presets_in(staged):
            seal(inner)  # a card of before lists no files
        readme = model_card(staged, name=repository)
        (staged / "README.md").write_text(readme, encoding="utf-8")
        return upload(staged, address, private=private)


def model_card(folder: Path, *, name: str, licence: str | None = None) -> str:
    """Makes the Markdown model card of a preset, with the metadata that the hub reads.

    Example:
        >>> from mmtoolkit.presets import find_preset
        >>> print(model_card(find_preset("shapes_vqa"), name="ann/shapes")[:27])
        ---
        library_name: mmtoolkit

    Args:
        folder: The preset.
        name: Name of the model.
        licence: Licence of the model, in place of the card's own.
    """
    card, wanted = read_json(folder, CARD), read_json(folder, CONFIG).get("class")
    tag = next((task.hub_tag for task in TASKS if task.model_class == wanted), "other")
    kind = "test" if card.get("test_scores") else "valid"
    scores = numbers(card.get(f"{kind}_scores"))
    data = str(card.get("data") or "not named")
    licence = str(licence or card.get("licence") or "")
    metrics = [{"name": metric, "type": metric.lower(), "value": round(value, 3)} for metric, value in scores.items()]
    result = {
        "task": {"type": tag},
        "dataset": {"name": data[:100], "type": "other", "split": kind},
        "metrics": metrics,
    }
    metadata: dict[str, Any] = {"library_name": "mmtoolkit", "pipeline_tag": tag, "tags": ["keras", "mmtoolkit"]}
    metadata |= (
        {"license": licence.lower()}
        if SPDX.fullmatch(licence.lower())
        else {"license": "other", "license_name": "see-below"}
    )
    metadata |= {"model-index": [{"name": name, "results": [result]}]} if metrics else {}
    lines = ["---", yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).strip(), "---", "", f"# {name}", ""]
    lines += ["```python", "import mmtoolkit as mm", "", f'model = mm.load("hf://{name}")', "```"]
    for entry, (title, advice) in SECTIONS.items():
        lines += ["", f"## {title}", plain(card.get(entry)) or f"*Not written yet. {advice}*"]
    if scores:
        given = card.get(f"{kind}_intervals")
        intervals = given if isinstance(given, Mapping) else {}
        lines += ["", "## Scores", f"On the {kind} split, with 95 % intervals where they were computed.", ""]
        lines += ["| score | value | interval |", "|---|---|---|"]
        lines += [f"| {metric} | {value:.4g} | {ends(intervals.get(metric))} |" for metric, value in scores.items()]
    lines += ["", "## Licence", plain(licence) or "*Not written yet.*", "", "## Training"]
    command = " ".join(str(card.get("command") or "unknown command").replace("`", "'").split())
    lines += [f"`{command}`, seed {plain(card.get('seed')) or 'unknown'}."]
    return "\n".join([*lines, ""])


def numbers(scores: Any) -> dict[str, float]:
    """Returns the entries of a card's scores that are numbers."""
    given = scores.items() if isinstance(scores, Mapping) else ()
    return {plain(name): float(value) for name, value in given if type(value) in (int, float) and abs(value) < 1e9}


def ends(interval: Any) -> str:
    """Formats the two ends of an interval; a dash where there is none."""
    known = (
        isinstance(interval, (list, tuple))
        and len(interval) == 2
        and all(type(x) in (int, float) and abs(x) < 1e9 for x in interval)
    )
    return f"{interval[0]:.4g} to {interval[1]:.4g}" if known else "–"


def plain(value: Any) -> str:
    """Returns an entry of a card as one line of Markdown that is read as text."""
    text = " ".join(str("" if value is None else value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
