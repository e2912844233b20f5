"""`import mmtoolkit as mm` is typed: mypy follows the public names, and refuses what the library would refuse."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmtoolkit as mm

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "mmtoolkit" / "__init__.pyi"
MODEL_STUB = ROOT / "mmtoolkit" / "models" / "keras_model.pyi"

# A line that mypy shall refuse ends in what it shall say; all others it shall accept.
SNIPPET = """
from pathlib import Path

import mmtoolkit as mm

records = mm.read_captions("captions.csv")
splits = mm.split(records, seed=1)
first: mm.CaptionRecord = splits.train[0]
first.captoins  # error: "CaptionRecord" has no attribute "captoins"; maybe "captions"?

codec = mm.TextCodec.fit(mm.texts(splits.train), min_count=2)
captioner = mm.Captioner(codec, units=64, decoding=mm.BeamSearch(width=3))
mm.Captioner(codec, image_size="64")  # error: Argument "image_size" to "Captioner" has incompatible type "str"
mm.BeamSearch(widht=3)  # error: Unexpected keyword argument "widht" for "BeamSearch"; did you mean "width"?
captioner.compile(mm.adam(1e-3, steps=100), loss=mm.token_loss())
captioner.fit(mm.caption_dataset(splits.train, codec, features=mm.Pictures(64)), epochs=2)
captioner.fit([], epoch=2)  # error: Unexpected keyword argument "epoch" for "fit" of "KerasModel"

loaded = mm.Captioner.from_preset("shapes_demo")
sentences: list[str] = loaded.generate(["a.jpg", Path("b.jpg")], decoding=mm.Greedy())
several: list[list[str]] = loaded.generate([b"", Path("b.jpg")], decoding="beam", n_best=3)
shown: str = loaded.look("a.jpg").text
loaded.look(3)  # error: Argument 1 to "look" of "Captioner" has incompatible type "int"
loaded.generat(["a.jpg"])  # error: "Captioner" has no attribute "generat"; maybe "generate"?
loaded.generate(["a.jpg"], nonsense=1)  # error: Unexpected keyword argument "nonsense" for
loaded.codec.vocabulary.token  # error: "Vocabulary" has no attribute "token"; maybe "tokens"?

answerer = mm.VisualQA.from_preset("shapes_vqa")
probability: float = answerer.answer(["a.jpg"], ["what is it?"], n_best=2)[0][0].probability
answers: list[mm.Answer] = answerer.answer(["a.jpg"], "what is it?")
answerer.answer(["a.jpg"], [], best=2)  # error: Unexpected keyword argument "best" for "answer" of "VisualQA"
mm.VisualQA(codec, codec, unit=3)  # error: Unexpected keyword argument "unit" for "VisualQA"; did you mean "units"?

scores: dict[str, float] = mm.score_captions({"a": "a dog"}, {"a": ["a dog runs"]})
mm.Captionr  # error: Module has no attribute "Captionr"; maybe "Captioner"
mm.adam()  # error: Missing positional argument "learning_rate"
version: str = mm.__version__
"""


def public_names() -> dict[str, str]:
    """The names that the stub gives away, and where it takes them from."""
    imports = [node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or "": node.module or "" for node in imports for alias in node.names}


def test_mypy_follows_the_public_names_and_the_calls_between_jobs(tmp_path: Path) -> None:
    """`pipelines/` is checked as the installed `mmtoolkit.pipelines`: only so does mypy see calls between jobs."""
    snippet, jobs = tmp_path / "snippet.py", tmp_path / "mmtoolkit" / "pipelines"
    snippet.write_text(SNIPPET, encoding="utf-8")
    jobs.parent.mkdir()
    jobs.symlink_to(ROOT / "pipelines", target_is_directory=True)
    command = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", "--no-pretty", jobs, snippet]
    environment = os.environ | {"MYPYPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    found = dict.fromkeys(range(1, SNIPPET.count("\n") + 1), "")
    others = []
    for line in done.stdout.splitlines()[:-1]:
        path, number, kind, message = re.fullmatch(r"(.+?):(\d+): (\w+): (.*)", line).groups()
        if Path(path).name != snippet.name:
            others.append(line)
        elif kind == "error":
            found[int(number)] += message
    expected = [line.partition("  # error: ")[2] for line in SNIPPET.splitlines()]
    assert not others, "\n".join(["", *others])
    for (number, message), wanted in zip(found.items(), expected, strict=True):
        assert message.startswith(wanted) and bool(message) == bool(wanted), f"line {number}: {message or done.stdout}"


def test_every_public_name_can_be_loaded() -> None:
    for name, module in public_names().items():
        assert getattr(mm, name) is getattr(sys.modules[module], name)


def test_the_public_names_are_listed_once() -> None:
    names = public_names()
    assert {"Captioner", "VisualQA", "TextCodec", "split"} < set(names)
    assert dir(mm) == sorted(["__version__", *names])
    loaded: dict[str, object] = {}
    exec("from mmtoolkit import *", loaded)
    assert set(loaded) - {"__builtins__"} == set(dir(mm))
    with pytest.raises(AttributeError, match="module 'mmtoolkit' has no attribute 'Captionr'"):
        mm.Captionr  # noqa: B018


def test_the_model_of_the_type_checker_is_the_one_of_keras() -> None:
    import keras

    (stub,) = (
        node for node in ast.parse(MODEL_STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
    )
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    for node in stub.body:
        name = node.target.id if isinstance(node, ast.AnnAssign) else node.name
        assert hasattr(model, name), name
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and name not in ("__init__", "add_weight"):
            theirs = inspect.signature(getattr(keras.Model, name)).parameters.values()
            ours = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            assert ours == [one.name for one in theirs if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)], name
