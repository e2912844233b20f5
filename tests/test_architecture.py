"""The arrows between the rooms of the house, and the rules of each room, read from the source with `ast`."""

from __future__ import annotations

import ast
import difflib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmtoolkit import models
from mmtoolkit.tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent

LEAVES = {
    "errors",
    "records",
    "files",
    "backbones",
    "compiled",
    "efficientnet_lite",
    "folding",
    "machine",
    "task",
    "installation",
    "scripts",
    "image_files",
    "locks",
    "hdf5",
    "hub",
}  # every room may import these
BELOW_MODELS = {"layers", "decoding", "losses", "text", "vision"}
BELOW_TASKS = {
    *("models", "data", "presets", "readers", "metrics", "scenes", "pictures", "word_map", "html", "reports"),
    *("evaluation", "training", "monitoring", "serving", "doctor", "labelling", "experiments"),
    *BELOW_MODELS,
}

# A room is a folder or a module right under mmtoolkit/. It may import itself, the leaves, and the rooms named here.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "task": set(),  # the vocabulary of every job
    "records": {"html"},
    "backbones": set(),
    "efficientnet_lite": set(),
    "folding": set(),
    "compiled": set(),
    "machine": set(),
    "installation": set(),
    "scripts": set(),
    "image_files": set(),
    "locks": set(),
    "hdf5": set(),
    "hub": set(),
    "fonts": set(),
    "startup": set(),
    "readers": set(),
    "metrics": set(),
    "scenes": set(),
    "pictures": {"fonts"},
    "word_map": {"pictures", "fonts"},
    "html": set(),
    "cli": {"readers"},
    "doctor": {"readers", "metrics", "html"},
    "reports": {"metrics", "html", "pictures"},
    "labelling": {"readers", "html"},
    "text": set(),
    "vision": set(),
    "layers": set(),
    "decoding": set(),
    "losses": set(),
    "model_cards": {"presets", "tasks"},
    "presets": {"text", "vision"},  # files only; a model turns them into itself
    "run_folder": {"readers"},
    "models": BELOW_MODELS | {"presets", "readers", "pictures"},
    "data": {"decoding", "readers", "text", "vision"},
    "evaluation": {"decoding", "metrics", "vision"},  # not reports: what is measured and how it is shown stay apart
    "experiments": {"layers", "metrics", "monitoring"},
    "monitoring": {"pictures", "vision"},  # not training: what is monitored and who monitors stay apart
    "training": {"data", "evaluation", "models", "monitoring", "presets", "readers", "reports", "vision", "run_folder"},
    "serving": {"decoding", "evaluation", "html", "models", "scenes", "text", "vision"},
    "tasks": BELOW_TASKS,
    "pipelines": BELOW_TASKS | {"tasks", "model_cards", "cli", "startup", "run_folder"},
}

PURE_PYTHON = {
    "task",
    "cli",
    "errors",
    "records",
    "files",
    "run_folder",
    "machine",
    "installation",
    "scripts",
    "image_files",
    "locks",
    "hdf5",
    "hub",
    "fonts",
    "readers",
    "metrics",
    "scenes",
    "pictures",
    "word_map",
    "html",
    "doctor",
    "reports",
    "labelling",
    "mmtoolkit",
}
KERAS_ONLY = {"backbones", "efficientnet_lite", "folding", "layers", "decoding", "losses", "models"}
TENSORFLOW = {"tensorflow", "tensorflow_text"}
OTHER_FRAMEWORKS = {"torch", "jax", "pycocoevalcap"}
WRITES_PICKLES = "tests/vision/test_torch_files.py"  # to show that they are refused
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}

LONGEST_MODULE, LONGEST_FUNCTION = 350, 60
LONG: dict[str, str] = {}  # "mmtoolkit/x.py" or "mmtoolkit/x.py:function" -> why it is long


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, and whether it is loaded together with its importer."""

    name: str
    line: int
    at_import: bool


@dataclass(frozen=True)
class Module:
    """One parsed source file."""

    path: str
    name: str
    source: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """`mmtoolkit.layers.attention` is in `layers`, `mmtoolkit.decoding` in `decoding`."""
        return room_of(self.name)


def room_of(name: str) -> str:
    """The room of a module inside the package; the package itself is the room `mmtoolkit`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def modules_under(root: Path, *folders: str) -> list[Module]:
    """All modules in some folders of a source tree, under the names that they have once installed."""
    found = []
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        name = ".".join(("mmtoolkit", *parts) if parts[0] == "pipelines" else parts)
        source = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(root).as_posix(), name, source, ast.parse(source, filename=str(path))))
    return found


class House:
    """The library and its jobs in one source tree, with every import resolved to a full module name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules = modules_under(root, "mmtoolkit", "pipelines")
        self.names = {module.name for module in self.modules}
        self.homes = lazy_names(root / "mmtoolkit" / "__init__.pyi")
        self.imports = {module.name: list(self.imports_of(module)) for module in self.modules}

    def imports_of(self, module: Module) -> Iterator[Import]:
        """Every import of a module: at the top, inside functions, and by `import_module` with a literal name."""
        later = [*functions(module.tree), *for_types_only(module.tree)]
        inside = {id(node) for part in later for node in ast.walk(part)}
        for node in ast.walk(module.tree):
            for name in self.names_imported(module, node):
                yield Import(name, getattr(node, "lineno", 0), id(node) not in inside)

    def names_imported(self, module: Module, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            return [self.resolve(base, alias.name) for alias in node.names]
        if isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"} and node.args:
            name = node.args[0]
            return [name.value] if isinstance(name, ast.Constant) and isinstance(name.value, str) else []
        return []

    def resolve(self, base: str, name: str) -> str:
        """`from base import name` means a module, a public name that `mmtoolkit` loads lazily, or `base` itself."""
        if f"{base}.{name}" in self.names:
            return f"{base}.{name}"
        return self.homes[name] if base == "mmtoolkit" and name in self.homes else base


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The module that `from … import` names, its dots resolved."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    climb = node.level - 1 if module.path.endswith("__init__.py") else node.level
    return ".".join([*package[: len(package) - climb], *([node.module] if node.module else [])])


def lazy_names(stub: Path) -> dict[str, str]:
    """The names that the package loads lazily: public name -> the module that it comes from."""
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def for_types_only(tree: ast.AST) -> Iterator[ast.stmt]:
    """What stands under `if TYPE_CHECKING:`, whose imports are never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def called(node: ast.Call) -> str:
    """The last name of what is called: `print` of `print(…)`, `load` of `np.load(…)`."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def wrong_arrows(house: House) -> Iterator[str]:
    """Imports of a room that the table does not allow, and rooms that the table does not know."""
    for module in house.modules:
        if module.room == "mmtoolkit":
            allowed = {"mmtoolkit", "startup"}  # which loads TensorFlow quietly where a name needs it
        elif module.room in ARROWS:
            allowed = {module.room, "mmtoolkit"} | LEAVES | ARROWS[module.room]
        else:
            yield f"{module.path}: the room {module.room!r} is not in ARROWS"
            continue
        for found in house.imports[module.name]:
            if found.name == "mmtoolkit" and module.room not in {"pipelines", "mmtoolkit"}:
                if "__version__" not in module.source.splitlines()[found.line - 1]:
                    yield f"{module.path}:{found.line}: name the module instead of importing all of mmtoolkit"
            elif found.name.split(".")[0] == "mmtoolkit" and room_of(found.name) not in allowed:
                yield f"{module.path}:{found.line}: {module.room} may not import {found.name}"


def wrong_frameworks(house: House) -> Iterator[str]:
    """TensorFlow or Keras where they may not be; other frameworks anywhere; gensim loaded before it is used."""
    for module in house.modules:
        banned = set(OTHER_FRAMEWORKS)
        if module.room in PURE_PYTHON:
            banned |= TENSORFLOW | {"keras", "gensim"}
        if module.room in KERAS_ONLY:
            banned |= TENSORFLOW | {"gensim"}
        for found in house.imports[module.name]:
            top = found.name.split(".")[0]
            if top in banned:
                yield f"{module.path}:{found.line}: {module.room} may not import {top}"
            elif top == "gensim" and found.at_import:
                yield f"{module.path}:{found.line}: import gensim inside the function that needs it"


def cycles(house: House) -> Iterator[str]:
    """Modules that import each other, directly or round a longer way, inside functions too."""
    edges = {name: {found.name for found in imports} & house.names for name, imports in house.imports.items()}
    finished: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> Iterator[str]:
        if name in trail:
            yield "cycle: " + " -> ".join((*trail[trail.index(name) :], name))
        elif name not in finished:
            for other in sorted(edges[name]):
                yield from walk(other, (*trail, name))
            finished.add(name)

    for name in sorted(edges):
        yield from walk(name, ())


def vague_names(house: House) -> Iterator[str]:
    """Modules and folders whose name says nothing."""
    for module in modules_under(house.root, "mmtoolkit", "pipelines", "tests", "benchmarks"):
        for part in Path(module.path).with_suffix("").parts:
            if part in VAGUE_NAMES:
                yield f"{module.path}: {part!r} says nothing about what is in it"


def pickles(house: House) -> Iterator[str]:
    """Pickle in any of its clothes, and `allow_pickle` with anything but a literal False."""
    for module in modules_under(house.root, "mmtoolkit", "pipelines", "tests", "benchmarks"):
        for node in ast.walk(module.tree):
            for name in house.names_imported(module, node):
                if name.split(".")[0] in PICKLES and module.path != WRITES_PICKLES:
                    yield f"{module.path}:{node.lineno}: {name} runs code from files"  # type: ignore[attr-defined]
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                yield f"{module.path}:{node.lineno}: allow_pickle may only be False"


def sizes(house: House) -> Iterator[tuple[str, int, int]]:
    """(`path` or `path:function`, its lines, the most it may have); a function's docstring is not counted."""
    for module in house.modules:
        yield module.path, len(module.source.splitlines()), LONGEST_MODULE
        for node in functions(module.tree):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield f"{module.path}:{node.name}", lines, LONGEST_FUNCTION


def too_long(house: House) -> Iterator[str]:
    """Modules and functions over the limit without a reason in LONG, and reasons that are no longer needed."""
    places = {place: (lines, most) for place, lines, most in sizes(house)}
    for place, (lines, most) in places.items():
        if lines > most and place not in LONG:
            yield f"{place}: {lines} lines, at most {most}"
        elif lines <= most and place in LONG:
            yield f"{place}: short enough now, take it out of LONG"


MODELS = {task.model_class for task in TASKS}
KNOW_MODELS = {"tasks", "models", "pipelines"}


def named_models(house: House) -> Iterator[str]:
    """Concrete models in a room that is written once for all tasks."""
    for module in house.modules:
        if module.room not in KNOW_MODELS:
            for node in ast.walk(module.tree):
                name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
                if name in MODELS and isinstance(node, ast.Name | ast.Attribute | ast.alias):
                    yield f"{module.path}:{getattr(node, 'lineno', 0)}: {module.room} may not name {name}"


def asked_models(house: House) -> Iterator[str]:
    """`isinstance` of a model, and flags of one model that are asked of another."""
    for module in house.modules:
        for node in ast.walk(module.tree) if module.room not in {"tasks", "models"} else ():
            if isinstance(node, ast.Call) and called(node) in {"isinstance", "getattr"} and len(node.args) > 1:
                asked = ast.unparse(node.args[1])
                if any(name in asked for name in (*MODELS, "question_only")):
                    yield f"{module.path}:{node.lineno}: a shared job may not ask {ast.unparse(node)}"


def loose_ends(house: House) -> Iterator[str]:
    """`assert` outside tests; `print` in the library (jobs may print their results)."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Assert):
                yield f"{module.path}:{node.lineno}: assert disappears under -O; raise InputError"
            elif isinstance(node, ast.Call) and called(node) == "print" and module.room != "pipelines":
                yield f"{module.path}:{node.lineno}: the library prints nothing"


RULES: list[Callable[[House], Iterator[str]]] = [
    wrong_arrows,
    wrong_frameworks,
    cycles,
    vague_names,
    pickles,
    too_long,
    named_models,
    asked_models,
    loose_ends,
]


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(house: House, rule: Callable[[House], Iterator[str]]) -> None:
    broken = list(rule(house))
    assert not broken, "\n".join(["", *broken])


def test_every_model_of_a_task_is_found_by_its_presets() -> None:
    """A preset finds its class among those that `mmtoolkit.models` imports."""
    assert set(models.__all__) >= MODELS


def test_the_house_is_read(house: House) -> None:
    """The rules above would hold for an empty list of modules too."""
    assert {"mmtoolkit", "mmtoolkit.errors", "mmtoolkit.records", "mmtoolkit.pipelines.caption"} <= house.names
    assert (
        Import("mmtoolkit.cli.command", house.imports["mmtoolkit.pipelines.__main__"][-1].line, False)
        in (house.imports["mmtoolkit.pipelines.__main__"])
    )
    assert house.homes["Captioner"] == "mmtoolkit.models"


def build(root: Path, files: dict[str, str]) -> House:
    """Writes a made-up source tree and reads it."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return House(root)


CLEAN = {
    "mmtoolkit/__init__.py": '__version__ = "1"\n',
    "mmtoolkit/__init__.pyi": "from mmtoolkit.models import Captioner as Captioner\n"
    "from mmtoolkit.text import Vocabulary as Vocabulary\n",
    "mmtoolkit/errors.py": "class InputError(ValueError): ...\n",
    "mmtoolkit/records.py": "import dataclasses\n",
    "mmtoolkit/layers/__init__.py": "from mmtoolkit.layers.attention import Attention\n",
    "mmtoolkit/layers/attention.py": "import keras\nfrom ..errors import InputError\nclass Attention: ...\n",
    "mmtoolkit/text/__init__.py": "from .vocabulary import Vocabulary\n",
    "mmtoolkit/text/vocabulary.py": "import tensorflow as tf\n\n\ndef train():\n    import gensim\n"
    "if TYPE_CHECKING:\n    from gensim.models import KeyedVectors\n",
    "mmtoolkit/models/__init__.py": "from mmtoolkit import Vocabulary, __version__\nfrom mmtoolkit.layers import x\n",
    "mmtoolkit/presets.py": "import numpy as np\nnp.load('x', allow_pickle=False)\nfrom mmtoolkit import text\n",
    "pipelines/__init__.py": "",
    "pipelines/caption.py": "import mmtoolkit as mm\nfrom mmtoolkit.presets import np\nprint('a dog')\n",
    "tests/test_models.py": "assert True\n",
}


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    house = build(tmp_path, CLEAN)
    assert [line for rule in RULES for line in rule(house)] == []


LINES_61 = "def long():\n" + "    x = 1\n" * 60
VIOLATIONS = [
    (
        wrong_arrows,
        "mmtoolkit/layers/a.py",
        "from mmtoolkit.text import Vocabulary\n",
        "import mmtoolkit.text",
    ),
    (wrong_arrows, "mmtoolkit/layers/a.py", "def f():\n    import mmtoolkit.vision.images\n", "a.py:2: layers may not"),
    (
        wrong_arrows,
        "mmtoolkit/layers/a.py",
        "from ..text.vocabulary import x\n",
        "import mmtoolkit.text.vocab",
    ),
    (wrong_arrows, "mmtoolkit/layers/a.py", "from .. import text\n", "import mmtoolkit.text"),
    (wrong_arrows, "mmtoolkit/layers/__init__.py", "from ..text import x\n", "import mmtoolkit.text"),
    (
        wrong_arrows,
        "mmtoolkit/losses.py",
        "import importlib as i\ni.import_module('mmtoolkit.data')\n",
        "losses may not",
    ),
    (
        wrong_arrows,
        "mmtoolkit/data/a.py",
        "from mmtoolkit.models import Captioner\n",
        "import mmtoolkit.models",
    ),
    (wrong_arrows, "mmtoolkit/data/a.py", "from mmtoolkit import Captioner\n", "import mmtoolkit.models"),
    (wrong_arrows, "mmtoolkit/data/a.py", "import mmtoolkit as mm\n", "name the module"),
    (
        wrong_arrows,
        "mmtoolkit/models/a.py",
        "from mmtoolkit.training import x\n",
        "import mmtoolkit.training",
    ),
    (wrong_arrows, "mmtoolkit/models/a.py", "import mmtoolkit.pipelines.caption\n", "models may not import"),
    (wrong_arrows, "mmtoolkit/vision/a.py", "from mmtoolkit.data import x\n", "vision may not import mmtoolkit.data"),
    (wrong_arrows, "mmtoolkit/scenes.py", "from mmtoolkit.pictures import draw\n", "scenes may not import"),
    (wrong_arrows, "mmtoolkit/errors.py", "from mmtoolkit.text import x\n", "errors may not import mmtoolkit.text"),
    (wrong_arrows, "mmtoolkit/attic.py", "", "the room 'attic' is not in ARROWS"),
    (
        wrong_arrows,
        "mmtoolkit/__init__.py",
        "from mmtoolkit.models import x\n",
        "import mmtoolkit.models",
    ),
    (wrong_frameworks, "mmtoolkit/metrics/a.py", "import keras.ops\n", "may not import keras"),
    (
        wrong_frameworks,
        "mmtoolkit/readers/a.py",
        "def f():\n    import tensorflow as tf\n",
        "may not import tensorflow",
    ),
    (wrong_frameworks, "mmtoolkit/scenes.py", "from tensorflow import io\n", "may not import tensorflow"),
    (wrong_frameworks, "mmtoolkit/decoding/beam.py", "import tensorflow as tf\n", "decoding may not import tensorflow"),
    (wrong_frameworks, "mmtoolkit/models/a.py", "import tensorflow_text\n", "may not import tensorflow_text"),
    (wrong_frameworks, "mmtoolkit/text/a.py", "from gensim.models import Word2Vec\n", "import gensim inside"),
    (wrong_frameworks, "mmtoolkit/serving/a.py", "import torch\n", "serving may not import torch"),
    (
        cycles,
        "mmtoolkit/text/vocabulary.py",
        "from mmtoolkit.text import Codec\n",
        "cycle: mmtoolkit.text -> ",
    ),
    (
        cycles,
        "mmtoolkit/layers/attention.py",
        "def f():\n    from mmtoolkit import models\n",
        "cycle: mmtoolkit.layers -> ",
    ),
    (vague_names, "mmtoolkit/vision/utils.py", "", "'utils' says nothing"),
    (vague_names, "tests/common/test_x.py", "", "'common' says nothing"),
    (pickles, "mmtoolkit/data/a.py", "import pickle\n", "pickle runs code"),
    (pickles, "tests/test_a.py", "def f():\n    from joblib import dump\n", "joblib runs code"),
    (pickles, "benchmarks/a.py", "import numpy as np\nnp.load('x', allow_pickle=True)\n", "a.py:2: allow_pickle"),
    (too_long, "mmtoolkit/losses.py", "x = 1\n" * 351, "mmtoolkit/losses.py: 351 lines, at most 350"),
    (too_long, "mmtoolkit/losses.py", LINES_61, "mmtoolkit/losses.py:long: 61 lines, at most 60"),
    (named_models, "mmtoolkit/evaluation/a.py", "from mmtoolkit.models import Captioner\n", "may not name Captioner"),
    (named_models, "mmtoolkit/reports/a.py", "import mmtoolkit as mm\nx = mm.VisualQA\n", "may not name VisualQA"),
    (asked_models, "pipelines/a.py", "isinstance(model, mm.VisualQA)\n", "may not ask isinstance"),
    (asked_models, "mmtoolkit/serving/a.py", "getattr(model, 'question_only', False)\n", "may not ask getattr"),
    (loose_ends, "mmtoolkit/losses.py", "print('loss')\n", "prints nothing"),
    (loose_ends, "mmtoolkit/losses.py", "def f(x):\n    assert x\n", "losses.py:2: assert"),
    (loose_ends, "pipelines/caption.py", "assert True\n", "caption.py:1: assert"),
]


@pytest.mark.parametrize(("rule", "path", "source", "message"), VIOLATIONS)
def test_each_violation_is_caught(
    tmp_path: Path, rule: Callable[[House], Iterator[str]], path: str, source: str, message: str
) -> None:
    house = build(tmp_path, CLEAN | {path: source})
    assert any(message in line for line in rule(house)), list(rule(house))


def test_every_rule_has_a_violation() -> None:
    assert {rule.__name__ for rule, *_ in VIOLATIONS} == {rule.__name__ for rule in RULES}


def test_a_docstring_does_not_make_a_function_long(tmp_path: Path) -> None:
    source = 'def long():\n    """One.\n' + "\n    more\n" * 40 + '    """\n' + "    x = 1\n" * 59
    assert list(too_long(build(tmp_path, CLEAN | {"mmtoolkit/losses.py": source}))) == []


def test_a_reason_allows_a_long_function_and_a_stale_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = build(tmp_path, CLEAN | {"mmtoolkit/losses.py": LINES_61})
    monkeypatch.setitem(LONG, "mmtoolkit/losses.py:long", "one table")
    assert list(too_long(house)) == []
    monkeypatch.setitem(LONG, "mmtoolkit/losses.py", "one table")
    assert list(too_long(house)) == ["mmtoolkit/losses.py: short enough now, take it out of LONG"]


def test_every_room_of_the_table_has_a_direction() -> None:
    """The table itself must point down: no room may reach itself through the rooms that it may import."""
    order: list[str] = []
    while len(order) < len(ARROWS):
        ready = [room for room in ARROWS if room not in order and ARROWS[room] <= {*order, room}]
        assert ready, f"a circle among {set(ARROWS) - set(order)}"
        order += ready
    for rooms in ARROWS.values():
        unknown = rooms - set(ARROWS)
        assert not unknown, [difflib.get_close_matches(room, ARROWS) for room in unknown]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("mmtoolkit", "tensorflow keras gensim matplotlib numpy PIL"),
        ("mmtoolkit.records", "tensorflow keras gensim"),
        ("mmtoolkit.readers", "tensorflow keras gensim"),
        ("mmtoolkit.metrics", "tensorflow keras gensim"),
        ("mmtoolkit.cli.command, mmtoolkit.cli.options", "tensorflow keras gensim"),
        *(
            (f"mmtoolkit.pipelines.{path.stem}", "tensorflow keras gensim")
            for path in sorted((ROOT / "pipelines").glob("[a-z]*.py"))
        ),
        ("mmtoolkit.text", "gensim"),
    ],
)
def test_importing_loads_nothing_heavy(module: str, absent: str, tmp_path: Path) -> None:
    """The same promise at run time, in a fresh interpreter, where imports of imports count too."""
    code = f"import sys, {module}; print(*[name for name in {absent.split()!r} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
