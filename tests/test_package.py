"""The built wheel holds what it must, and works from a folder outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from once import Once

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
