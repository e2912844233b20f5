"""Samples of a few fixed pictures: in files, on a line, for TensorBoard; and warnings where all is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.monitoring import Events, Samples
from mmtoolkit.pictures import attention_picture
from mmtoolkit.tasks import captioning

REGIONS = 4


def even(words: int) -> np.ndarray:
    return np.full((words, REGIONS), 1 / REGIONS, np.float32)


def moving(words: int) -> np.ndarray:
    return np.eye(REGIONS, dtype=np.float32)[np.arange(words) % REGIONS]


class Setting:
    """Twelve pictures, a stand-in for a model that looks as told, and what was told on the way."""

    def __init__(self, folder: Path, attention: Callable[[int], np.ndarray] = moving, word: str = "dog") -> None:
        self.records, self.folder, self.lines = [], folder, list[str]()
        for number in range(12):
            Image.new("RGB", (32, 32), (20 * number, 0, 99)).save(folder / f"{number}.png")
            captions = (f"{word} {number}", f"the {word}")
            self.records.append(mm.CaptionRecord(folder / f"{number}.png", f"{number}.png", captions))
        codec = mm.TextCodec.fit(mm.texts(self.records))
        self.model: Any = SimpleNamespace(
            codec=codec, image_size=32, grid=(2, 2), has_attention=True, attention_weights=self.attention_weights
        )
        self.attention, self.asked = attention, list[tuple[Any, list[str]]]()
        self.source = mm.Pictures(32)
        self.events = Events(folder / "logs")
        self.samples = Samples(
            captioning, self.records, self.source, folder / "samples", events=self.events, tell=self.lines.append
        )

    def attention_weights(self, inputs: dict[str, np.ndarray], captions: list[str]) -> list[np.ndarray]:
        self.asked.append((inputs["images"], captions))
        return [self.attention(len(caption.split())) for caption in captions]

    def epochs(self, count: int, caption: Callable[[int], str]) -> list[str]:
        """Ends some epochs; the warnings."""
        for epoch in range(1, count + 1):
            self.samples(self.model, epoch, {record.image_id: caption(n) for n, record in enumerate(self.records)})
        self.events.flush()
        return [line for line in self.lines if line.startswith("warning: ")]


def test_an_epoch_leaves_a_text_a_picture_and_a_line(events_in: Callable, tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    assert setting.epochs(1, lambda number: f"the dog {number}") == []
    shown = [0, 3, 6, 9]  # spread evenly over the twelve
    text = "\n".join(f"{n}.png\n  caption:   the dog {n}\n  reference: dog {n}\n  reference: the dog\n" for n in shown)
    assert (tmp_path / "samples" / "epoch-01.txt").read_text(encoding="utf-8") == text
    assert setting.lines == [
        f"epoch 1: 0.png 'the dog 0' (reference: 'dog 0'); more in {tmp_path / 'samples' / 'epoch-01.txt'}"
    ]
    ((images, captions),) = setting.asked
    assert captions == [f"the dog {n}" for n in shown]
    assert np.array_equal(images, setting.source.read([setting.records[n].image for n in shown]))

    expected = np.asarray(
        attention_picture(Image.open(tmp_path / "0.png"), ["the", "dog", "0"], moving(3).reshape(3, 2, 2))
    )
    assert np.array_equal(np.asarray(Image.open(tmp_path / "samples" / "epoch-01.png")), expected)
    written, sheet = events_in(tmp_path / "logs")
    assert written[:3] == ("text", "samples/captions", 1)
    assert sheet[:3] == ("images", "samples/attention", 1)


def test_the_pictures_are_the_same_in_every_epoch(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.epochs(3, lambda number: f"the dog {number}")
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        f"epoch-0{epoch}.{kind}" for epoch in (1, 2, 3) for kind in ("png", "txt")
    ]
    assert all(np.array_equal(setting.asked[0][0], images) for images, _ in setting.asked)


def test_always_the_same_caption_is_told_once_and_not_in_the_first_epochs(tmp_path: Path) -> None:
    assert Setting(tmp_path).epochs(2, lambda number: "the dog 3") == []
    (warning,) = Setting(tmp_path).epochs(5, lambda number: "the dog 3")
    assert warning.startswith("warning: 1 caption for 12 pictures, most often 'the dog 3': ")


@pytest.mark.parametrize(
    ("attention", "told"),
    [(even, "spread evenly over all regions"), (lambda words: moving(1).repeat(words, axis=0), "does not move")],
)
def test_attention_that_does_nothing_is_told_once(
    attention: Callable[[int], np.ndarray], told: str, tmp_path: Path
) -> None:
    assert Setting(tmp_path, attention).epochs(2, lambda number: f"the dog {number}") == []
    (warning,) = Setting(tmp_path, attention).epochs(5, lambda number: f"the dog {number}")
    assert told in warning


def test_a_letter_that_no_font_has_ends_no_training(tmp_path: Path) -> None:
    """Cuneiform here, Hangul where no font for it is installed: one line, and the text all the same."""
    setting = Setting(tmp_path, word="\U00012000")
    (warning,) = setting.epochs(3, lambda number: f"the \U00012000 {number}")
    assert warning.startswith("warning: no font of this machine") and "\U00012000 is drawn as boxes" in warning
    assert len(list((tmp_path / "samples").glob("epoch-0*.png"))) == 3


def test_empty_captions_and_few_pictures_are_shown_too(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.samples = Samples(
        captioning,
        setting.records[:1],
        setting.source,
        tmp_path / "one",
        events=setting.events,
        tell=setting.lines.append,
    )
    assert setting.epochs(4, lambda number: "") == []
    assert (tmp_path / "one" / "epoch-04.png").is_file()
    assert (tmp_path / "one" / "epoch-04.txt").read_text().startswith("0.png\n  caption:   \n  reference: dog 0\n")
