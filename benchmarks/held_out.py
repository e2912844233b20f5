"""Writes a data set of questions as tables that hold a share of its pictures out, for one look at the end.

    python benchmarks/held_out.py --data daquar --out runs/held_out [--share 0.333] [--seed 1]

`choose.jsonl` has the other pictures alone, with the splits train and valid: recipes are chosen on it. `final.jsonl`
has the same and, as its test split, the held-out pictures.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run


def main(*, data: Path, out: Path, share: float = 1 / 3, valid_share: float = 0.2, seed: int = 1) -> int:
    """Writes both tables and prints how many pictures and questions each split has.

    Args:
        data: The data set; its training split is used.
        out: Folder of the tables.
        share: Share of the pictures that are held out.
        valid_share: Share of the others for validation.
        seed: Seed of the cut.
    """
    loaded = mm.question_answering.load(data)[0]
    records = [record for record in loaded if record.answers and record.split in (None, "train")]
    pictures = sorted({record.image for record in records})
    random.Random(seed).shuffle(pictures)
    held = round(share * len(pictures))
    valid = held + round(valid_share * (len(pictures) - held))
    names = {image: "test" if at < held else "valid" if at < valid else "train" for at, image in enumerate(pictures)}
    out.mkdir(parents=True, exist_ok=True)
    write(out / "choose.jsonl", [record for record in records if names[record.image] != "test"], names)
    write(out / "final.jsonl", records, names)
    for split in ("train", "valid", "test"):
        chosen = [record for record in records if names[record.image] == split]
        print(f"{split}\t{len({record.image for record in chosen})} pictures\t{len(chosen)} questions")
    return 0


def write(path: Path, records: Sequence[Any], names: dict[Path, str]) -> None:
    """Writes a table of questions."""
    lines = [
        {
            "image": str(record.image.resolve()),
            "question": record.question,
            "answer": record.answers[0],
            "split": names[record.image],
        }
        for record in records
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    run(main)
