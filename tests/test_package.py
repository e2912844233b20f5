"""The built wheel holds what it must, and works from a folder outside the checkout."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.message import Message
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path
from typing import cast

import pytest
from once import Once
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mmtoolkit import __version__
from mmtoolkit.installation import DISTRIBUTION
from mmtoolkit.scenes import Scene, Shape, draw_scene

ROOT = Path(__file__).resolve().parent.parent

Run = Callable[..., subprocess.CompletedProcess[str]]


def pip(*words: object, cwd: Path) -> None:
    """Runs pip without the package index."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(once: Once) -> Path:
    """The wheel of this checkout."""
    (built,) = once("wheel", build).folder.glob("*.whl")
    return built


def build(folder: Path) -> None:
    """Builds the wheel in a copy, so that no `build/` is left behind or mixed in."""
    source = folder / "source"
    for name in ("mmtoolkit", "pipelines", "pretrained"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "pretrained" / "__pycache__").mkdir(exist_ok=True)
    (source / "pretrained" / "__pycache__" / "stale.cpython-311.pyc").write_bytes(b"stale")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source, cwd=folder)


@pytest.fixture(scope="module")
def run_installed(wheel: Path, once: Once, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python with the wheel's own copy of mmtoolkit, far from the checkout and its editable install."""
    words = ("install", "--no-deps", "--no-index", wheel, "--target")
    site, _ = once("site", lambda site: pip(*words, site, cwd=wheel.parent))
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*words: object, cwd: Path = elsewhere) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *map(str, words)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)

    run.site = site  # type: ignore[attr-defined]
    return run


def files_of(source: Path, folder: str) -> set[str]:
    """The files of a folder of the source that belong to the package, by their path inside the wheel."""
    prefix = "" if folder == "mmtoolkit" else "mmtoolkit/"
    paths = (path for path in (source / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {prefix + path.relative_to(source).as_posix() for path in paths}


def test_the_wheel_holds_the_code_the_jobs_and_the_presets_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {"mmtoolkit/py.typed", "mmtoolkit/pipelines/caption.py", "mmtoolkit/pretrained/README.md"} <= inside
    source = wheel.parent / "source"
    assert inside == files_of(source, "mmtoolkit") | files_of(source, "pipelines") | files_of(source, "pretrained")


def test_the_wheel_carries_licence_version_and_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    notes = {name.split(".dist-info/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
    assert any(name.endswith("LICENSE") for name in notes)
    metadata = archive.read(notes["METADATA"]).decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "mmtoolkit = mmtoolkit.pipelines.__main__:dispatch" in archive.read(notes["entry_points.txt"]).decode()


def test_torch_is_no_dependency() -> None:
    names = {requirement.split(";")[0].strip().lower() for requirement in distribution(DISTRIBUTION).requires or []}
    assert any(name.startswith("tensorflow") for name in names)
    assert not [name for name in names if name.startswith(("torch", "jax"))]


def test_the_installed_copy_is_the_one_that_runs(run_installed: Run) -> None:
    code = "import mmtoolkit, mmtoolkit.pipelines as p, mmtoolkit.pretrained as q; print(mmtoolkit, p, q, sep='\\n')"
    done = run_installed("-c", code)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert str(run_installed.site / "mmtoolkit") in line  # type: ignore[attr-defined]


def test_the_types_of_the_installed_copy_are_checked(run_installed: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import mmtoolkit as mm\n\nmm.Captioner.from_preset('a').generat(['a.jpg'])\n")
    done = run_installed("-m", "mypy", "--cache-dir", tmp_path / "cache", tmp_path / "mine.py")
    assert '3: error: "Captioner" has no attribute "generat"; maybe "generate"?' in done.stdout, done.stdout
    assert "Found 1 error in 1 file" in done.stdout


# --- the pinned packages, their licences and the image ---


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    """The versions of docker/constraints.txt, in its order."""
    lines = (ROOT / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines)


def test_every_requirement_is_pinned_to_a_version_that_fits(pinned: dict[str, str]) -> None:
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    requirements = [Requirement(line) for line in distribution(DISTRIBUTION).requires or []]
    needed = [one for one in requirements if not re.search('"(test|docs)"', str(one.marker))]
    assert {"tensorflow", "pillow-heif", "waitress", "pycocoevalcap"} <= {one.name for one in needed}
    unfit = [str(one) for one in needed if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))]
    assert unfit == [] and list(pinned) == sorted(pinned, key=str.lower)


def test_every_pinned_package_has_its_licence_listed(pinned: dict[str, str]) -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| (\d\S*) \| ([^|]+) \| ([^|]*) \|$", page, re.M)
    assert [(name, version) for name, version, *_ in rows] == list(pinned.items())
    unstated = {name for name, _, licence, note in rows if licence == "not stated" and not note.strip()}
    noted = {name for name, _, licence, note in rows if "GPL" in licence + note or "MPL" in licence}
    assert not unstated and noted == {"certifi", "gensim", "pillow_heif", "pycocoevalcap", "tqdm"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": "MIT", "License": "Apache 2.0"}, "MIT"),
        ({"License": "LGPL-2.1-only", "Classifier": "License :: OSI Approved :: MIT License"}, "LGPL-2.1-only"),
        ({"License": "Copyright\n\nAll rights", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"License": "UNKNOWN", "Classifier": "Topic :: Software Development"}, "not stated"),
        ({}, "not stated"),
    ],
)
def test_a_licence_is_read_where_it_is_stated_most_exactly(fields: dict[str, str], expected: str) -> None:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "docker" / "licences.py")
    assert spec and spec.loader
    licences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(licences)
    about = Message()
    for name, value in fields.items():
        about[name] = value
    assert licences.licence(cast(PackageMetadata, about)) == expected


@pytest.fixture(scope="module")
def image() -> list[list[str]]:
    """The instructions of the Dockerfile, as words."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_is_pinned_and_has_every_extra_that_works_in_it(image: list[list[str]]) -> None:
    arguments = dict(words[1].split("=", 1) for words in image if words[0] == "ARG")
    assert [words for words in image if words[0] == "FROM"] == [["FROM", "${PYTHON_IMAGE}"]]
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+@sha256:[0-9a-f]{64}", arguments["PYTHON_IMAGE"])
    extras = set(distribution(DISTRIBUTION).metadata.get_all("Provides-Extra") or [])
    assert set(arguments["EXTRAS"].split(",")) == extras - {"test", "docs", "meteor"}  # carries GPL programs


def test_an_edit_of_the_code_installs_no_package_again(image: list[list[str]]) -> None:
    """What comes after a COPY is run again where a copied file has changed: one RUN, that installs the code alone."""
    code = {"mmtoolkit", "pipelines", "pretrained", "README.md"}
    first = next(index for index, words in enumerate(image) if words[0] == "COPY" and code & set(words[1:-1]))
    installing = {index: words for index, words in enumerate(image) if words[0] == "RUN" and "install" in words}
    before = [words for index, words in installing.items() if index < first]
    (after,) = (words for index, words in installing.items() if index > first)
    assert all("constraints.txt" in words for words in before) and '".[${EXTRAS}]"' in before[-1]
    assert "--no-deps" in after and "--no-build-isolation" in after


def test_the_image_gets_all_it_copies(image: list[list[str]]) -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = {name for words in image if words[0] == "COPY" for name in words[1:-1]}
    assert copied == sent and all((ROOT / name).exists() for name in copied)


def test_the_image_runs_as_any_user(image: list[list[str]]) -> None:
    run = max(index for index, words in enumerate(image) if words[0] == "RUN")
    user = [(index, words[1]) for index, words in enumerate(image) if words[0] == "USER"]
    assert user[-1][0] > run and re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[-1][1])  # a number: it needs no entry
    (variables,) = (dict(word.split("=") for word in words[1:]) for words in image if words[0] == "ENV")
    (volume,) = (words[1] for words in image if words[0] == "VOLUME")
    assert variables == {"HOME": volume, "MMTOOLKIT_CACHE": volume}
    (place,) = {words[1] for words in image[run:] if words[0] == "WORKDIR"}
    assert image[run] == ["RUN", "mkdir", "--mode", "1777", volume, place]


# --- the command, run from the installed wheel: one test per job that must work there ---


def test_the_installed_command_tells_its_version(run_installed: Run) -> None:
    done = run_installed("-m", "mmtoolkit.pipelines", "--version")
    assert (done.stdout, done.stderr, done.returncode) == (f"{__version__}\n", "", 0)


def test_the_installed_command_lists_every_job_of_the_checkout(run_installed: Run, wheel: Path) -> None:
    from mmtoolkit.pipelines.__main__ import jobs, overview

    done = run_installed("-m", "mmtoolkit.pipelines", "--help")
    assert (done.stdout, done.returncode) == (overview(jobs(wheel.parent / "source" / "pipelines")) + "\n", 0)


def test_the_installed_command_captions_a_picture_with_the_shipped_preset(run_installed: Run, tmp_path: Path) -> None:
    scene = Scene((Shape("circle", "red", 1, 1, "large"),))
    draw_scene(scene, size=64).save(tmp_path / "scene.png")
    done = run_installed("-m", "mmtoolkit.pipelines", "predict", "--preset", "shapes_demo", tmp_path / "scene.png")
    path, caption = done.stdout.rstrip("\n").split("\t")
    assert (path, done.returncode) == (str(tmp_path / "scene.png"), 0), done.stderr
    assert "red circle" in caption
