"""Every example of a docstring runs as it stands, with the names and files that docs/python.md shows."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MOST_SKIPPED = 10  # lines that need a server, Java, the network, VGG19's weights or the minute of an export
SOURCES = [path for folder in ("mmtoolkit", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
SHOWN = [path.relative_to(ROOT) for path in SOURCES if ">>>" in path.read_text(encoding="utf-8")]


def set_up() -> list[ast.stmt]:
    """The statements of the page's section "Names in the examples"."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    found = re.search(r"^## Names in the examples\n.*?^```python\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return ast.parse(found[1]).body


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of the set-up gives a value; none for one that writes files."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name for alias in statement.names}
        case ast.Assign():
            return {target.id for target in statement.targets if isinstance(target, ast.Name)}
        case ast.FunctionDef():
            return {statement.name}
    return set()


def read(code: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(code) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


class Names:
    """The names of the set-up, each made when an example first uses it, in the folder with the set-up's files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, dict[str, Any]()
        self.makers = {name: statement for statement in set_up() for name in bound(statement)}
        for statement in set_up():
            if not bound(statement):
                self.run(statement)

    def run(self, statement: ast.stmt) -> None:
        self.make(read(statement))
        kept = Path.cwd()
        os.chdir(self.folder)
        try:
            exec(compile(ast.Module([statement], []), "docs/python.md", "exec"), self.made)
        finally:
            os.chdir(kept)

    def make(self, wanted: set[str]) -> dict[str, Any]:
        for name in sorted(wanted & self.makers.keys() - self.made.keys()):
            self.run(self.makers[name])
        return {name: self.made[name] for name in wanted & self.makers.keys()}


@pytest.fixture(scope="module")
def shown_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    import keras

    bars = keras.utils.is_interactive_logging_enabled()
    yield Names(tmp_path_factory.mktemp("shown"))
    (keras.utils.enable_interactive_logging if bars else keras.utils.disable_interactive_logging)()


def module_of(path: Path) -> types.ModuleType:
    parts = path.with_suffix("").parts
    parts = ("mmtoolkit", *parts) if parts[0] == "pipelines" else parts
    return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def examples_of(module: types.ModuleType) -> Iterator[doctest.DocTest]:
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        if test.examples:
            yield test


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("path", SHOWN, ids=str)
def test_examples_run_as_they_stand(
    path: Path, shown_names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = module_of(path)
    failures: list[str] = []
    for number, test in enumerate(examples_of(module)):
        code = ast.parse("".join(example.source for example in test.examples))
        test.globs = shown_names.make(read(code)) | vars(module)
        monkeypatch.chdir(shutil.copytree(shown_names.folder, tmp_path / str(number)))
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=failures.append, clear_globs=False)
    assert not failures, "".join(failures)


def test_every_example_is_found_and_hardly_one_is_skipped() -> None:
    """One below a decorator or a nested function would be passed over silently."""
    tests = [test for path in SHOWN for test in examples_of(module_of(path))]
    lines = sum(len(re.findall(r"^ *>>> ", path.read_text(encoding="utf-8"), re.M)) for path in SOURCES)
    examples = [example for test in tests for example in test.examples]
    assert len(examples) == lines
    assert sum(doctest.SKIP in example.options for example in examples) <= MOST_SKIPPED
