"""Presets of strangers: what is no preset ends in one sentence with the file's path, before anything is built of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.models import Captioner
from mmtoolkit.models.model import Model
from mmtoolkit.presets import seal

CONFIG, CARD, WEIGHTS, SEEN = "config.json", "card.json", "model.weights.h5", "seen_pictures.h5"
WORDS, CODEC = "codecs/words/vocabulary.txt", "codecs/words/codec.json"
LONGEST = 10.0  # seconds until a hostile preset is refused, for one that hangs; the longest takes one
DEEP = {"lists": "[" * 100_000, "objects": '{"a":' * 100_000, "closed": '{"a": ' + "[" * 300 + "]" * 300 + "}"}
HUGE = "9" * 5000
KEY = {"weights": "0" * 64, "precision": "float32"}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset of an untrained captioner of some thousand numbers, with the distribution of its training pictures."""
    sizes = {"units": 4, "attention_units": 3, "embedding_dim": 5, "filters": (4, 6), "image_size": 16}
    model = Captioner(mm.TextCodec.fit(["a red circle", "a blue square"]), encoder="small", **sizes)
    model.build(model.input_shapes())
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    model.image_distribution = mm.vision.image_distribution.ImageDistribution.fit(vectors[:30], vectors[30:])
    model.save_preset(folder := tmp_path_factory.mktemp("tiny") / "preset", card={"seed": 0})
    return folder


@pytest.fixture
def preset(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "preset")


@pytest.fixture
def unsealed(preset: Path) -> Path:
    """The preset as older versions wrote it, and as a stranger may: without SHA-256."""
    (preset / CARD).write_text('{"seed": 0}')
    return preset


def refused(folder: Path, file: str = "") -> str:
    started = time.perf_counter()
    with pytest.raises(mm.InputError) as caught:
        Model.from_preset(folder)
    assert time.perf_counter() - started < LONGEST
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000 and str(folder) in message and file in message
    return message


def changed(folder: Path, file: str, change: Callable[[Any], Any]) -> None:
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    change(content)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


def test_the_tiny_preset_loads(preset: Path, unsealed: Path) -> None:
    """Else all below would be refused for nothing."""
    assert Model.from_preset(preset).image_distribution and Model.from_preset(unsealed).card == {"seed": 0}


# --- JSON ---

TEXTS = {
    **DEEP,
    "nothing": "",
    "no object": "[]",
    "number": HUGE,
    "half": "{",
    "bytes": "\xff",
    "long": " " * 2**23 + "{}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("file", [CONFIG, CARD, CODEC, WORDS])
def test_what_is_no_json_is_refused(unsealed: Path, file: str, text: str) -> None:
    (unsealed / file).write_text(text, encoding="latin-1")
    refused(unsealed, "" if (file, text) == (WORDS, "") else file)


SPECIAL = '"[PAD]"\n"[START]"\n"[END]"\n"[UNK]"\n'


@pytest.mark.parametrize("line", ['"\\ud800"', HUGE, "5", "null", '["a"]', "[" * 100_000, '"a', "\x00"])
def test_a_token_is_a_string(unsealed: Path, line: str) -> None:
    (unsealed / WORDS).write_text(f"{SPECIAL}{line}\n", encoding="utf-8")
    assert f"{WORDS}:5: expected " in refused(unsealed)


@pytest.mark.parametrize(
    "settings", [{"level": []}, {"level": 5}, {"lower": 1}, {"lower": "yes"}, {"lower": None}, {"other": 1}]
)
def test_the_settings_of_a_codec_are_a_level_and_a_flag(unsealed: Path, settings: dict[str, Any]) -> None:
    changed(unsealed, CODEC, lambda codec: codec.update(settings))
    refused(unsealed, CODEC if settings.get("level") != "wort" else "")


# --- config.json ---

TOP: list[dict[str, Any]] = [
    *({"format": value} for value in (None, 2, "1", [], {}, 10**400)),
    *({"class": value} for value in ([], {}, None, 5, "Model", "VisualQA", "keras>Lambda", "a\nb", "A" * 10_000)),
    *({"codecs": value} for value in (5, None, "words", [], [5], [[]], {"words": 1}, ["../words"], ["/etc"])),
    *({"codecs": value} for value in (["words", "words"], ["words"] * 10_000, ["answers"], ["words", "answers"])),
    *({"model": value} for value in (None, [], 5, "x", True)),
]
WHOLE = [0, -1, "25", 2.5, None, True, [], {}, 10**9, 10**400, float("nan"), float("inf")]
FLAG: list[Any] = [None, 0, 1, "true", [], {}]
WORD: list[Any] = [None, 5, [], {}, "", "lstn", "a\x1b[2J", "x" * 100_000, True]
SHARE: list[Any] = [-0.1, 1.5, "0.5", None, True, [], float("nan")]
INLINE = {"class_name": "Lambda", "config": {"function": "os.system"}, "module": "builtins", "registered_name": None}
ARGUMENTS: dict[str, list[Any]] = {
    **dict.fromkeys(("units", "embedding_dim", "max_length", "layers", "pool", "image_size"), WHOLE),
    **dict.fromkeys(("word_in_query", "mean_input", "deep_output", "tie_output", "freeze_embeddings"), FLAG),
    **dict.fromkeys(("cell", "encoder", "attention", "gated_context"), WORD),
    **dict.fromkeys(("dropout", "word_dropout", "memory_dropout", "crop", "attention_penalty"), [SHARE[0], *SHARE[2:]]),
    "attention_units": [0, -1, "3", 10**9, []],
    "image_size": [-5, 1, 10_000, 16.0],
    "filters": [[], [0], [-1], ["4"], [4, None], 4, "46", None, [1] * 100, [10**9], [[4]], {}],
    "dtype": ["int8", 5, [], {"class_name": "DTypePolicy"}, "float33", ""],
    "embeddings": [[[0.0]], "x", 5],
    "codec": [INLINE, "words", None, 5],
    "answers_codec": [INLINE],
    "name": ["a/b", 5, "captioner"],
    "vocabulary_size": [5],
    "trainable": [False],
    "activity_regularizer": ["l2", INLINE],
    "a" * 100_000: [1],
    "extractor": [
        *("x", 5, [], {}, {"weights": "0" * 64}, INLINE, {**KEY, "weights": "evil_vgg"}, {**KEY, "weights": "../../x"}),
        *({**KEY, "weights": "0" * 63}, {**KEY, "weights": "0" * 64 + "\n"}, {**KEY, "precision": "int8"}),
        *({**KEY, "network": "vgg19-"}, {**KEY, "network": []}, {**KEY, "more": 1}, {**KEY, "weights": None}),
    ],
    "decoding": [
        *(None, 5, "Greedy", [], {}, {"name": []}, {"name": "Beam"}, {"name": "Greedy", "width": 3}, INLINE),
        *({"name": "BeamSearch", "width": value} for value in (10**6, 0, -1, "3", None, 2.5, [])),
        *({"name": "BeamSearch", "no_repeat_ngram": value} for value in (1_000_000, -1, "3", None)),
        *({"name": "BeamSearch", "width": 4, "groups": value} for value in (3, 0, "2", None)),
        *({"name": "BeamSearch", "n_best": 9}, {"name": "BeamSearch", "length_penalty": float("nan")}),
        *({"name": "Sample", "temperature": value} for value in (0, -1, "hot", None, 1e400)),
        *({"name": "Sample", "seed": "x"}, {"name": "Sample", "top_p": 2}, {"name": "Sample", "n_best": 10**7}),
    ],
}
HOSTILE = [(name, value) for name, values in ARGUMENTS.items() for value in values]


@pytest.mark.parametrize("change", TOP, ids=lambda change: f"{change}"[:50])
def test_the_top_of_a_config_is_checked(unsealed: Path, change: dict[str, Any]) -> None:
    changed(unsealed, CONFIG, lambda config: config.update(change))
    refused(unsealed)


@pytest.mark.parametrize(("name", "value"), HOSTILE, ids=lambda value: f"{value!r}"[:40])
def test_the_arguments_of_a_config_are_checked(unsealed: Path, name: str, value: Any) -> None:
    changed(unsealed, CONFIG, lambda config: config["model"].update({name: value}))
    refused(unsealed, CONFIG)


def test_there_are_as_many_hostile_configs_as_were_tried_before() -> None:
    assert len(TOP) + len(HOSTILE) >= 149


def test_a_model_of_more_numbers_than_its_file_is_not_built(unsealed: Path) -> None:
    """Each width is in its range, and would take 2 GB."""
    changed(unsealed, CONFIG, lambda config: config["model"].update(units=8000, embedding_dim=8000))
    assert "far too few" in refused(unsealed, CONFIG)


def test_a_cnn_of_too_many_values_is_not_built(unsealed: Path) -> None:
    changed(unsealed, CONFIG, lambda config: config["model"].update(image_size=512, filters=[1024, 6]))
    assert "268,435,456 values for a picture" in refused(unsealed, CONFIG)


CARDS = [
    *({"seed": value} for value in ("x", [], None, 1.5)),
    *({"valid_share": value} for value in (2, "x", [], float("nan"))),
    *({"data_sha256": value} for value in (5, [])),
    *({"preset_files": value} for value in (5, [], None, {"a": 1}, {"a": {"bytes": []}}, {"config.json": {}})),
    *({"preset_files": {name: {"bytes": 1, "sha256": ""}}} for name in ("/etc/hostname", "../secret.txt")),
]


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_what_programs_read_of_a_card_is_checked(unsealed: Path, card: dict[str, Any]) -> None:
    (unsealed.parent / "secret.txt").write_text("")
    (unsealed / CARD).write_text(json.dumps(card))
    refused(unsealed)


# --- files that are none, or elsewhere ---


@pytest.mark.parametrize("file", [CONFIG, CARD, WEIGHTS, SEEN, CODEC, WORDS])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link out", "device", "loop", "link to nothing"])
def test_the_files_of_a_preset_are_plain_ones_in_its_folder(unsealed: Path, file: str, kind: str) -> None:
    path, elsewhere = unsealed / file, unsealed.parent / "elsewhere"
    path.replace(elsewhere)
    places = {"link out": elsewhere, "device": "/dev/zero", "loop": path.name, "link to nothing": "nothing"}
    {"pipe": os.mkfifo, "folder": os.mkdir}.get(kind, lambda path: os.symlink(places[kind], path))(path)
    assert file in refused(unsealed)


def test_a_folder_elsewhere_is_no_part_of_a_preset(unsealed: Path, tiny: Path) -> None:
    (unsealed / "question_only").symlink_to(tiny)
    assert "question_only/config.json" in refused(unsealed)
    (unsealed / "question_only").unlink()
    shutil.rmtree(unsealed / "codecs" / "words")
    (unsealed / "codecs" / "words").symlink_to(tiny / "codecs" / "words")
    assert CODEC in refused(unsealed)


ODD_LISTS: dict[str, Any] = {
    "infinite": {CONFIG: {"bytes": float("inf"), "sha256": "0"}},
    "a share": {CONFIG: {"bytes": 1.5, "sha256": "0"}},
    "yes": {CONFIG: {"bytes": True, "sha256": "0"}},
    "no digest": {CONFIG: {"bytes": 1}},
    "a list": [CONFIG],
    "text": {CONFIG: "0"},
}


@pytest.mark.parametrize("files", ODD_LISTS.values(), ids=ODD_LISTS)
def test_the_list_of_the_files_is_checked(unsealed: Path, files: Any) -> None:
    (unsealed / CARD).write_text(json.dumps({"preset_files": files}))
    assert "expected the bytes and the sha256 of each file for 'preset_files'" in refused(unsealed)


def test_nothing_is_hashed_that_is_no_file_of_a_preset(unsealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not under other spellings, and not what is larger than any preset."""
    seal(unsealed)
    card = json.loads((unsealed / CARD).read_text())
    entry = card["preset_files"][WEIGHTS]
    (unsealed / "huge.bin").touch()
    card["preset_files"]["huge.bin"] = entry
    (unsealed / CARD).write_text(json.dumps(card))
    Model.from_preset(unsealed)
    (unsealed / CARD).write_text(json.dumps({"preset_files": {f"./{WEIGHTS}": entry}}))
    refused(unsealed)
    (unsealed / CARD).write_text(json.dumps(card))
    monkeypatch.setattr("mmtoolkit.presets.MOST_BYTES", entry["bytes"] - 1)
    assert f"{WEIGHTS} has {entry['bytes']:,} bytes; a file of a preset has " in refused(unsealed, WEIGHTS)


def test_the_arrays_of_an_image_distribution_have_their_ranks(unsealed: Path) -> None:
    """A square mean once gave distances that are tables."""
    with h5py.File(unsealed / SEEN, "r+") as content:
        mean = content["mean"][()]
        del content["mean"]
        content["mean"] = np.stack([mean] * len(mean))
    refused(unsealed, SEEN)


def test_links_within_a_preset_are_followed(unsealed: Path) -> None:
    (unsealed / CARD).rename(unsealed / "mine.json")
    (unsealed / CARD).symlink_to("mine.json")
    assert Model.from_preset(unsealed).card == {"seed": 0}


def test_a_companion_takes_nothing_along_that_is_elsewhere(preset: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    shutil.copytree(tiny, preset / "question_only")
    (preset / "question_only" / "notes.txt").symlink_to(tmp_path / "secret.txt")
    Model.from_preset(preset).save_preset(tmp_path / "copy")
    assert (tmp_path / "copy" / "question_only" / "notes.txt").is_symlink()
    assert Model.from_preset(tmp_path / "copy" / "question_only").card == {"seed": 0}


# --- HDF5 ---


def external(file: h5py.File, name: str, secret: Path) -> None:
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "float32", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File, name: str, secret: Path) -> None:
    layout = h5py.VirtualLayout(file[name].shape, "float32")
    layout[:] = h5py.VirtualSource(str(secret), "mean", file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def link(made: Callable[[Path], Any]) -> Callable[[h5py.File, str, Path], None]:
    def replace(file: h5py.File, name: str, secret: Path) -> None:
        del file[name]
        file[name] = made(secret)

    return replace


def unstored(*shape: int, dtype: str = "float32", **options: Any) -> Callable[[h5py.File, str, Path], None]:
    def replace(file: h5py.File, name: str, secret: Path) -> None:
        del file[name]
        file.create_dataset(name, shape, dtype, **options)

    return replace


def converted(dtype: Any) -> Callable[[h5py.File, str, Path], None]:
    def replace(file: h5py.File, name: str, secret: Path) -> None:
        values = file[name][()]
        del file[name]
        file[name] = values.astype(dtype)

    return replace


TRICKS = {
    "external storage": external,
    "virtual": virtual,
    "external link": link(lambda secret: h5py.ExternalLink(str(secret), "mean")),
    "soft link": link(lambda secret: h5py.SoftLink("/axes")),
    "loop": link(lambda secret: h5py.SoftLink("/mean")),
    "six gigabytes": unstored(1_500_000_000),
    "many dimensions": unstored(*[2] * 32),
    "a chunk of gigabytes": unstored(10, maxshape=(None,), chunks=(900_000_000,), compression="gzip"),
    "texts": link(lambda secret: np.array([b"a", b"b"])),
    "a scalar": link(lambda secret: np.float32(1)),
    "nothing": link(lambda secret: h5py.Empty("f")),
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "secret.bin", "w") as file:
        file["mean"] = np.ones(4096, np.float32)
    return tmp_path / "secret.bin"


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("file", [WEIGHTS, SEEN])
def test_hdf5_files_read_no_others_and_declare_no_more_than_they_hold(
    unsealed: Path, secret: Path, file: str, trick: str
) -> None:
    with h5py.File(unsealed / file, "r+") as content:
        name = "mean" if file == SEEN else "decoder/embedding/vars/0"
        TRICKS[trick](content, name, secret)
    refused(unsealed, file)


def bomb(path: Path, filters: int) -> None:
    """Makes the entry `mean` a file of some kilobytes that is unpacked to 2 GB, where it declares 64 numbers."""
    with h5py.File(path, "r+") as content:
        del content["mean"]
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((64,))
        for _ in range(filters):
            creation.set_deflate(9)
        space = h5py.h5s.create_simple((64,))
        entry = h5py.h5d.create(content.id, b"mean", h5py.h5t.IEEE_F32LE, space, creation)
        packed = zlib.compressobj(9)
        data = b"".join([*(packed.compress(bytes(2**24)) for _ in range(128)), packed.flush()])
        entry.write_direct_chunk((0,), zlib.compress(data, 9) if filters == 2 else data)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc for the memory of a process")
@pytest.mark.parametrize("filters", [1, 2])
def test_what_unpacks_to_more_than_it_declares_is_refused(unsealed: Path, filters: int) -> None:
    bomb(unsealed / SEEN, filters)
    before = peak_memory()
    refused(unsealed, SEEN)
    assert peak_memory() - before < 200e6


def test_compressed_names_of_a_group_are_refused_before_hdf5_reads_them(unsealed: Path) -> None:
    """It unpacks them by itself, to any size."""
    with h5py.File(unsealed / SEEN, "r+", libver="latest") as content:
        group = content.create_group("more", track_order=True)
        for number in range(40):
            group[f"a{number}"] = np.zeros(1, np.float32)  # so many are kept in a heap
    Model.from_preset(unsealed)
    data = bytearray((unsealed / SEEN).read_bytes())
    at = data.index(b"FRHP\0")
    data[at + 7] = 1
    (unsealed / SEEN).write_bytes(data)
    assert "its groups are compressed" in refused(unsealed, SEEN)


@pytest.mark.parametrize("place", ["/", "mean"])
def test_attributes_are_short(unsealed: Path, place: str) -> None:
    """Each of many texts can be the same megabyte of the file."""
    with h5py.File(unsealed / SEEN, "r+") as content:
        content[place].attrs["dtype"] = ["a"] * 65
    assert "its attribute dtype has more than 64 values" in refused(unsealed, SEEN)


def test_many_chunks_are_refused_at_once(unsealed: Path) -> None:
    with h5py.File(unsealed / SEEN, "r+") as content:
        del content["mean"]
        content.create_dataset("mean", data=np.zeros(5000, np.float32), chunks=(1,), compression="gzip")
    assert "more than 4,000 chunks" in refused(unsealed, SEEN)


def test_convolutions_are_not_far_larger_than_the_weights(unsealed: Path) -> None:
    changed(unsealed, CONFIG, lambda config: config["model"].update(filters=[512, 512, 512], kernels=[15, 15, 15]))
    assert "a CNN of 117,964,800 weights" in refused(unsealed, CONFIG)


def test_attention_that_takes_too_much_memory_is_refused(unsealed: Path) -> None:
    beam = {"name": "BeamSearch", "width": 256}
    changed(
        unsealed, CONFIG, lambda config: config["model"].update(decoding=beam, image_size=512, attention_units=1024)
    )
    assert "describes attention of 1,073,741,824 values" in refused(unsealed, CONFIG)


def peak_memory() -> int:
    """Returns the most bytes that this process has had."""
    return 1000 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def test_groups_in_a_circle_end(unsealed: Path) -> None:
    with h5py.File(unsealed / WEIGHTS, "r+") as content:
        content["decoder/again"] = content["decoder"]
    assert "more than 2,048 entries" in refused(unsealed, WEIGHTS)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.int64, complex])
def test_weights_are_floats(unsealed: Path, dtype: Any) -> None:
    with h5py.File(unsealed / WEIGHTS, "r+") as content:
        converted(dtype)(content, "decoder/embedding/vars/0", unsealed)
    refused(unsealed, WEIGHTS)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_are_finite(unsealed: Path, number: float) -> None:
    with h5py.File(unsealed / WEIGHTS, "r+") as content:
        content["decoder/embedding/vars/0"][0, 0] = number
    assert "not a finite number, in " in refused(unsealed, WEIGHTS)


def test_a_model_that_overflows_is_told(unsealed: Path) -> None:
    """Each weight is finite; what is computed with them is not."""
    with h5py.File(unsealed / WEIGHTS, "r+") as content:
        content.visititems(
            lambda _, each: (
                each.write_direct(np.full(each.shape, 1e38, each.dtype))
                if isinstance(each, h5py.Dataset) and each.shape
                else None
            )
        )
    model = Model.from_preset(unsealed)
    with pytest.raises(mm.InputError, match="a Captioner whose numbers stay finite"):
        model.decode({"images": np.full((1, *model.input_shapes()["images"][1:]), 255, np.uint8)})


def test_a_weights_file_has_no_more_numbers_than_the_model(unsealed: Path) -> None:
    """Which Keras would read, set by set, though none fits."""
    with h5py.File(unsealed / WEIGHTS, "r+") as content:
        unstored(1000, 1000)(content, "decoder/embedding/vars/0", unsealed)
    assert "the file has 1,00" in refused(unsealed, WEIGHTS)


# --- damage ---


@pytest.fixture(params=[CONFIG, WEIGHTS, SEEN, CODEC, WORDS])
def file(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_a_file_that_was_cut_off_is_named_as_that(preset: Path, file: str) -> None:
    whole = (preset / file).read_bytes()
    if file != CONFIG:  # whose half is no JSON
        (preset / file).write_bytes(whole[:-1])
        assert f"of its {len(whole):,} bytes only {len(whole) - 1:,} are here; fetch it anew" in refused(preset, file)
        (preset / file).write_bytes(b"")
        assert "is damaged: it is empty" in refused(preset, file)
    (preset / file).write_bytes(whole + b"\n")
    assert f"{preset / file} is damaged: its SHA-256 is not the one in card.json" in refused(preset)


def test_every_flipped_bit_is_found(preset: Path, file: str) -> None:
    """One bit in each of thirty bytes, in turn."""
    whole = bytearray((preset / file).read_bytes())
    for place in np.random.default_rng(0).integers(0, len(whole), 30):
        whole[place] ^= 4
        (preset / file).write_bytes(whole)
        refused(preset, file)
        whole[place] ^= 4
    (preset / file).write_bytes(whole)
    Model.from_preset(preset)


def test_the_prose_of_a_card_may_be_edited(preset: Path) -> None:
    changed(preset, CARD, lambda card: card.update(limits="Knows two words."))
    assert Model.from_preset(preset).card == {"seed": 0, "limits": "Knows two words."}


def test_what_a_person_changes_is_sealed_anew(preset: Path) -> None:
    changed(preset, CONFIG, lambda config: config["model"].update(max_length=7))
    assert "delete its entry in card.json if you changed it yourself" in refused(preset)
    seal(preset)
    assert Model.from_preset(preset).max_length == 7


def test_a_companion_has_a_card_of_its_own(preset: Path, tiny: Path, tmp_path: Path) -> None:
    model = Model.from_preset(preset)
    model.companions.entries["question_only"] = tiny
    model.save_preset(tmp_path / "both")
    changed(tmp_path / "both" / "question_only", CARD, lambda card: card.update(limits="None."))
    assert Model.from_preset(tmp_path / "both").companions.model("question_only", Captioner).card["limits"] == "None."
    (tmp_path / "both" / "question_only" / WEIGHTS).write_bytes(b"")
    companions = Model.from_preset(tmp_path / "both").companions
    with pytest.raises(mm.InputError, match="question_only.*is damaged: it is empty"):
        companions.model("question_only", Captioner)


def test_a_companion_of_another_class_is_refused(preset: Path, tiny: Path) -> None:
    model = Model.from_preset(preset)
    model.companions.entries["question_only"] = tiny
    with pytest.raises(mm.InputError, match="Expected a preset of the class VisualQA"):
        model.companions.model("question_only", mm.VisualQA)


def test_a_model_with_more_words_is_sealed_anew(preset: Path, tmp_path: Path) -> None:
    from mmtoolkit.models.vocabulary_extension import extend_vocabulary

    neighbours = {"words": {"hexagon": ("circle",)}}  # given, so that none are looked for
    larger, _ = extend_vocabulary(Model.from_preset(preset), {"words": ["a red hexagon"]}, neighbours=neighbours)
    larger.save_preset(tmp_path / "larger")
    entries = [
        json.loads((folder / CARD).read_text())["preset_files"][WORDS] for folder in (preset, tmp_path / "larger")
    ]
    assert entries[0] != entries[1]
    assert "hexagon" in Model.from_preset(tmp_path / "larger").codec.vocabulary.tokens
