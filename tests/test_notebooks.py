"""The notebooks, and what a person tries in one: in a fresh process, without a line of TensorFlow's log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOG_LINES = re.compile(r"^[IWEF]\d{4} |^WARNING: All log messages|^WARNING:tensorflow|oneDNN|cuda|cuInit", re.M | re.I)
LONGEST_CELL = 12

# What a notebook does with a cell: the value of its last line is shown, with the richest form that it has.
SHOW = """
import ast, json, pathlib, sys

names, texts = {"__name__": "__main__"}, json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
for number, text in enumerate(texts):
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None
    if value is not None:
        shown = next((form for form in ("_repr_html_", "_repr_png_", "__repr__") if hasattr(value, form)))
        print(getattr(value, shown)())
"""

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


def show(notebook: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "cells.json").write_text(json.dumps(["".join(cell["source"]) for cell in cells(notebook)]))
    return fresh("-c", SHOW, folder / "cells.json", cwd=folder)


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


@pytest.mark.slow
def test_the_quick_start_runs_and_fine_tuning_helps(tmp_path: Path) -> None:
    done = show(ROOT / "notebooks" / "quickstart.ipynb", tmp_path)
    assert_quiet(done)
    (scores,) = re.findall(r"^BLEU-4: ([\d.]+) before, ([\d.]+) after$", done.stdout, re.M)
    assert float(scores[0]) < 35 and float(scores[1]) > float(scores[0]) + 10


@pytest.mark.slow
def test_the_notebook_for_keras_runs(tmp_path: Path) -> None:
    done = show(ROOT / "notebooks" / "keras.ipynb", tmp_path)
    assert_quiet(done)
    assert "\n('bfloat16', 'float32')\n" in done.stdout and "\n0.0\n" in done.stdout
    assert done.stdout.count("\nTrue\n") == 2  # the models that were saved, and the one of own layers, write the same


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
