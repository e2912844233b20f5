"""The decoder against Pillow, on every kind of picture that people have."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from mmtoolkit.errors import InputError
from mmtoolkit.image_files import open_picture, to_rgb
from mmtoolkit.vision import decode_image, images, read_image
from mmtoolkit.vision.images import decode, decode_ahead, image_decoder

SIZE = 32


def smooth(height: int, width: int) -> np.ndarray:
    """A picture without symmetry: red grows to the right, green downwards, blue is a soft spot."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    spot = np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) * 20)
    return (np.stack([x, y, spot], -1) * 255).astype(np.uint8)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def decoded(data: bytes, size: int = SIZE) -> np.ndarray:
    return image_decoder(size)(tf.constant(data)).numpy()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}], ids=str)
def test_a_jpeg_of_the_right_size_equals_pillow_bit_for_bit(options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(noise(224, 224)), "JPEG", **options)
    np.testing.assert_array_equal(decoded(data, 224), by_pillow(data))


def test_squashing_equals_pillows_bilinear_filter() -> None:
    """Pillow's BILINEAR is a triangle filter widened when it shrinks; it rounds after each of its two passes."""
    data = encoded(Image.fromarray(smooth(90, 150)), "PNG")
    expected = np.asarray(Image.open(io.BytesIO(data)).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    assert np.abs(decoded(data).astype(int) - expected).max() <= 1
    data = encoded(Image.fromarray(noise(20, 11)), "PNG")  # enlarging
    expected = np.asarray(Image.open(io.BytesIO(data)).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    assert np.abs(decoded(data).astype(int) - expected).max() <= 1


def exif_block(orientation: int, order: str, *, before: int = 3) -> bytes:
    """An EXIF segment with `before` other tags in front of the orientation, written by hand."""
    entries = [struct.pack(order + "HHII", 0x0100 + tag, 4, 1, 7) for tag in range(before)]
    entries.append(struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0))
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", 0)
    return b"Exif\0\0" + (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + directory


def turned_jpeg(orientation: int, order: str) -> bytes:
    data = encoded(Image.fromarray(smooth(48, 64)), "JPEG", exif=exif_block(orientation, order), quality=95)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == orientation
    return data


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_equals_pillows(orientation: int, order: str) -> None:
    data = turned_jpeg(orientation, order)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected = decoded(encoded(upright, "PNG")).astype(int)
    difference = np.abs(decoded(data).astype(int) - expected)
    assert difference.max() <= 1  # the squash sums in another order when rows and columns have changed places
    assert (difference == 0).mean() > 0.99
    if orientation > 1:  # the test is no test if the picture looks the same either way
        assert np.abs(decoded(turned_jpeg(1, order)).astype(int) - expected).mean() > 10


def test_pillows_own_exif_block_is_read() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a description longer than four bytes", 6
    data = encoded(Image.fromarray(smooth(SIZE, SIZE)), "JPEG", exif=exif.tobytes(), quality=95)
    np.testing.assert_array_equal(decoded(data), np.rot90(by_pillow(data), -1))


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_png_and_webp_are_turned_as_pillow_turns_them(kind: str, orientation: int, order: str) -> None:
    data = encoded(Image.fromarray(smooth(SIZE, SIZE)), kind, exif=exif_block(orientation, order), lossless=True)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decoded(data), np.asarray(upright))


def test_a_webp_block_with_the_prefix_of_jpeg_is_read() -> None:
    """Some writers copy the segment of a JPEG as it is, and Pillow reads it."""
    data = encoded(Image.fromarray(smooth(SIZE, SIZE)), "WEBP", exif=exif_block(6, "<"), lossless=True)
    before, after = data.split(b"EXIF")
    block = b"Exif\0\0" + after[4:]
    body = before[8:] + b"EXIF" + struct.pack("<I", len(block)) + block
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(upright), np.rot90(smooth(SIZE, SIZE), -1))
    np.testing.assert_array_equal(decoded(data), np.asarray(upright))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_without_meaning_is_ignored(orientation: int, order: str) -> None:
    plain = encoded(Image.fromarray(smooth(SIZE, SIZE)), "JPEG", quality=95)
    data = encoded(Image.fromarray(smooth(SIZE, SIZE)), "JPEG", quality=95, exif=exif_block(orientation, order))
    np.testing.assert_array_equal(decoded(data), decoded(plain))


@pytest.mark.parametrize("length", [6, 7, 9, 13, 16, 30, 50])
def test_a_cut_off_exif_block_is_ignored(length: int) -> None:
    plain = encoded(Image.fromarray(smooth(SIZE, SIZE)), "JPEG")
    block = exif_block(6, ">")[:length]
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    np.testing.assert_array_equal(decoded(data), decoded(plain))


def test_random_bytes_in_an_exif_block_never_fail() -> None:
    plain = encoded(Image.fromarray(noise(SIZE, SIZE)), "JPEG")
    generator = np.random.default_rng(0)
    for trial in range(100):
        block = b"Exif\0\0" + (b"II", b"MM")[trial % 2] + generator.bytes(60)
        data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
        assert decoded(data).shape == (SIZE, SIZE, 3)


def test_the_word_exif_outside_its_segment_means_nothing() -> None:
    data = encoded(Image.fromarray(smooth(SIZE, SIZE)), "JPEG", comment=exif_block(6, ">"), quality=95)
    np.testing.assert_array_equal(decoded(data), by_pillow(data))


PICTURE = Image.fromarray(smooth(SIZE, SIZE))
KINDS: dict[str, bytes] = {
    "gray JPEG": encoded(PICTURE.convert("L"), "JPEG"),
    "CMYK JPEG": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "progressive JPEG": encoded(PICTURE, "JPEG", progressive=True),
    "PNG": encoded(PICTURE, "PNG"),
    "gray PNG": encoded(PICTURE.convert("L"), "PNG"),
    "gray and alpha PNG": encoded(PICTURE.convert("LA"), "PNG"),
    "palette PNG": encoded(PICTURE.convert("P"), "PNG"),
    "black and white PNG": encoded(PICTURE.convert("1"), "PNG"),
    "GIF": encoded(PICTURE.convert("P"), "GIF"),
    "moving GIF": encoded(PICTURE.convert("P"), "GIF", save_all=True, append_images=[PICTURE.rotate(90).convert("P")]),
    "BMP": encoded(PICTURE, "BMP"),
    "palette BMP": encoded(PICTURE.convert("P"), "BMP"),
    "black and white BMP": encoded(PICTURE.convert("1"), "BMP"),
    "WebP": encoded(PICTURE, "WEBP"),
    "TIFF": encoded(PICTURE, "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_of_every_kind_equal_pillows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(KINDS[kind])
    np.testing.assert_array_equal(read_image(path, size=SIZE), by_pillow(KINDS[kind]))


def on_white(rgba: np.ndarray) -> np.ndarray:
    """What is seen of `[height, width, 4]` in front of white paper, by the definition, in floats."""
    share = rgba[..., 3:] / 255
    return np.rint(share * rgba[..., :3] + (1 - share) * 255)


CLEAR = np.concatenate([smooth(SIZE, SIZE), noise(SIZE, SIZE)[..., :1]], -1)
CUT_OUT = np.where(CLEAR[..., 3:] < 128, [[[0, 0, 0, 0]]], CLEAR | [0, 0, 0, 255]).astype(np.uint8)


def hidden_colour_gif(*, corner: tuple[int, int] = (0, 0), own_palette: bool = False) -> bytes:
    """A GIF of four grey pixels and a transparent one whose hidden colour is black, maybe with room around it."""
    palette = bytes([0, 0, 0, 60, 60, 60, 120, 120, 120, 200, 200, 200])
    left, top = corner
    flags = b"\xf1" if not own_palette else b"\x70"
    screen = struct.pack("<HH", 3 + 2 * left, 2 + 2 * top) + flags + b"\0\0" + (b"" if own_palette else palette)
    control = b"\x21\xf9\x04\x01\0\0\x00\0"  # colour 0 is transparent
    frame = b"\x2c" + struct.pack("<HHHH", left, top, 3, 2) + (b"\x81" + palette if own_palette else b"\0")
    codes = [4, 1, 2, 3, 0, 1, 2, 5]  # clear, the six pixels, end: LZW with codes of three bits
    bits, packed = 0, 0
    data = bytearray()
    width, known = 3, 6
    for number, code in enumerate(codes):
        packed |= code << bits
        bits += width
        known += number > 1  # each code after the first adds a string
        width = 4 if known >= 8 else 3
        while bits >= 8:
            data.append(packed & 255)
            packed, bits = packed >> 8, bits - 8
    data += bytes([packed]) if bits else b""
    return b"GIF89a" + screen + control + frame + b"\x02" + bytes([len(data)]) + bytes(data) + b"\0;"


@pytest.mark.parametrize("kind", ["PNG", "lossless WebP", "WebP", "TIFF", "palette PNG", "gray PNG", "APNG"])
def test_what_is_transparent_is_seen_on_white(kind: str, tmp_path: Path) -> None:
    rgba = CLEAR if "palette" not in kind else CUT_OUT
    picture = Image.fromarray(rgba)
    if kind == "gray PNG":
        picture = Image.merge("LA", [picture.getchannel("R"), picture.getchannel("A")])
        rgba = np.concatenate([np.repeat(rgba[..., :1], 3, -1), rgba[..., 3:]], -1)
    if kind == "palette PNG":
        picture = picture.quantize(256)
        rgba = np.asarray(picture.convert("RGBA"))
        assert (rgba[..., 3] == 0).any()
    options: dict[str, dict[str, Any]] = {
        "lossless WebP": {"lossless": True, "exact": True},
        "WebP": {"quality": 100},
        "APNG": {"save_all": True, "append_images": [picture.rotate(90)]},
    }
    data = encoded(picture, kind.split()[-1].replace("APNG", "PNG"), **options.get(kind, {}))
    path = tmp_path / "clear"
    path.write_bytes(data)
    near = 16 if kind == "WebP" else 1
    assert np.abs(read_image(path, size=SIZE) - on_white(rgba)).max() <= near
    if kind != "TIFF":  # which only Pillow reads
        np.testing.assert_array_equal(decoded(data), read_image(path, size=SIZE))


@pytest.mark.parametrize("own_palette", [False, True])
@pytest.mark.parametrize("corner", [(0, 0), (2, 1)])
def test_a_transparent_gif_is_seen_on_white(own_palette: bool, corner: tuple[int, int]) -> None:
    data = hidden_colour_gif(corner=corner, own_palette=own_palette)
    left, top = corner
    expected = np.full((2 + 2 * top, 3 + 2 * left), 255, np.uint8)
    expected[top : top + 2, left : left + 3] = [[60, 120, 200], [255, 60, 120]]
    shown = Image.open(io.BytesIO(data)).convert("RGBA")
    assert shown.size == (3 + 2 * left, 2 + 2 * top) and shown.getpixel((left, top + 1))[3] == 0  # as Pillow reads it
    pixels = decode(tf.constant(data)).numpy()
    np.testing.assert_array_equal(pixels, np.repeat(expected[..., None], 3, -1))


def test_a_colour_of_a_png_may_be_transparent() -> None:
    picture = Image.fromarray(CUT_OUT[..., :3])
    data = encoded(picture, "PNG", transparency=(0, 0, 0))
    black = (CUT_OUT[..., :3] == 0).all(-1, keepdims=True)
    np.testing.assert_array_equal(decoded(data), np.where(black, 255, CUT_OUT[..., :3]))


@pytest.mark.parametrize("has_mask", [True, False])
def test_the_fourth_byte_of_a_bmp_counts_where_its_header_says_so(has_mask: bool) -> None:
    data = bytearray(encoded(Image.fromarray(CLEAR[..., [0, 1, 2, 3]]), "BMP"))
    if not has_mask:
        blank = b"BM" + struct.pack("<IHHI", 54 + 4 * SIZE * SIZE, 0, 0, 54)
        head = struct.pack("<IiiHHIIiiII", 40, SIZE, -SIZE, 1, 32, 0, 0, 0, 0, 0, 0)
        data = bytearray(blank + head + CLEAR[..., [2, 1, 0, 3]].tobytes())
    else:
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        head = struct.pack("<IiiHHIIiiII", 56, SIZE, -SIZE, 1, 32, 3, 0, 0, 0, 0, 0) + masks
        size = 14 + len(head)
        data = bytearray(b"BM" + struct.pack("<IHHI", size + 4 * SIZE * SIZE, 0, 0, size) + head)
        data += CLEAR[..., [2, 1, 0, 3]].tobytes()
    expected = on_white(CLEAR) if has_mask else CLEAR[..., :3]
    assert np.abs(decoded(bytes(data)) - expected).max() <= 1
    assert np.abs(np.asarray(to_rgb(open_picture(bytes(data)))) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["I", "F"])
def test_pixels_whose_black_and_white_are_not_known_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    Image.fromarray(smooth(SIZE, SIZE)[..., 0].astype({"I": np.int32, "F": np.float32}[kind])).save(path)
    with pytest.raises(InputError, match=r"map\.tif, .* \(its pixels are 32-bit .* not known; save it as 8-bit\)"):
        read_image(path, size=SIZE)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_twelve_bits_in_sixteen_are_told(ending: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (SIZE, SIZE), np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    with pytest.warns(UserWarning, match="16 bits a pixel is all but black"):
        np.testing.assert_array_equal(read_image(tmp_path / f"a.{ending}", size=SIZE)[..., 0], values >> 8)


def test_gray_of_sixteen_bits_and_of_twelve_is_scaled(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE), np.uint16)
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_image(path, size=SIZE)[..., 1], values >> 8)
    first, second = (values >> 4).reshape(-1, 2).astype(np.uint32).T  # two samples of 12 bits in three bytes
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8).tobytes()
    tags = {256: SIZE, 257: SIZE, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: SIZE, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    assert len(head) == tags[273]
    path.write_bytes(head + packed)
    np.testing.assert_array_equal(read_image(path, size=SIZE)[..., 2], values >> 8)


def test_sixteen_bits_keep_the_upper_eight() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE), np.uint16)
    expected = np.repeat((values >> 8)[..., None], 3, -1)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(values), "PNG")), expected)


def test_training_and_a_served_graph_see_the_same_pixels(tmp_path: Path) -> None:
    """In eager mode, in a data set's `map` and in a reloaded SavedModel, whose graph calls no Python."""

    class Served(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
        def decode(self, data: tf.Tensor) -> tf.Tensor:
            return decode_image(data, size=SIZE)

    files = [turned_jpeg(6, ">"), KINDS["palette PNG"], KINDS["WebP"], KINDS["GIF"]]
    tf.saved_model.save(Served(), str(tmp_path))
    served = tf.saved_model.load(str(tmp_path))
    graph = Served().decode.get_concrete_function().graph.as_graph_def()
    operations = {node.op for node in graph.node}
    operations |= {node.op for function in graph.library.function for node in function.node_def}
    assert "DecodeJpeg" in operations
    assert not {op for op in operations if "PyFunc" in op}
    mapped = tf.data.Dataset.from_tensor_slices(files).map(lambda data: decode_image(data, size=SIZE))
    for data, in_data_set in zip(files, mapped.as_numpy_iterator(), strict=True):
        expected = decode_image(tf.constant(data), size=SIZE).numpy()
        np.testing.assert_array_equal(in_data_set, expected)
        np.testing.assert_array_equal(served.decode(tf.constant(data)).numpy(), expected)


def test_an_animated_webp_gives_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "moves.webp"
    first, second = (Image.new("RGB", (SIZE, SIZE), colour) for colour in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second], lossless=True)
    np.testing.assert_array_equal(read_image(path, size=SIZE), np.asarray(first))


def test_half_a_heic_is_called_damaged(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    path = tmp_path / "half.heic"
    whole = encoded(PICTURE, "HEIF")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or cut off"):
        read_image(path, size=SIZE)


JPEG, PNG = encoded(PICTURE, "JPEG"), KINDS["PNG"]
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "text": b"this is no picture\n" * 20,
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "half a PNG": PNG[: len(PNG) // 2],
    "half a GIF": KINDS["GIF"][: len(KINDS["GIF"]) // 2],
    "half a WebP": KINDS["WebP"][: len(KINDS["WebP"]) // 2],
    "half a BMP": KINDS["BMP"][: len(KINDS["BMP"]) // 2],
    "half a TIFF": KINDS["TIFF"][: len(KINDS["TIFF"]) // 2],
    "a JPEG's first bytes": JPEG[:3],
    "a PNG with a wrong byte": PNG[:60] + bytes([PNG[60] ^ 0xFF]) + PNG[61:],
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_file_is_named_in_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[damage])
    with pytest.raises(InputError) as caught:
        read_image(path, size=SIZE)
    message = str(caught.value)
    assert f"Received: {path}, which cannot be read (" in message
    assert "\n" not in message and "{{" not in message and "Op:" not in message and "()" not in message


@pytest.mark.parametrize("damage", BROKEN)
def test_a_graph_refuses_broken_bytes(damage: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(BROKEN[damage])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.jpg, which cannot be read \(No such file or directory\)"):
        read_image(tmp_path / "missing.jpg", size=SIZE)
    with pytest.raises(InputError, match=r"which cannot be read \(Is a directory\)"):
        read_image(tmp_path, size=SIZE)


def test_heic_without_its_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(InputError) as caught:
        read_image(path, size=SIZE)
    assert str(path) in str(caught.value)
    assert "HEIC needs the package pillow-heif (pip install '.[heic]'), or convert it to JPEG" in str(caught.value)


def test_formats_of_pillow_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.tiff"
    PICTURE.save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path, size=SIZE), np.rot90(np.asarray(PICTURE), -1))


def test_heic_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pip install '.[heic]'")
    heif.register_heif_opener()
    path = tmp_path / "phone.heic"
    Image.fromarray(smooth(64, 64)).save(path, quality=90)
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_image(path, size=64), expected)
    assert np.abs(expected.astype(int) - smooth(64, 64)).mean() < 5  # it is that picture


def test_a_tiff_of_sixteen_bits_keeps_the_upper_eight(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE), np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.tiff")
    expected = np.repeat((values >> 8)[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.tiff", size=SIZE), expected)


def test_a_photo_of_twelve_megapixels(tmp_path: Path) -> None:
    """Non-square and turned: as Pillow squashes and turns it, up to the rounding of its two passes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    Image.fromarray(smooth(3000, 4000)).save(path, quality=80, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(path)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    assert np.abs(read_image(path, size=SIZE).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 9])
def test_pictures_are_decoded_ahead_in_order(batch_size: int, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        Image.fromarray(noise(SIZE, SIZE, number)).save(path)
    paths[3].write_bytes(b"no picture")
    batches = list(decode_ahead(paths, size=SIZE, batch_size=batch_size))
    assert [len(batch) for batch in batches] == [len(paths[i : i + batch_size]) for i in range(0, 5, batch_size)]
    found = [pair for batch in batches for pair in batch]
    assert [path for path, _ in found] == paths
    assert found[3][1] == "no known picture format"
    for number in (0, 1, 2, 4):
        np.testing.assert_array_equal(found[number][1], noise(SIZE, SIZE, number))


def test_at_most_one_batch_is_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pictures there are, two batches of them are in memory."""
    opened: list[Path] = []
    read_picture = images.read_picture

    def note(path: Path) -> bytes:
        opened.append(path)
        return read_picture(path)

    monkeypatch.setattr(images, "read_picture", note)
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        PICTURE.save(path)
    batches = decode_ahead(paths, size=SIZE, batch_size=3)
    for number in range(1, 5):
        next(batches)
        assert len(opened) <= 3 * (number + 1)
    assert len(opened) == 12
    assert next(batches, None) is None
