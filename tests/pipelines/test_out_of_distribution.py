"""What trainings write down of their pictures, and what `predict` and `evaluate` say of pictures unlike them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.evaluation import drawn, images_of
from mmtoolkit.training import keep_distribution
from mmtoolkit.vision.image_distribution import ImageDistribution

Job = Callable[..., Any]


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of noise."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return path


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def by_hand(model: Any, images: list[Path]) -> np.ndarray:
    """The means of what the encoder makes of some pictures, each of length 1."""
    pixels = np.stack([np.asarray(Image.open(image).convert("RGB")) for image in images])  # of the model's size already
    regions = model.encoder(pixels, training=False)
    means = [keras.ops.convert_to_numpy(grid).astype(np.float64).mean(axis=0) for grid in regions]
    return np.stack([mean / np.sqrt(np.sum(mean**2)) for mean in means])


@pytest.mark.parametrize("kind", ["trained", "answerer"])
def test_a_training_describes_its_pictures_and_reports_on_those_held_out(
    kind: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(kind)
    is_captioner = kind == "trained"
    model = (mm.Captioner if is_captioner else mm.VisualQA).from_preset(run.preset)
    records = mm.read_captions(run.data) if is_captioner else mm.read_questions(run.data)
    splits = {name: images_of([one for one in records if one.split == name]) for name in ("train", "valid", "test")}
    assert [len(images) for images in splits.values()] == [32, 4, 4]
    vectors = {name: by_hand(model, images) for name, images in splits.items()}
    expected = ImageDistribution.fit(vectors["train"], vectors["valid"])
    assert model.image_distribution.threshold == pytest.approx(expected.threshold, rel=1e-2)
    np.testing.assert_allclose(
        model.image_distribution.distance(vectors["test"]), expected.distance(vectors["test"]), rtol=2e-2
    )
    report = report_of(run.out)
    share = 100 * np.mean(model.image_distribution.out_of_distribution(vectors["test"]))
    assert report["test_unlike"] == {"share": share, "threshold": model.image_distribution.threshold}
    assert "unlike" not in report  # of the pictures that set the threshold that says nothing
    assert not (run.preset / "question_only" / "seen_pictures.h5").exists()  # the twin sees nothing


@pytest.mark.parametrize("kind", ["trained", "answerer"])
def test_predict_says_which_pictures_are_unlike(
    kind: str, job: Job, noise: Path, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(kind)
    model = (mm.Captioner if kind == "trained" else mm.VisualQA).from_preset(run.preset)
    asked = () if kind == "trained" else ("--question", "is there a circle?", "--n-best", 1)
    known = mm.find_images([run.data / "images"])[0]
    near, far = model.image_distribution.distance(by_hand(model, [known, noise]))
    usual = model.image_distribution.threshold
    assert near < usual < far
    told = (
        f"note: {noise} is unlike the pictures that this model was trained on (distance {far:.2f}, usual up to "
        f"{usual:.2f}); do not trust what it says\n"
    )
    plain = job("predict", known, noise, "--preset", run.preset, *asked)
    assert (plain.code, plain.err, len(plain.out.splitlines())) == (0, told, 2)
    done = job("predict", known, noise, "--preset", run.preset, "--json", *asked)
    assert (done.code, done.err) == (0, "")
    results = json.loads(done.out)["results"]
    assert [result["unlike"] for result in results] == [False, True]
    assert [result["distance"] for result in results] == pytest.approx([near, far], rel=1e-3)


def test_a_preset_without_the_description_says_nothing(job: Job, trained: Any, noise: Path, tmp_path: Path) -> None:
    shutil.copytree(trained.preset, tmp_path / "older")
    (tmp_path / "older" / "seen_pictures.h5").unlink()
    done = job("predict", noise, "--preset", tmp_path / "older")
    assert (done.code, done.err) == (0, "")
    (result,) = json.loads(job("predict", noise, "--preset", tmp_path / "older", "--json").out)["results"]
    assert set(result) == {"image", "captions"}
    report = job("evaluate", "--preset", tmp_path / "older", "--data", trained.data, "--split", "valid", "--json")
    assert report.code == 0 and "unlike" not in json.loads(report.out)


def test_evaluate_reports_the_share_of_pictures_that_are_unlike(
    job: Job, trained: Any, noise: Path, tmp_path: Path
) -> None:
    """One of four is noise; the test split has what the training reported of it."""
    words = ("--preset", trained.preset, "--json")
    same = job("evaluate", *words, "--data", trained.data, "--split", "test")
    assert json.loads(same.out)["unlike"] == report_of(trained.out)["test_unlike"]
    known = mm.find_images([trained.data / "images"])[:3]
    rows = [f"{path},a red circle" for path in (*known, noise)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *rows]), encoding="utf-8")
    report = json.loads(job("evaluate", *words, "--data", tmp_path).out)
    assert report["unlike"]["share"] == 25.0 and next(iter(report)) == "scores"


def test_few_pictures_are_not_described(trained: Any, tmp_path: Path) -> None:
    model = mm.Captioner.from_preset(trained.preset)
    records = mm.read_captions(trained.data)
    splits = mm.split(records, seed=0)._replace(train=records[:11], valid=records[11:15])
    shutil.copy(trained.preset / "seen_pictures.h5", tmp_path)  # of the training before
    told: list[str] = []
    keep_distribution(model, splits, model.image_source(), tmp_path, seed=0, tell=told.append)
    assert "fewer than 16 pictures" in told.pop() and not list(tmp_path.iterdir())
    assert model.image_distribution is None
    keep_distribution(model, splits, None, tmp_path, seed=0, tell=told.append)  # questions alone
    assert not told and not list(tmp_path.iterdir())


def test_of_many_pictures_the_same_ones_are_drawn() -> None:
    many = [Path(f"{number}.jpg") for number in range(6000)]
    assert drawn(many[:5000], 0) == many[:5000]
    some = drawn(many, 3)
    assert len(set(some)) == 5000 and some == drawn(many, 3) != drawn(many, 4)
