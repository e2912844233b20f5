"""Preset directories: what ships loads and answers, what is missing or damaged is named, writing is all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit import models
from mmtoolkit.files import write_json
from mmtoolkit.presets import find_preset, read_preset, shipped, write_preset
from mmtoolkit.scenes import write_scenes

CODEC = mm.TextCodec.fit(["a red circle", "빨간 원"])
# Bytes that a preset of the package may take
LARGEST = {"shapes_demo": 2_000_000, "shapes_vqa": 4_000_000, "flickr8k_lstm": 12_000_000, "flickr8k_lite": 16_000_000}
WEIGHTS = "pretrained/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


def written(folder: Path, **config: Any) -> Path:
    """A preset without a model behind it."""
    settings = {"format": 1, "class": "Captioner", "model": {}, **config}
    save = {"codecs": {"words": CODEC}, "card": {"seed": 7}}
    write_preset(folder, config=settings, save_weights=lambda path: Path(path).write_bytes(b"weights"), **save)
    return folder


# --- what ships ---


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_preset_loads_and_answers(name: str, tmp_path: Path) -> None:
    """By its name, from the files alone, on pictures it has never seen; its card says where it comes from."""
    folder = find_preset(name)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LARGEST[name]
    model = getattr(models, read_preset(name).config["class"]).from_preset(name)
    assert {"data", "licence", "command", "seed", "options", "valid_scores", "limits"} <= set(model.card)
    assert (folder / "seen_pictures.h5").stat().st_size < 64_000 and model.image_distribution.threshold > 1
    if model.extractor:  # the test below shows it photos
        regions = np.random.default_rng(0).normal(size=(2, *model.extractor.shape)).astype(np.float16)
        assert all(best[0].text for best in model.decode({"regions": regions}))
        return
    scenes = write_scenes(tmp_path / "scenes", count=10, seed=987_654, size=model.image_size)
    if isinstance(model, mm.VisualQA):
        asked = mm.read_questions(scenes)
        answers = model.answer([each.image for each in asked], [each.question for each in asked])
        right = [answer.text in each.answers for answer, each in zip(answers, asked, strict=True)]
        assert np.mean(right) > 0.97  # its card says 99.9 %
    else:
        captions = model.generate(sorted((scenes / "images").iterdir()))
        assert all(captions) and len(set(captions)) > 1
        assert {word for caption in captions for word in caption.split()} <= set(model.codec.vocabulary.tokens)
    noise = np.random.default_rng(0).integers(0, 256, (5, *model.image_source().shape), np.uint8)
    flagged = model.image_distribution.out_of_distribution(model.vectors(sorted((scenes / "images").iterdir())))
    assert flagged.mean() <= 0.1  # one in a hundred is to be expected
    assert model.image_distribution.out_of_distribution(model.vector({"images": noise})).all()


def scores_of(captioner: mm.Captioner, records: list[mm.CaptionRecord]) -> dict[str, float]:
    """Captions the pictures of some records, and scores the captions."""
    captions = captioner.generate([record.image for record in records])
    return mm.score_captions(
        {record.image_id: caption for record, caption in zip(records, captions, strict=True)},
        {record.image_id: record.captions for record in records},
    )


HUNDRED = {"BLEU-1": 61.9, "CIDEr": 0.580}  # measured with the weights that ship


@pytest.mark.slow
def test_the_captioner_of_photos_scores_as_measured(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every tenth photo of the development split, of which the card has the scores on all."""
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    captioner = mm.Captioner.from_preset("flickr8k_lstm")
    own = captioner.extractor
    captioner.extractor = mm.extractor_key(str(shared / WEIGHTS), precision=own.precision)
    assert captioner.extractor == own
    records = mm.read_captions(shared / "data" / "flickr8k", splits=("valid",))[::10]
    scores = scores_of(captioner, records)
    assert scores["BLEU-1"] == pytest.approx(HUNDRED["BLEU-1"], abs=1.5)  # float32 and bfloat16 differ in some words
    assert scores["CIDEr"] == pytest.approx(HUNDRED["CIDEr"], abs=0.05)


@pytest.mark.slow
def test_the_light_captioner_of_photos_scores_as_its_card_says(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the 200 photos of the development split that it was not trained on, through the weights of the package."""
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    captioner = mm.Captioner.from_preset("flickr8k_lite")
    folder = shared / "data" / "flickr8k"
    names = set((folder / "Flickr_8k.devImages.txt").read_text(encoding="utf-8").split()[-200:])
    records = [record for record in mm.read_captions(folder, splits=("valid",)) if record.image_id in names]
    assert len(records) == 200
    scores = scores_of(captioner, records)
    known = captioner.card["valid_scores"]
    assert scores["BLEU-1"] == pytest.approx(known["BLEU-1"], abs=1.5)  # float32 and bfloat16 differ in some words
    assert scores["CIDEr"] == pytest.approx(known["CIDEr"], abs=0.05)


# --- finding ---


def test_a_path_and_a_name_find_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = written(tmp_path / "here" / "mine")
    named = written(tmp_path / "packaged" / "shapes")
    (tmp_path / "packaged" / "__pycache__").mkdir()
    (tmp_path / "packaged" / "README.md").write_text("Presets")
    monkeypatch.setattr("mmtoolkit.presets.resources.files", lambda package: tmp_path / "packaged")
    assert shipped() == {"shapes": named}
    assert find_preset(mine) == find_preset(str(mine)) == mine
    assert find_preset("shapes") == named
    with pytest.raises(mm.InputError, match=r"\(shapes\). Received: 'nothing'"):
        find_preset("nothing")


def test_a_file_is_no_preset(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(mm.InputError, match=r"preset directory.*model\.keras"):
        find_preset(tmp_path / "model.keras")


# --- reading ---


def test_what_was_written_is_read(tmp_path: Path) -> None:
    preset = read_preset(written(tmp_path / "preset", model={"units": 3, "름": "이"}))
    assert preset.config["model"] == {"units": 3, "름": "이"}
    assert preset.config["codecs"] == ["words"]
    assert preset.card == {"seed": 7}
    assert preset.codecs["words"].vocabulary == CODEC.vocabulary
    assert preset.weights.read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["config.json", "card.json", "model.weights.h5", "codecs/words/vocabulary.txt"])
def test_a_missing_file_is_named_with_its_preset(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "preset")
    (folder / name).unlink()
    with pytest.raises(mm.InputError) as caught:
        read_preset(folder)
    assert str(caught.value) == f"The preset {folder} lacks its file {name}; copy the whole directory again."


@pytest.mark.parametrize(
    ("content", "said"), [(b"{]", "not the JSON"), (b"\xff\xfe", "not the JSON"), (b"[]", "one JSON object")]
)
@pytest.mark.parametrize("name", ["config.json", "card.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    folder = written(tmp_path / "preset")
    (folder / name).write_bytes(content)
    with pytest.raises(mm.InputError, match=said) as caught:
        read_preset(folder)
    assert str(folder / name) in str(caught.value)


# --- writing ---


def test_json_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    write_json(tmp_path / "card.json", {"caption": "빨간 원"})
    assert (tmp_path / "card.json").read_text(encoding="utf-8") == '{\n "caption": "빨간 원"\n}\n'
    with pytest.raises(TypeError):
        write_json(tmp_path / "card.json", {"caption": object()})
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8")) == {"caption": "빨간 원"}
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_a_preset_that_was_lost_between_two_moves_is_put_back(tmp_path: Path) -> None:
    """A kill between the moves leaves the old preset beside its place; the next save, even a failing one, mends it."""
    folder = written(tmp_path / "preset")
    folder.rename(tmp_path / ".preset.old")

    def fail(path: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_preset(folder, config={}, codecs={}, card={}, save_weights=fail)
    assert read_preset(folder).card == {"seed": 7}
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]


def test_folders_above_a_preset_are_made(tmp_path: Path) -> None:
    assert read_preset(written(tmp_path / "runs" / "a" / "preset")).card == {"seed": 7}


def test_a_format_of_the_future_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "preset")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format": 2}))
    with pytest.raises(mm.InputError, match=r"format 1. Received: .*config.json, format 2"):
        read_preset(folder)


def test_a_run_in_the_place_of_its_preset_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "run" / "preset").mkdir(parents=True)
    (tmp_path / "run" / "preset" / "config.json").write_text("{}")
    with pytest.raises(mm.InputError, match="a run; its preset is .*preset"):
        read_preset(tmp_path / "run")
