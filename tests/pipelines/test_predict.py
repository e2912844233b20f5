"""`mmtoolkit predict`: one line a picture, searches, JSON, attention pictures, and bad pictures among good ones."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from once import Once
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.decoding import choose_search
from mmtoolkit.pipelines.predict import Options, picture_names, preset_of, write_table
from mmtoolkit.presets import seal
from mmtoolkit.vision import ExtractorKey
from mmtoolkit.vision.weights import NO_TOP

Job = Callable[..., Any]


@pytest.fixture
def pictures(scenes: Path) -> list[Path]:
    """Five pictures of the data set, by their path in its folder."""
    return sorted((scenes / "images").iterdir())[:5]


def untrained(folder: Path, captions: list[str], **options: Any) -> Path:
    """The preset of a captioner that writes words of these captions at random."""
    keras.utils.set_random_seed(0)
    codec = mm.TextCodec.fit(captions)
    decoding = mm.BeamSearch(width=2, min_length=3)
    small = {"units": 8, "attention_units": 4, "embedding_dim": 4, "filters": (4, 4, 4, 8), "image_size": 32}
    captioner = mm.Captioner(codec, encoder="small", decoding=decoding, max_length=4, **small, **options)
    captioner.build(captioner.input_shapes())
    captioner.save_preset(folder, card={"name": folder.name})
    return folder


@pytest.fixture(scope="module")
def korean(once: Once) -> Path:
    return once("korean", lambda folder: untrained(folder, ["빨간 원 하나가 파란 네모 위에 있다"])).folder


@pytest.fixture(scope="module")
def amharic(once: Once) -> Path:
    """Writes a script that no font of the project can draw."""
    return once("amharic", lambda folder: untrained(folder, ["ቀይ ክብ ሰማያዊ ካሬ"])).folder


# --- which preset ---


def test_without_a_preset_the_light_one_is_taken_where_its_encoder_is(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are in a package of the extra `lite`, which the tests install."""
    photo = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(photo)
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    done = job("predict", photo)
    assert done.code == 0 and "--preset flickr8k_lite, as none is given" in done.err, done.err
    assert done.out.startswith(f"{photo}\ta ") and "unlike" in done.err
    asked = job("predict", photo, "--encoder-weights", tmp_path / "none.h5")  # another encoder's
    assert asked.code == 2 and "--preset flickr8k_lstm, as none is given" in asked.err
    monkeypatch.setattr("mmtoolkit.vision.kept_weights", lambda digest: None)
    assert preset_of(Options(images=[photo])) == "flickr8k_lstm"
    assert preset_of(Options(images=[photo], question="is it red?")) == "shapes_vqa"


# --- what is printed ---


def test_a_line_for_each_picture_in_order(job: Job, trained: Any, pictures: list[Path]) -> None:
    given = pictures[::-1]
    done = job("predict", *given, "--preset", trained.preset)
    captions = mm.Captioner.from_preset(trained.preset).generate(given)
    assert done == (0, "".join(f"{path}\t{text}\n" for path, text in zip(given, captions, strict=True)), "")


def test_a_folder_gives_its_pictures_sorted(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    for number, path in enumerate(pictures):
        (tmp_path / "album" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "album" / f"{number % 2}" / path.name)
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    done = job("predict", tmp_path / "album", "--preset", trained.preset)
    named = [Path(line.split("\t")[0]).relative_to(tmp_path / "album").as_posix() for line in done.out.splitlines()]
    names = [path.name for path in pictures]
    assert named == [*(f"0/{name}" for name in names[::2]), *(f"1/{name}" for name in names[1::2])]


def test_more_pictures_than_a_batch_get_the_captions_they_get_alone(job: Job, trained: Any, scenes: Path) -> None:
    done = job("predict", scenes / "images", "--preset", trained.preset)
    paths = sorted((scenes / "images").iterdir())
    captioner = mm.Captioner.from_preset(trained.preset)
    assert [line.split("\t")[1] for line in done.out.splitlines()] == captioner.generate(paths)


@pytest.mark.usefixtures("eager")
def test_n_best_lines_come_best_first(job: Job, trained: Any, pictures: list[Path]) -> None:
    """The same as a search by hand of that width; `--n-best` alone widens the beam."""
    wide = mm.BeamSearch(width=5, n_best=3)
    captioner = mm.Captioner.from_preset(trained.preset)
    source = captioner.image_source()
    expected = captioner.decode({"images": source.read(pictures)}, wide)
    done = job("predict", *pictures, "--preset", trained.preset, "--beam", 5, "--n-best", 3)
    lines = [tuple(line.split("\t")) for line in done.out.splitlines()]
    assert lines == [(str(path), c.text) for path, row in zip(pictures, expected, strict=True) for c in row]
    assert all(row == sorted(row, key=lambda caption: -caption.score) for row in expected)
    widened = job("predict", pictures[0], "--preset", trained.preset, "--n-best", 3)
    assert len(set(widened.out.splitlines())) == 3


@pytest.mark.usefixtures("eager")
def test_a_length_penalty_replaces_the_presets_own(job: Job, trained: Any, pictures: list[Path]) -> None:
    words = (pictures[0], "--preset", trained.preset, "--json")
    default, plain = (
        json.loads(job("predict", *words, *more).out)["results"][0]["captions"][0]
        for more in ((), ("--length-penalty", 0))
    )
    captioner = mm.Captioner.from_preset(trained.preset)
    images = {"images": captioner.image_source().read(pictures[:1])}
    ((best,),) = captioner.decode(images, mm.BeamSearch(width=2, length_penalty=0.0))
    assert plain == pytest.approx(best._asdict())
    assert plain["score"] < default["score"]  # a sum of log-probabilities, against one divided by the length


def test_a_beam_narrower_than_n_best_is_refused(job: Job, trained: Any, pictures: list[Path]) -> None:
    done = job("predict", pictures[0], "--preset", trained.preset, "--beam", 2, "--n-best", 3)
    assert (done.code, done.out) == (2, "") and "n_best=3" in done.error


def test_groups_and_draws_are_the_searches_of_those_options(job: Job, trained: Any, pictures: list[Path]) -> None:
    captioner = mm.Captioner.from_preset(trained.preset)
    inputs = {"images": captioner.image_source().read(pictures)}
    searches = {
        ("--groups", 3, "--diversity", 2): mm.BeamSearch(width=3, groups=3, n_best=3, diversity=2.0),
        ("--beam", 4, "--groups", 2): mm.BeamSearch(width=4, groups=2, n_best=3),
        ("--temperature", 2, "--top-k", 5, "--seed", 7): mm.Sample(
            temperature=2.0, top_k=5, n_best=3, seed=keras.random.SeedGenerator(7)
        ),
        ("--top-p", 0.9): mm.Sample(top_p=0.9, n_best=3, seed=keras.random.SeedGenerator(0)),
    }
    for options, decoding in searches.items():
        done = job("predict", *pictures, "--preset", trained.preset, "--n-best", 3, *options)
        written = [caption.text for row in captioner.decode(inputs, decoding) for caption in row]
        assert [line.split("\t")[1] for line in done.out.splitlines()] == written, options


def test_searching_and_drawing_at_once_is_refused(job: Job, trained: Any, pictures: list[Path]) -> None:
    done = job("predict", pictures[0], "--preset", trained.preset, "--beam", 2, "--top-k", 3)
    assert (done.code, done.out) == (2, "")
    assert done.error == "--top-k draws words, --beam searches for them. Received: both; leave one out."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, mm.BeamSearch(width=2, min_length=3)),
        ({"n_best": 4}, mm.BeamSearch(width=4, n_best=4, min_length=3)),
        ({"beam": 5, "length_penalty": 0.0}, mm.BeamSearch(width=5, length_penalty=0.0, min_length=3)),
        ({"groups": 3}, mm.BeamSearch(width=3, groups=3, min_length=3)),  # as narrow as the groups allow
        ({"groups": 3, "n_best": 4}, mm.BeamSearch(width=6, groups=3, n_best=4, min_length=3)),
        ({"groups": 2, "diversity": 2.0}, mm.BeamSearch(width=2, groups=2, diversity=2.0, min_length=3)),
        ({"rerank": "cider"}, mm.BeamSearch(width=2, rerank="cider", min_length=3)),
        ({"beam": 1}, mm.BeamSearch(width=1, min_length=3)),
    ],
    ids=str,
)
def test_the_beam_of_the_options(korean: Path, given: dict[str, Any], expected: mm.BeamSearch) -> None:
    assert choose_search(mm.Captioner.from_preset(korean).decoding, **given) == expected


def test_a_preset_that_draws_goes_on_drawing(korean: Path) -> None:
    captioner = mm.Captioner.from_preset(korean)
    captioner.decoding = mm.Sample(top_k=5, seed=3)
    plain, cold = choose_search(captioner.decoding), choose_search(captioner.decoding, temperature=0.5, seed=4)
    assert isinstance(plain, mm.Sample) and isinstance(cold, mm.Sample)
    assert (plain.top_k, plain.temperature, cold.top_k, cold.temperature) == (5, 1.0, 5, 0.5)
    assert [one.seed.get_config()["seed"] for one in (plain, cold)] == [0, 4]
    assert choose_search(captioner.decoding, beam=2) == mm.BeamSearch(width=2)
    reranked = mm.BeamSearch(width=8, rerank="bleu")
    assert choose_search(reranked, beam=1) == mm.BeamSearch(width=1)  # there is nothing to rerank
    assert choose_search(reranked, beam=3).rerank == "bleu" and choose_search(reranked, rerank="none").rerank == "none"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"diversity": 9.0}, "--diversity keeps groups apart. Received: --diversity 9.0; add --groups."),
        ({"seed": 1}, "--seed is for draws. Received: --seed 1; add --temperature, --top-k or --top-p."),
        ({"groups": 0}, "groups=0"),
        ({"beam": 5, "groups": 3}, "groups=3, width=5"),
        ({"top_p": 2.0}, "top_p is above 0 and at most 1"),
        ({"rerank": "cidr"}, "--rerank expects none, cider, bleu. Received: 'cidr'."),
        ({"rerank": "bleu", "beam": 1}, "--rerank bleu compares the sentences of a beam. Received: a beam of 1; add"),
    ],
)
def test_options_that_do_nothing_or_cannot_be_are_named(korean: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(mm.InputError, match=re.escape(message)):
        choose_search(mm.Captioner.from_preset(korean).decoding, **given)


# --- a table ---


def test_the_table_is_one_that_the_readers_accept(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    """Pictures in a folder of odd names, the table in another: a reader finds each with its captions."""
    album = tmp_path / 'my "best", photos'
    album.mkdir()
    for path in pictures:
        shutil.copy(path, album / path.name)
    table = tmp_path / "said" / "captions.csv"
    done = job("predict", album, "--preset", trained.preset, "--n-best", 2, "--out", table)
    records = mm.read_captions(table)
    said = [(record.image.resolve(), caption) for record in records for caption in record.captions]
    printed = [line.split("\t") for line in done.out.splitlines()]
    assert (done.code, len(printed)) == (0, 2 * len(pictures))
    assert said == [((album / Path(name).name).resolve(), caption) for name, caption in printed]


def test_a_table_holds_the_pictures_that_could_be_read(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    shutil.copy(pictures[0], tmp_path / "good.png")
    done = job("predict", tmp_path, "--preset", trained.preset, "--out", tmp_path / "captions.csv")
    text = done.out.strip().split("\t")[1]
    assert done.code == 1
    assert (tmp_path / "captions.csv").read_text() == f"image,caption\ngood.png,{text}\n"


def test_captions_that_the_readers_would_refuse_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty one, one of a name that is not UTF-8, and one whose name's blank a reader would strip."""
    names = ["a.jpg", "b.jpg", "\udcff.jpg", " c.jpg", "d\u202fe.jpg"]
    rows = [
        {"image": str(tmp_path / name), "captions": [{"text": text}]}
        for name, text in zip(names, ["one", "", "three", "four", 'five, "six"'], strict=True)
    ]
    write_table(mm.captioning, tmp_path / "table.csv", rows, 5)
    told = capsys.readouterr().err
    assert "of a file with an odd name: 3 captions\n" in told and "captions of 2 of 5 pictures: " in told
    for name in names[:1] + names[4:]:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert [(r.image.name, r.captions) for r in mm.read_captions(tmp_path / "table.csv")] == [
        ("a.jpg", ("one",)),
        ("d\u202fe.jpg", ('five, "six"',)),
    ]


def test_without_a_caption_the_old_table_stays(job: Job, trained: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "there.csv").write_text("mine")
    done = job("predict", tmp_path, "--preset", trained.preset, "--out", tmp_path / "there.csv", "--overwrite")
    assert done.code == 1 and "it is left as it was" in done.err
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_an_interrupted_job_keeps_the_captions_that_it_has(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = mm.Captioner.decode
    batches: list[int] = []

    def interrupted(self: mm.Captioner, *arguments: Any) -> Any:
        batches.append(1)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return decode(self, *arguments)

    monkeypatch.setattr(mm.Captioner, "decode", interrupted)
    monkeypatch.setattr("mmtoolkit.evaluation.prediction.BATCH", 2)
    done = job("predict", *pictures, "--preset", trained.preset, "--out", tmp_path / "captions.csv")
    assert done.code == 130 and f"captions of 4 of {len(pictures)} pictures: " in done.err
    assert [record.image.name for record in mm.read_captions(tmp_path / "captions.csv")] == [
        path.name for path in pictures[:4]
    ]


@pytest.mark.parametrize("replaces", [False, True])
def test_rows_are_on_the_disk_as_they_come(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    """What a kill would leave: nothing is done at the end, not even the lock is given back."""
    out = tmp_path / "captions.csv"
    if replaces:
        out.write_text("image,caption\nold.png,an older caption\n")
    monkeypatch.setattr("mmtoolkit.pipelines.predict.write_table", lambda *_: None)
    monkeypatch.setattr("mmtoolkit.evaluation.prediction.BATCH", 2)
    kept, decode = list[bytes](), mm.Captioner.decode

    def watching(self: mm.Captioner, *arguments: Any) -> Any:
        kept.extend(path.read_bytes() for path in tmp_path.glob("captions.csv*"))
        return decode(self, *arguments)

    monkeypatch.setattr(mm.Captioner, "decode", watching)
    done = job("predict", *pictures[:6], "--preset", trained.preset, "--out", out, "--overwrite")
    assert done.code == 0, done.err
    named = [line.split("\t") for line in done.out.splitlines()]
    rows = [f"{os.path.relpath(path, tmp_path)},{caption}" for path, caption in named]
    seen = {text for text in map(bytes.decode, kept) if "older" not in text}
    assert seen == {"\n".join(["image,caption", *rows[:count], ""]) for count in (2, 4)}
    assert all("an older caption" in text for text in [out.read_text()] if replaces)


@pytest.mark.parametrize("replaces", [False, True])
def test_a_stopped_job_keeps_the_table_before_and_its_own_rows(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    out, old = tmp_path / "captions.csv", "image,caption\nold.png,an older caption\n"
    if replaces:
        out.write_text(old)
    monkeypatch.setattr("mmtoolkit.evaluation.prediction.BATCH", 2)
    decode, calls = mm.Captioner.decode, list[int]()

    def stopping(self: mm.Captioner, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return decode(self, *arguments)

    monkeypatch.setattr(mm.Captioner, "decode", stopping)
    done = job("predict", *pictures[:4], "--preset", trained.preset, "--out", out, "--overwrite")
    grown = tmp_path / "captions.csv.partial" if replaces else out
    assert done.code == 130 and f"captions of 2 of 4 pictures: {grown}" in done.err
    assert grown.read_text().startswith("image,caption\n") and grown.read_text().count("\n") == 3
    assert out.read_text() == (old if replaces else grown.read_text())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.csv", "there.csv is there already; add --overwrite"),
        ("a.txt", "--out expects a file whose name ends in .csv. Received"),
        ("there.csv/b.csv", "there.csv is a file"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_work(
    job: Job, pictures: list[Path], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "there.csv").write_text("image,caption\n")
    done = job("predict", pictures[0], "--preset", "no_such_preset", "--out", tmp_path / name)
    assert done.code == 2 and message in done.error
    missing = job("predict", pictures[0], "--preset", "no_such_preset", "--out", tmp_path / "new" / "a.csv")
    assert "no_such_preset" in missing.error and not (tmp_path / "new").exists()
    assert (tmp_path / "there.csv").read_text() == "image,caption\n"


def test_overwrite_replaces_the_table(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("image,caption\n")
    job("predict", pictures[0], "--preset", trained.preset, "--out", tmp_path / "there.csv", "--overwrite")
    assert len(mm.read_captions(tmp_path / "there.csv")) == 1


def test_json_is_one_object(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = job("predict", pictures[0], tmp_path / "bad.png", "--preset", trained.preset, "--json", "--n-best", 2)
    found = json.loads(done.out)
    assert done.code == 1
    assert [result["image"] for result in found["results"]] == [str(pictures[0])]
    first, second = found["results"][0]["captions"]
    assert first["score"] >= second["score"] and isinstance(first["text"], str)
    assert [failed["image"] for failed in found["failed"]] == [str(tmp_path / "bad.png")]


# --- bad input ---


@pytest.mark.usefixtures("eager")
def test_a_corrupt_picture_gets_one_line_and_the_others_their_captions(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path
) -> None:
    cut, empty = tmp_path / "cut.png", tmp_path / "empty.jpg"
    cut.write_bytes(pictures[0].read_bytes()[:100])
    empty.write_bytes(b"")
    done = job("predict", pictures[0], cut, pictures[1], empty, pictures[2], "--preset", trained.preset)
    assert done.code == 1
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [str(path) for path in pictures[:3]]
    assert done.out == job("predict", *pictures[:3], "--preset", trained.preset).out
    first, second = done.err.splitlines()
    assert first.startswith("error: ") and str(cut) in first
    assert second.startswith("error: ") and str(empty) in second


def test_a_picture_that_is_not_there(job: Job, trained: Any, pictures: list[Path]) -> None:
    done = job("predict", pictures[0].with_name("000001.pgn"), "--preset", trained.preset)
    assert (done.code, done.out) == (2, "")
    assert "000001.pgn" in done.error and "000001.png" in done.error


@pytest.mark.usefixtures("eager")
def test_missing_pictures_among_others_are_named_and_the_others_go_on(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    missing = (tmp_path / "none.png", tmp_path / "empty")
    done = job("predict", missing[0], pictures[0], missing[1], "--preset", trained.preset)
    assert done.code == 1
    assert done.out == job("predict", pictures[0], "--preset", trained.preset).out != ""
    first, second = done.err.splitlines()
    assert str(missing[0]) in first and f"{missing[1]}, a folder without any" in second
    nothing = job("predict", *missing, "--preset", trained.preset)
    assert (nothing.code, nothing.out) == (2, "") and "Received: 2 paths without any." in nothing.err


@pytest.fixture
def seeing(pictures: list[Path], tmp_path: Path) -> Path:
    """A preset that sees through a VGG19 file of which there is the SHA-256 alone."""
    key = ExtractorKey("0123456789abcdef" * 4, "float32")
    codec = mm.TextCodec.fit(["a b"])
    captioner = mm.Captioner(codec, extractor=key, units=8, embedding_dim=8, attention_units=8)
    captioner.build(captioner.input_shapes())
    captioner.save_preset(tmp_path / "seeing")
    return tmp_path / "seeing"


def test_other_vgg19_weights_stand_in_with_a_warning(job: Job, seeing: Path, pictures: list[Path]) -> None:
    done = job("predict", pictures[0], "--preset", seeing, "--encoder-weights", "random")
    assert done.code == 0 and done.out.startswith(f"{pictures[0]}\t")
    assert done.err.startswith("warning: random is not the weights file of this preset's encoder")


def test_the_published_weights_stand_in_for_a_preset_s_own(
    job: Job, seeing: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are at hand; random ones are the published here."""
    asked: list[str] = []

    def published(source: str, *, network: str) -> None:
        asked.append(source)

    monkeypatch.setattr("mmtoolkit.vision.sources.find_weights", published)
    done = job("predict", pictures[0], "--preset", seeing)
    assert (done.code, asked) == (0, ["imagenet"]) and done.out.startswith(f"{pictures[0]}\t")
    assert done.err.startswith(
        "warning: the published file, which stands in, is not the weights file of this preset's encoder"
    )
    same = json.loads((seeing / "config.json").read_text())
    same["model"]["extractor"]["weights"] = "random"
    (seeing / "config.json").write_text(json.dumps(same))
    seal(seeing)
    assert job("predict", pictures[0], "--preset", seeing, "--encoder-weights", "random").err == ""


def test_the_published_vgg19_weights_are_asked_for_where_the_preset_s_own_are_missing(
    job: Job, seeing: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))

    def offline(*arguments: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    done = job("predict", pictures[0], "--preset", seeing)
    assert (done.code, done.out) == (2, "")
    assert f"put {NO_TOP} at {tmp_path / 'cache' / NO_TOP}" in done.error and "--encoder-weights" in done.error
    assert done.error.endswith("This preset's own file has the SHA-256 0123456789abcdef….")


def test_an_unknown_preset_lists_what_there_is(
    job: Job, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("harbour", "shapes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    monkeypatch.setattr("mmtoolkit.presets.resources.files", lambda package: tmp_path)
    done = job("predict", pictures[0], "--preset", "photographs")
    assert (done.code, done.out) == (2, "")
    assert "harbour" in done.error and "shapes" in done.error and "'photographs'" in done.error
    near = job("predict", pictures[0], "--preset", "shape")
    assert near.error.endswith("(harbour, shapes). Received: 'shape'. Did you mean 'shapes'?")


def test_a_preset_with_a_missing_file(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    preset = shutil.copytree(trained.preset, tmp_path / "preset")
    (preset / "codecs" / "words" / "vocabulary.txt").unlink()
    done = job("predict", pictures[0], "--preset", preset)
    assert (done.code, done.out) == (2, "")
    assert str(preset) in done.error and "codecs/words/vocabulary.txt" in done.error


# --- attention pictures ---


def ink(path: Path) -> int:
    """How many dark pixels a picture has above its first row of tiles: the letters of its title."""
    grey = np.asarray(Image.open(path).convert("L"))
    return int((grey[:48] < 100).sum())


def test_attention_draws_a_picture_for_each_input(job: Job, korean: Path, pictures: list[Path], tmp_path: Path) -> None:
    """Hangul too: a caption is in the title, and every word has a tile."""
    folder = tmp_path / "new" / "attention"
    done = job("predict", *pictures[:2], "--preset", korean, "--attention", folder, "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)["results"]
    assert [result["attention"] for result in results] == [str(folder / f"{path.stem}.png") for path in pictures[:2]]
    assert sorted(path.name for path in folder.iterdir()) == [f"{path.stem}.png" for path in pictures[:2]]
    for result in results:
        words = result["captions"][0]["text"].split()
        assert len(words) == 3 or len(words) == 4
        assert Image.open(result["attention"]).width == (len(words) + 1) * (224 + 16) + 16
        assert ink(Path(result["attention"])) > 100


@pytest.mark.usefixtures("eager")
def test_attention_takes_no_other_picture_s_place(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    """Neither that of an input, with --overwrite or not, nor of what another run drew."""
    own = tmp_path / "own"
    own.mkdir()
    photo = own / "photo.png"
    photo.write_bytes(pictures[0].read_bytes())
    words = ("predict", own, "--preset", trained.preset, "--attention")
    for more in ((), ("--overwrite",)):
        refused = job(*words, own, *more)
        assert refused.code == 2 and f"would draw over the picture {photo}" in refused.error
    assert photo.read_bytes() == pictures[0].read_bytes()
    assert job(*words, tmp_path / "looks").code == 0
    drawn = (tmp_path / "looks" / "photo.png").read_bytes()
    again = job(*words, tmp_path / "looks")
    assert again.code == 2 and f"{tmp_path / 'looks' / 'photo.png'} is there already; add --overwrite" in again.error
    assert job(*words, tmp_path / "looks", "--overwrite").code == 0
    assert (tmp_path / "looks" / "photo.png").read_bytes() == drawn


@pytest.mark.usefixtures("eager")
def test_inputs_of_one_name_keep_their_own_attention_pictures(
    job: Job, trained: Any, pictures: list[Path], tmp_path: Path
) -> None:
    for name, path in zip(("a/cat.png", "b/cat.png", "b/cat.jpg"), pictures, strict=False):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(path).convert("RGB").save(tmp_path / name)
    given = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png", tmp_path / "b" / "cat.jpg"]
    folder = tmp_path / "attention"
    done = job("predict", *given, "--preset", trained.preset, "--attention", folder, "--json")
    assert done.code == 0, done.err
    drawn = [result["attention"] for result in json.loads(done.out)["results"]]
    assert drawn == [str(folder / name) for name in ("cat.png", "cat-2.png", "cat-3.png")]
    for path, target in zip(given, drawn, strict=True):
        alone = tmp_path / "alone" / path.parent.name / path.suffix[1:]
        job("predict", path, "--preset", trained.preset, "--attention", alone)
        assert (alone / "cat.png").read_bytes() == Path(target).read_bytes()


def test_names_of_attention_pictures_never_meet() -> None:
    paths = [Path(name) for name in ("a/cat.jpg", "b/cat.png", "cat-2.png", "CAT.gif", "dog.jpg")]
    assert picture_names(paths) == ["cat.png", "cat-2.png", "cat-2-2.png", "CAT-3.png", "dog.png"]


@pytest.mark.usefixtures("eager")
def test_a_caption_that_no_font_can_draw_is_told_and_drawn_as_boxes(
    job: Job, amharic: Path, pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="no font of this machine has all of .* is drawn as boxes"):
        done = job("predict", *pictures[:2], "--preset", amharic, "--attention", tmp_path / "attention")
    assert done.code == 0, done.err
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [str(path) for path in pictures[:2]]
    assert len(list((tmp_path / "attention").iterdir())) == 2


def test_what_predict_gives_can_be_scored(job: Job, trained: Any, pictures: list[Path], tmp_path: Path) -> None:
    """What it prints, its table and its JSON alike, against the table of the data set, whose paths are others."""
    done = job("predict", *pictures, "--preset", trained.preset, "--out", tmp_path / "captions.csv")
    assert done.code == 0, done.err
    (tmp_path / "printed.txt").write_text(done.out, encoding="utf-8")
    done = job("predict", *pictures, "--preset", trained.preset, "--json")
    (tmp_path / "printed.json").write_text(done.out, encoding="utf-8")
    said = mm.Captioner.from_preset(trained.preset).generate(pictures)
    wanted = {record.image.name: record.captions for record in mm.read_captions(trained.data)}
    names = [picture.name for picture in pictures]
    expected = mm.score_captions(dict(zip(names, said, strict=True)), {name: wanted[name] for name in names})
    for name in ("captions.csv", "printed.txt", "printed.json"):
        words = ("--hypotheses", tmp_path / name, "--references", trained.data / "captions.csv", "--json")
        report = json.loads(job("score", *words).out)
        assert report["scores"] == pytest.approx(expected) and report["images"] == 5


def test_a_line_break_in_a_file_name_forges_no_row(job: Any, trained: Any, tmp_path: Path) -> None:
    picture = min((trained.data / "images").glob("*.png"))
    names = ["1.png\n2.png\tno dog.png", "\x1b[2J3.png"]
    for name in names:
        shutil.copy(picture, tmp_path / name)
    done = job(
        "predict", *(tmp_path / name for name in names), tmp_path / "x\nerror: y.png", "--preset", trained.preset
    )
    rows = [row.split("\t") for row in done.out.splitlines()]
    assert [Path(name).name for name, _ in rows] == [r"1.png\x0a2.png\x09no dog.png", r"\x1b[2J3.png"]
    assert rows[0][1] == rows[1][1]
    assert done.code == 1 and [line[:7] for line in done.err.splitlines()].count("error: ") == 1
