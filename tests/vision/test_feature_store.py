"""The feature store: what is read is what was extracted, whatever happened in between."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.vision import ExtractorKey, FeatureStore, RegionExtractor, feature_store, read_image

KEY = ExtractorKey("random", "float32")


class Patches:
    """A cheap stand-in for VGG19: each region is the red, green and blue of one pixel, then position and sum."""

    def __init__(self) -> None:
        self.pictures = 0

    def count(self, batch: int) -> np.int64:
        self.pictures += int(batch)
        return np.int64(batch)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        counted = tf.numpy_function(self.count, [tf.shape(images)[0]], tf.int64)
        with tf.control_dependencies([counted]):
            corners = tf.reshape(images[:, ::16, ::16], (-1, 196, 3))
        return tf.cast(
            tf.pad(tf.cast(corners, tf.float32), [[0, 0], [0, 0], [0, 509]], constant_values=0.5), tf.float16
        )


def fresh(path: Path) -> np.ndarray:
    """What `Patches` says about one picture, in NumPy."""
    corners = read_image(path, size=224)[::16, ::16].reshape(196, 3)
    return np.concatenate([corners, np.full((196, 509), 0.5)], axis=1).astype(np.float16)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "SHARD", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def check(store: FeatureStore, pictures: list[Path]) -> None:
    np.testing.assert_array_equal(store.read(pictures), np.stack([fresh(path) for path in pictures]))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_stored_features_equal_fresh_ones(batch_size: int, pictures: list[Path], folder: Path) -> None:
    store = FeatureStore(folder, KEY)
    assert store.add(pictures, Patches, batch_size=batch_size) == {}
    check(store, pictures)
    again = FeatureStore(folder, KEY)
    assert len(again) == 7 and all(path in again for path in pictures)
    check(again, [pictures[index] for index in (6, 0, 3, 3)])
    assert sum(len(np.load(path, allow_pickle=False)) for path in again.folder.glob("*.npy")) == 7  # plain NumPy files
    assert sorted(path.suffix for path in again.folder.iterdir()) == sorted(["", *[".json", ".npy"] * 4])
    assert again.read(pictures).dtype == again.dtype and again.read(pictures).shape[1:] == again.shape


def test_features_of_vgg19_equal_fresh_ones(pictures: list[Path], folder: Path) -> None:
    extractor = RegionExtractor.from_weights(None, precision="float32")
    store = FeatureStore(folder, KEY)
    store.add(pictures[:2], extractor)
    expected = np.asarray(extractor(np.stack([read_image(path, size=224) for path in pictures[:2]])))
    np.testing.assert_allclose(FeatureStore(folder, KEY).read(pictures[:2]), expected, rtol=2e-3, atol=1e-2)
    assert len(store) == 2


def test_what_is_stored_is_not_extracted_again(pictures: list[Path], folder: Path) -> None:
    first, second = Patches(), Patches()
    FeatureStore(folder, KEY).add(pictures[:3], lambda: first)
    store = FeatureStore(folder, KEY)
    store.add(pictures, lambda: second)
    assert (first.pictures, second.pictures) == (3, 4)
    check(store, pictures)

    def fail() -> Patches:
        raise ValueError("nothing is missing, so no network is needed")

    calls: list[tuple[int, int]] = []
    store.add(pictures, fail, progress=lambda *counts: calls.append(counts))
    assert calls == []


def test_a_renamed_picture_is_known_and_a_changed_one_is_not(pictures: list[Path], folder: Path) -> None:
    FeatureStore(folder, KEY).add(pictures, Patches)
    moved = pictures[0].rename(pictures[0].with_name("other.png"))
    pictures[1].write_bytes(pictures[1].read_bytes() + b"changed")
    store = FeatureStore(folder, KEY)
    assert moved in store
    assert pictures[1] not in store


def test_equal_pictures_are_stored_once(pictures: list[Path], folder: Path) -> None:
    twin = pictures[0].with_name("twin.png")
    twin.write_bytes(pictures[0].read_bytes())
    patches, store = Patches(), FeatureStore(folder, KEY)
    store.add([*pictures, twin], lambda: patches)
    assert len(store) == patches.pictures == 7
    check(store, [twin, pictures[0]])


@pytest.mark.parametrize("other", [ExtractorKey("random", "bfloat16"), ExtractorKey("0123", "float32")])
def test_stores_of_other_keys_never_mix(other: ExtractorKey, pictures: list[Path], folder: Path) -> None:
    store = FeatureStore(folder, KEY)
    store.add(pictures, Patches)
    stranger = FeatureStore(folder, other)
    assert len(stranger) == 0 and pictures[0] not in stranger
    with pytest.raises(InputError, match=r"No features are stored for .*0\.png; run `mmtoolkit features`"):
        stranger.read(pictures[:1])
    stranger.add(pictures[:1], Patches)
    assert stranger.folder != store.folder
    assert json.loads((stranger.folder / "key").read_text())["precision"] == other.precision
    assert len(FeatureStore(folder, KEY)) == 7


def test_unreadable_pictures_are_listed_and_the_others_stored(pictures: list[Path], folder: Path) -> None:
    half, copy, text = (pictures[0].with_name(name) for name in ("half.png", "copy.png", "text.jpg"))
    half.write_bytes(pictures[0].read_bytes()[:900])
    copy.write_bytes(half.read_bytes())
    text.write_text("no picture")
    missing = pictures[0].with_name("missing.png")
    calls: list[tuple[int, int]] = []
    store = FeatureStore(folder, KEY)
    mixed = [half, *pictures[:3], missing, text, *pictures[3:], copy]
    failures = store.add(iter(mixed), Patches, batch_size=2, progress=lambda *counts: calls.append(counts))
    assert set(failures) == {half, copy, text, missing}
    assert failures[missing] == "No such file or directory" and failures[text] == "no known picture format"
    assert "PNG" in failures[half] and failures[copy] == failures[half]
    check(store, pictures)
    assert calls == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]  # seven good ones, the half one, the text
    with pytest.raises(InputError, match=r"half\.png"):
        store.read([pictures[0], half])
    with pytest.raises(InputError, match=r"missing\.png"):
        store.read([missing])


def test_a_batch_without_a_good_picture_is_no_trouble(pictures: list[Path], folder: Path) -> None:
    for path in pictures[:3]:
        path.write_bytes(path.name.encode())
    patches, store = Patches(), FeatureStore(folder, KEY)
    assert set(store.add(pictures[:3], lambda: patches, batch_size=2)) == set(pictures[:3])
    assert patches.pictures == len(store) == 0


# A child process that stops inside the extraction until it is killed: at a report of progress, or where a shard's
# rows or listing are about to be put in place.
KILLED = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_feature_store import KEY, Patches
from mmtoolkit.vision import FeatureStore, feature_store

feature_store.SHARD = 2
folder, where, pictures = Path(sys.argv[2]), sys.argv[3], [Path(name) for name in sys.argv[4:]]
replace, done = os.replace, []

def stop():
    print("stopped", flush=True)
    sys.stdin.read()

def stop_at(source, target):
    done.append(Path(target).suffix)
    if where != "progress" and done.count(where) == 2:
        stop()
    replace(source, target)

os.replace = stop_at
FeatureStore(folder, KEY).add(
    pictures, Patches, batch_size=1, progress=lambda now, total: stop() if (where, now) == ("progress", 5) else None
)
"""


@pytest.mark.parametrize(("where", "finished"), [("progress", 4), (".npy", 2), (".json", 2)])
@pytest.mark.slow
def test_a_killed_extraction_goes_on_where_it_was(
    where: str, finished: int, pictures: list[Path], folder: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(folder), where, *map(str, pictures)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        said = child.stdout.readline() if child.stdout else b""
        child.kill()
        errors = child.stderr.read().decode() if child.stderr else ""
    assert said == b"stopped\n", errors
    assert child.returncode == -9
    store = FeatureStore(folder, KEY)
    left = {path.suffix for path in store.folder.iterdir()}
    assert (".part" in left) == (where != "progress")
    assert len(store) == finished
    check(store, pictures[:finished])
    patches = Patches()
    assert store.add(pictures, lambda: patches, batch_size=1) == {}
    assert patches.pictures == 7 - finished
    check(FeatureStore(folder, KEY), pictures)


def test_what_a_kill_left_half_written_is_taken_away_unless_it_is_being_written(
    pictures: list[Path], folder: Path
) -> None:
    store = FeatureStore(folder, KEY)
    store.folder.mkdir(parents=True)
    old, new = (store.folder / f".0123.npy.{number}.part" for number in (1, 2))
    for partial in (old, new):
        partial.write_bytes(b"half")
    os.utime(old, (0, 0))
    store.add(pictures, Patches)
    assert not old.exists() and new.exists()
    check(store, pictures)


def test_who_stops_an_extraction_keeps_what_is_done(pictures: list[Path], folder: Path) -> None:
    """The shard that is open too, which a kill would lose."""

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    store = FeatureStore(folder, KEY)
    with pytest.raises(KeyboardInterrupt):
        store.add(pictures, Patches, batch_size=1, progress=stop)
    store = FeatureStore(folder, KEY)
    assert len(store) == 3
    check(store, pictures[:3])


def test_rows_without_their_listing_are_overwritten(pictures: list[Path], folder: Path) -> None:
    store = FeatureStore(folder, KEY)
    store.add(pictures[:2], Patches)
    (listing,), (rows,) = store.folder.glob("*.json"), store.folder.glob("*.npy")
    listing.unlink()
    rows.write_bytes(rows.read_bytes()[:1000])
    again = FeatureStore(folder, KEY)
    assert len(again) == 0
    again.add(pictures[:2], Patches)
    check(FeatureStore(folder, KEY), pictures[:2])
    assert list(again.folder.glob("*.npy")) == [rows]


def test_a_damaged_row_is_found_when_it_is_read(pictures: list[Path], folder: Path) -> None:
    store = FeatureStore(folder, KEY)
    store.add(pictures, Patches, batch_size=2)
    shard = next(path for path in store.folder.glob("*.json") if store.digest(pictures[2]) in path.read_text())
    shard = shard.with_suffix(".npy")
    content = bytearray(shard.read_bytes())
    content[128 + 100_001] ^= 0x10  # the first row, behind the header
    shard.write_bytes(content)
    damaged = FeatureStore(folder, KEY)
    check(damaged, [pictures[0], pictures[3]])
    for _ in range(2):  # not only the first time
        with pytest.raises(InputError) as caught:
            damaged.read([pictures[0], pictures[2]])
        assert f"features of {pictures[2]} are damaged" in str(caught.value) and str(shard) in str(caught.value)


DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "rows cut off": (".npy", lambda content: content[:-1000]),
    "empty rows": (".npy", lambda content: b""),
    "rows without a header": (".npy", lambda content: b"no array" + content[8:]),
    "a zip file": (".npy", lambda content: b"PK\x03\x04" + content[4:]),
    "too few rows": (".npy", lambda content: content.replace(b"(2, 196, 512)", b"(1, 196, 512)")),
    "rows of another type": (".npy", lambda content: content.replace(b"<f2", b"<i2")),
    "listing cut off": (".json", lambda content: content[:-10]),
    "another listing": (".json", lambda content: b"[1, 2]"),
    "a listing of bytes": (".json", lambda content: b"\xff\xfe"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_shard_is_named(kind: str, pictures: list[Path], folder: Path) -> None:
    suffix, damage = DAMAGES[kind]
    store = FeatureStore(folder, KEY)
    store.add(pictures[:4], Patches)
    victim = sorted(store.folder.glob(f"*{suffix}"))[1]
    victim.write_bytes(damage(victim.read_bytes()))
    with pytest.raises(InputError) as caught:
        FeatureStore(folder, KEY)
    assert str(victim.with_suffix(".npy")) in str(caught.value) and "is damaged (" in str(caught.value)
    assert "\n" not in str(caught.value)
    for path in (victim.with_suffix(".npy"), victim.with_suffix(".json")):  # what the message says to do
        path.unlink()
    mended = FeatureStore(folder, KEY)
    assert len(mended) == 2
    mended.add(pictures, Patches)
    check(mended, pictures)


def no_space(*args: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("write", "finished"), [(1, 0), (2, 0), (3, 0), (4, 2), (5, 2), (6, 4)])
def test_a_full_disk_leaves_finished_shards_only(
    write: int, finished: int, pictures: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the nth file: the key, then rows and listing of the first shard, and so on."""
    with monkeypatch.context() as patch:
        writes: Iterator[Callable[..., None]] = iter([*[os.fsync] * (write - 1), no_space])
        patch.setattr(os, "fsync", lambda file: next(writes)(file))
        with pytest.raises(OSError, match="No space left on device"):
            FeatureStore(folder, KEY).add(pictures, Patches, batch_size=3)
    store = FeatureStore(folder, KEY)
    assert not list(store.folder.glob("*.part"))
    assert len(store) == finished
    patches = Patches()
    store.add(pictures, lambda: patches)
    assert patches.pictures == 7 - finished
    check(FeatureStore(folder, KEY), pictures)


def test_rows_cut_off_by_a_full_disk_are_taken_away(
    pictures: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(file: BinaryIO, rows: np.ndarray) -> None:
        file.write(rows.tobytes()[:1000])
        no_space()

    with monkeypatch.context() as patch:
        patch.setattr(feature_store, "save_rows", save)
        with pytest.raises(OSError, match="No space left"):
            FeatureStore(folder, KEY).add(pictures, Patches)
    store = FeatureStore(folder, KEY)
    assert [path.name for path in store.folder.iterdir()] == ["key"]
    store.add(pictures, Patches)
    check(store, pictures)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_memory_does_not_grow_with_the_pictures(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred pictures more are 40 MB of features more on disk, and none in memory."""

    def own_memory() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))

    monkeypatch.setattr(feature_store, "SHARD", 8)
    paths = [tmp_path / f"{number}.png" for number in range(248)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    used: list[float] = []
    store = FeatureStore(folder, KEY)
    store.add(paths, Patches, batch_size=8, progress=lambda done, total: used.append(own_memory()))
    assert len(store) == len(paths)
    assert max(used) - used[5] < 20


def test_two_runs_at_once_do_not_harm_each_other(pictures: list[Path], folder: Path) -> None:
    one, two = FeatureStore(folder, KEY), FeatureStore(folder, KEY)
    one.add(pictures[:5], Patches)
    two.add(pictures[2:], Patches, batch_size=3)  # knows nothing of the other's shards
    both = FeatureStore(folder, KEY)
    assert len(both) == 7
    for store, known in ((one, pictures[:5]), (two, pictures[2:]), (both, pictures)):
        check(store, known)
