"""The line that says how scores were computed."""

from __future__ import annotations

from mmtoolkit import __version__
from mmtoolkit.metrics import Bootstrap, signature


def parts(line: str) -> dict[str, str]:
    return dict(part.split(":") for part in line.split("|"))


def test_every_setting_is_named() -> None:
    line = signature(
        [["a"], ["a", "b", "c"]], tokenize="none", bootstrap=Bootstrap(resamples=50, level=0.995, seed=3), meteor=True
    )
    assert parts(line) == {
        "BLEU": "coco",
        "ROUGE-L": "coco",
        "CIDEr": "coco-D",
        "df": "references",
        "METEOR": "1.5-en-norm",
        "tokenizer": "none",
        "images": "2",
        "references": "1-3",
        "bootstrap": "50",
        "level": "99.5",
        "seed": "3",
        "mmtoolkit": __version__,
    }


def test_what_was_not_done_is_left_out() -> None:
    found = parts(signature([["a", "b"]] * 9))
    assert not {"METEOR", "bootstrap", "level", "seed"} & set(found)
    assert (found["tokenizer"], found["images"], found["references"]) == ("ptb", "9", "2")
