"""The notebooks, and what a person tries in one: in a fresh process, without a line of TensorFlow's log."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import mmtoolkit as mm

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOG_LINES = re.compile(r"^[IWEF]\d{4} |^WARNING: All log messages|^WARNING:tensorflow|oneDNN|cuda|cuInit", re.M | re.I)
LONGEST_CELL = 12
# Of this process; with PYTEST_CURRENT_TEST a kernel does not catch what is written below Python, such as a log line.
NOT_OF_A_PERSON = ("TF_CPP_MIN_LOG_LEVEL", "MPLBACKEND", "PYTEST_CURRENT_TEST")
VGG19 = "pretrained/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"

# What someone from Kaggle tries first.
TRIED = """
import io, pathlib
import numpy as np
from PIL import Image
import mmtoolkit as mm
from mmtoolkit.scenes import write_scenes

folder = write_scenes(pathlib.Path("scenes"), count=10, seed=0, size=64) / "images"
paths = sorted(folder.iterdir())
model = mm.load("shapes_demo")
picture, data = Image.open(paths[0]), paths[0].read_bytes()
array = np.asarray(picture)
first = model.generate(str(paths[0]))
for same in (paths[0], data, picture, array, picture.convert("RGBA"), io.BytesIO(data).getvalue()):
    assert model.generate(same) == first, type(same)
assert model.generate(np.asarray(picture.convert("L"))) and model.generate(picture.resize((300, 200)))
every = model.generate(paths)
assert model.generate(folder) == model.generate(str(folder)) == every and len(every) == 10
assert model.generate([paths[0], data, picture, array]) == [first] * 4
assert model.generate(np.stack([array, array])) == [first, first]

import tensorflow as tf

assert model.generate(tf.data.Dataset.from_tensor_slices([str(path) for path in paths])) == every
assert model.generate(tf.data.Dataset.from_tensors(array).repeat(2)) == [first, first]
assert model.generate(tf.constant(array)) == first
assert len(model.generate(paths[0], n_best=3)) == 3 and len(model.generate(paths[:2], n_best=4)[1]) == 4
for decoding in ("greedy", "beam", "sample", mm.Greedy(), mm.BeamSearch(width=5), mm.Sample(seed=1)):
    assert isinstance(model.generate(paths[0], decoding=decoding), str)
look = model.look(paths[0])
assert look.text == first and len(look.attention) == len(first.split()) and look._repr_png_()
look.save("attention.png"), look.plot().savefig("plot.png"), print(look, model.codec, mm.find_images([folder])[0])
model.save("model.keras"), model.save_preset("preset")
assert mm.load("model.keras").generate(paths[0]) == mm.load("preset").generate(paths[0]) == first
answerer = mm.load("shapes_vqa")
assert answerer.answer(paths[0], "how many shapes are there?").text in "123"
assert len(answerer.answer(paths[0], ["how many shapes are there?", "is there a star?"], n_best=2)[1]) == 2
wrong = {
    "nowhere": lambda: model.generate("nowhere.png"),
    "int": lambda: model.generate(3),
    "shape": lambda: model.generate(np.zeros((2, 2, 7), np.uint8)),
    "range": lambda: model.generate(array * 2.0),
    "bytes": lambda: model.generate(b"no picture"),
    "n_best": lambda: model.generate(paths[0], n_best=0),
    "decoding": lambda: model.generate(paths[0], decoding="beams"),
    "look": lambda: model.look(paths),
    "preset": lambda: mm.load("shape_demo"),
    "option": lambda: mm.Captioner(model.codec, encoder="small", cell="lstmm"),
    "records": lambda: mm.read_captions("nowhere"),
    "question": lambda: answerer.answer(paths[0], 3),
}
for name, call in wrong.items():
    try:
        raise SystemExit(f"{name}: taken, {call()!r}")
    except mm.InputError as error:
        assert "\\n" not in str(error) and len(str(error)) < 400, error
"""

# Loads TensorFlow through the package.
QUIET = "import mmtoolkit as mm, sys; mm.load; print('tensorflow' in sys.modules)"


def cells(notebook: Path, kind: str = "code") -> list[dict[str, Any]]:
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def fresh(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python as someone who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    kept |= {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=300)


@dataclass
class Shown:
    """What a notebook shows: what it prints, the values of its cells, what it writes to stderr, and its pictures."""

    printed: str = ""
    values: list[str] = field(default_factory=list)
    stderr: str = ""
    pictures: int = 0

    def line(self, pattern: str) -> tuple[str, ...]:
        """Returns the groups of the one line that begins with a pattern."""
        (found,) = re.finditer(f"^{pattern}", self.printed, re.M)
        return found.groups()

    def numbers(self, pattern: str) -> list[float]:
        return [float(group) for group in self.line(pattern)]


def run(notebook: Path, folder: Path, **environment: str) -> Shown:
    """Runs a notebook in a kernel and a folder of its own, as someone who has set nothing; no cell may raise."""
    whole = nbformat.read(notebook, as_version=4)
    kept = {name: value for name, value in os.environ.items() if name not in NOT_OF_A_PERSON}
    kept |= {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), "MMTOOLKIT_CACHE": str(folder / "cache")}
    client = NotebookClient(whole, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=kept | environment)
    shown = Shown()
    for output in (output for cell in whole.cells if cell.cell_type == "code" for output in cell.outputs):
        if output.output_type == "stream":
            shown.printed += output.text if output.name == "stdout" else ""
            shown.stderr += output.text if output.name == "stderr" else ""
        else:
            shown.values.append(output.data.get("text/plain", ""))
            shown.pictures += "image/png" in output.data
    return shown


def run_quietly(name: str, folder: Path, **environment: str) -> Shown:
    shown = run(ROOT / "notebooks" / name, folder, **environment)
    assert LOG_LINES.findall(shown.stderr) == [] and shown.stderr == "", shown.stderr
    return shown


def assert_quiet(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr[-4000:]
    assert LOG_LINES.findall(done.stderr) == [], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_as_it_was_written(notebook: Path) -> None:
    whole = json.loads(notebook.read_text(encoding="utf-8"))
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    assert whole["metadata"]["kernelspec"]["name"] == "python3"
    names = [cell["id"] for cell in whole["cells"]]
    assert len(set(names)) == len(names)
    for cell in cells(notebook):
        assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
        assert 0 < len(cell["source"]) <= LONGEST_CELL


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_the_links_of_a_notebook_lead_somewhere(notebook: Path) -> None:
    prose = "".join("".join(cell["source"]) for cell in cells(notebook, "markdown"))
    targets = re.findall(r"\]\(([^)\s:#]+)\)", prose)
    assert targets and [target for target in targets if not (notebook.parent / target).exists()] == []


@pytest.mark.parametrize("korean", [path for path in NOTEBOOKS if ".ko." in path.name], ids=lambda path: path.name)
def test_both_languages_have_the_same_cells(korean: Path) -> None:
    english = korean.with_name(korean.name.replace(".ko.", "."))
    assert cells(korean) == cells(english)
    assert len(cells(korean, "markdown")) == len(cells(english, "markdown"))
    assert all(re.search("[가-힣]", "".join(cell["source"])) for cell in cells(korean, "markdown"))


def test_a_text_in_both_languages_has_each_in_every_cell() -> None:
    both = [path for path in NOTEBOOKS if path.name.split(".")[0] not in ("quickstart", "keras")]
    for cell in (cell for notebook in both for cell in cells(notebook, "markdown")):
        text = "".join(cell["source"])
        assert all(" · " in line for line in text.splitlines() if line.startswith("#"))
        korean = [bool(re.search("[가-힣]", part)) for part in text.split("\n\n") if not re.search("^#| · ", part)]
        assert korean == [False, True] * (len(korean) // 2), text


def test_a_log_line_of_a_notebook_would_be_seen(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("import os\nos.write(2, b'I0000 00:00:1 a note\\n');")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "log.ipynb")
    assert LOG_LINES.findall(run(tmp_path / "log.ipynb", tmp_path).stderr)


@pytest.mark.slow
def test_the_quick_start_runs_and_fine_tuning_helps(tmp_path: Path) -> None:
    shown = run_quietly("quickstart.ipynb", tmp_path)
    before, after = shown.numbers(r"BLEU-4: ([\d.]+) before, ([\d.]+) after$")
    assert before < 35 and after > before + 10


@pytest.mark.slow
def test_the_notebook_for_keras_runs(tmp_path: Path) -> None:
    shown = run_quietly("keras.ipynb", tmp_path)
    assert "('bfloat16', 'float32')" in shown.values and "0.0" in shown.values
    assert shown.values.count("True") == 2  # the models that were saved, and the one of own layers, write the same


@pytest.mark.slow
def test_the_model_of_four_letters_spells_hello(tmp_path: Path) -> None:
    shown = run_quietly("hello.ipynb", tmp_path)
    assert shown.line(r"40 steps: '(\w+)', loss")[0] == "hello"
    assert shown.line(r" 0 steps: '(\w*)'$")[0] != "hello"
    assert shown.numbers(r"largest difference: (\S+)$")[0] < 1e-6
    scores = {"h": 1.0, "e": 2.2, "l": -3.0, "o": 4.1}
    total = sum(map(math.exp, scores.values()))
    for letter, score in scores.items():
        probability, drawn = shown.numbers(rf"{letter}: probability ([\d.]+), drawn ([\d.]+)$")
        expected = math.exp(score) / total
        assert probability == pytest.approx(expected, abs=6e-5)
        assert drawn == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 10_000) + 6e-5)
    assert shown.numbers(r"loss if e is right: ([\d.]+)$")[0] == pytest.approx(math.log(total) - 2.2, abs=6e-4)
    assert shown.pictures == 2


@pytest.mark.slow
def test_the_gates_of_the_notebook_give_the_states_of_the_cell(tmp_path: Path) -> None:
    shown = run_quietly("gates.ipynb", tmp_path)
    steps, difference = shown.numbers(r"largest difference over (\d+) steps: (\S+)$")[:2]
    assert (steps, difference < 1e-4) == (len("two large red squares.") + 1, True)
    rows = np.array([line.split()[-6:] for line in shown.printed.splitlines() if re.match("'.+' ", line)], float)
    assert rows.shape == (steps, 6)
    inputs, forget, candidate, output, memory, state = rows.T
    before = np.concatenate([[0.0], memory[:-1]])
    assert np.allclose(forget * before + inputs * candidate, memory, atol=1e-4 * (2 + np.abs(memory).max()))
    assert np.allclose(output * np.tanh(memory), state, atol=2e-4)
    letters = 3 + 5 + 4.5 + 6 + 3 + 2 / 3 + 2  # number, size, colour, kind, blanks, an s of two in three, "." and END
    last, lowest = shown.numbers(r"loss: \[.*, ([\d.]+)\] lowest: ([\d.]+)$")
    assert lowest == pytest.approx(math.log(3 * 2 * 4 * 4) / letters, abs=0.002) and lowest - 0.002 < last < 0.3
    (several,) = shown.numbers(r"two large red square: probability of an s ([\d.]+)$")
    (one,) = shown.numbers(r"a large red square: probability of an s ([\d.]+)$")
    assert several > one + 0.5 and shown.pictures == 2


@pytest.mark.slow
def test_the_gradients_of_the_notebook_keep_their_bounds(tmp_path: Path) -> None:
    shown = run_quietly("gradients.ipynb", tmp_path)
    back = [int(steps) for steps in shown.line("steps back +(.*)$")[0].split()]
    norms = {}
    for cell in ("rnn_sigmoid", "rnn", "rnn_relu", "gru", "lstm"):
        norms[cell] = np.array(shown.line(rf"{cell} +(\d.*)$")[0].split(), float)
    slack = 1.05  # numbers of two digits
    assert (norms["rnn_sigmoid"] <= slack * (1.5 / 4) ** np.array(back)).all()
    assert (norms["rnn"] <= slack * 1.5 ** np.array(back)).all() and norms["rnn"][-1] < 0.01
    assert (norms["rnn_relu"] <= slack * 1.5 ** np.array(back)).all() and norms["rnn_relu"][-1] > 1000
    assert shown.numbers(r"largest relative difference over 60 steps: (\S+)$")[0] < 1e-4
    shares = []
    for bias in (0, 1, 2, 5):
        gate, share = shown.numbers(rf"bias {bias}: gate ([\d.]+), share of the gradient 50 steps back (\S+)$")
        assert gate == pytest.approx(1 / (1 + math.exp(-bias)), abs=0.006)
        shares.append(share)
    assert shares == sorted(shares) and shares[0] < 1e-8 < 0.01 < shares[-1]
    first, last = shown.numbers(r"clipping c = 1: first (\S+), last of 20 (\S+)$")
    assert last < first / 10 and shown.line(r"clipping none: first \S+, last of \d+ (\w+)$")[0] in ("nan", "inf")
    assert shown.pictures == 3


def entropy(weights: np.ndarray) -> float:
    return -sum(weight * math.log2(weight) for weight in weights.flat if weight > 0)


@pytest.mark.slow
def test_the_attention_of_the_notebook_sums_to_1(tmp_path: Path) -> None:
    shown = run_quietly("attention.ipynb", tmp_path)
    table = np.array([line.split() for line in shown.printed.splitlines() if re.fullmatch(r"( *\d+\.\d\d){8}", line)])
    weights = table.astype(float) / 100
    assert weights.shape == (8, 8) and weights.sum() == pytest.approx(1, abs=64 * 5e-5)
    assert shown.numbers(r"entropy ([\d.]+) bits$")[0] == pytest.approx(entropy(weights), abs=0.01)
    rows = re.findall(
        r"^(\w+) +sum ([\d.]+)  entropy ([\d.]+)  largest ([\d.]+)  row (\d) column (\d)$", shown.printed, re.M
    )
    assert f"'{' '.join(word for word, *_ in rows)}'" in shown.values[0]
    assert all(abs(float(total) - 1) < 1e-5 and 0 <= float(bits) <= 6 for _, total, bits, *_ in rows)
    (largest,) = {(int(row), int(column)) for word, *_, row, column in rows if word == "triangle"}
    assert weights[largest] == weights.max()
    assert re.search(r"^\[0.333 0.333 0.333\] context \[0.667 0.667\] entropy 1.585 bits$", shown.printed, re.M)
    assert "VGG19's weights are not here" in shown.printed and not (tmp_path / "cache").exists()
    assert shown.pictures == 1


@pytest.mark.slow
def test_the_attention_notebook_captions_a_photo_where_there_is_vgg19(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    mm.extractor_key(str(shared / VGG19))
    shown = run_quietly("attention.ipynb", tmp_path)
    text, bits = shown.line(r"([a-z ]+) \(\d+, 14, 14\) at most ([\d.]+) bits$")
    assert len(text.split()) > 3 and float(bits) == pytest.approx(2 * math.log2(14), abs=0.006)
    assert shown.pictures == 2


def test_the_words_of_the_notebook_have_the_neighbours_that_their_captions_give_them(tmp_path: Path) -> None:
    shown = run_quietly("word2vec_map.ipynb", tmp_path)
    near = {
        word: set(re.findall("[a-z]+", shown.line(f"{word}: (.*)$")[0])) for word in ("red", "circle", "left", "large")
    }
    assert near["red"] <= {"blue", "green", "yellow", "purple", "orange"}
    assert near["circle"] >= {"square", "triangle", "star"} and "right" in near["left"] and "small" in near["large"]
    assert shown.line(r"\[.*\] (True|False)$")[0] == "True"  # NumPy finds the same
    before, after = re.findall(r"^right: (\d+) of 12, plural: (\d+) of 12$", shown.printed, re.M)
    assert (int(before[0]) < 10, before[1], after) == (True, "12", ("12", "12"))
    assert shown.pictures == 2


def test_what_one_tries_first_works_or_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = fresh("-c", TRIED, cwd=tmp_path)
    assert_quiet(done)
    assert done.stderr == ""


def test_the_package_loads_tensorflow_without_its_notes(tmp_path: Path) -> None:
    done = fresh("-c", QUIET, cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_who_sets_the_log_level_gets_that(tmp_path: Path) -> None:
    done = fresh("-c", f"{QUIET}; import os; os.write(2, b'here')", cwd=tmp_path, TF_CPP_MIN_LOG_LEVEL="0")
    assert done.stdout == "True\n" and LOG_LINES.search(done.stderr) and done.stderr.endswith("here")
