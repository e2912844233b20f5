"""The command line that all jobs share: options, `--config`, exit codes, one-line errors."""

from __future__ import annotations

import errno
import importlib
import itertools
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import tyro
import yaml

from mmtoolkit import __version__, pipelines
from mmtoolkit.cli import arguments, command, ranges
from mmtoolkit.errors import InputError
from mmtoolkit.pipelines import __main__ as entry


class Job:
    """A job with every kind of option, which remembers what it was called with."""

    def __init__(self, result: int | None = None, error: BaseException | None = None) -> None:
        self.options: dict[str, Any] = {}

        def main(
            images: tyro.conf.Positional[list[Path]],
            *,
            out: Path | None = None,
            batch_size: int = 32,
            learning_rate: float = 0.1,
            references: list[str] = ["gold"],  # noqa: B006
            shuffle: bool = True,
            overwrite: bool = False,
            no_repeat_ngram: int = 0,
            precision: str | None = "auto",
        ) -> int | None:
            """Remembers its options.

            Args:
                images: The pictures.
                batch_size: Pictures at a time.
            """
            self.options = {name: value for name, value in locals().items() if name in DEFAULTS}
            if error is not None:
                raise error
            return result

        self.main = main

    def run(self, *words: object) -> int:
        with pytest.raises(SystemExit) as stopped:
            command.run(self.main, argv=[str(word) for word in words], prog="mmtoolkit job")
        return stopped.value.code  # type: ignore[return-value]

    def changed(self) -> dict[str, Any]:
        """The options that do not have their default."""
        return {name: value for name, value in self.options.items() if value != DEFAULTS[name]}


DEFAULTS: dict[str, Any] = {
    "images": [],
    "out": None,
    "batch_size": 32,
    "learning_rate": 0.1,
    "references": ["gold"],
    "shuffle": True,
    "overwrite": False,
    "no_repeat_ngram": 0,
    "precision": "auto",
}


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Writes a mapping (or raw text) as a config file."""

    def write(content: object) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What stderr holds: one line that begins with `error: `; stdout holds nothing."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1, captured.err
    return captured.err.removeprefix("error: ").rstrip("\n")


def test_options_are_read_from_the_signature() -> None:
    job = Job()
    words = ["a.jpg", "b.jpg", "--batch-size", 8, "--references", "x", "y", "--no-shuffle", "--overwrite"]
    assert job.run(*words) == 0
    expected = {"images": [Path("a.jpg"), Path("b.jpg")], "batch_size": 8, "references": ["x", "y"]}
    assert job.changed() == expected | {"shuffle": False, "overwrite": True}


@pytest.mark.parametrize("form", ["--config {}", "--config={}"])
def test_a_config_gives_options(config: Any, form: str) -> None:
    options = {"batch_size": 8, "learning-rate": 0.01, "overwrite": True, "shuffle": False, "references": ["x", "y"]}
    path = config(options)
    job = Job()
    assert job.run(*form.format(path).split(), "a.jpg") == 0
    expected = {"images": [Path("a.jpg")], "batch_size": 8, "learning_rate": 0.01, "overwrite": True}
    assert job.changed() == expected | {"shuffle": False, "references": ["x", "y"]}


def test_a_config_may_hold_every_option_at_its_default(config: Any) -> None:
    """A resolved `config.yaml` names flags that are off and options that are None."""
    job = Job()
    assert job.run("--config", config({name: DEFAULTS[name] for name in DEFAULTS if name != "images"})) == 0
    assert job.changed() == {}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"precision": None}, {"precision": None}),
        ({"out": "runs/a b"}, {"out": Path("runs/a b")}),
        ({"batch_size": -1}, {"batch_size": -1}),
        ({"precision": "--float"}, {"precision": "--float"}),
        ({"references": []}, {"references": []}),
        ({"references": ["x"]}, {"references": ["x"]}),
        ({"learning_rate": 1e-05}, {"learning_rate": 1e-05}),
    ],
)
def test_values_survive_the_way_through_the_file(config: Any, options: dict, expected: dict) -> None:
    job = Job()
    assert job.run("--config", config(options), "a.jpg") == 0
    assert job.changed() == expected | {"images": [Path("a.jpg")]}


@pytest.mark.parametrize(
    "typed",
    [["--batch-size", "4"], ["--batch-size=4"], ["--batch_size", "4"]],
)
@pytest.mark.parametrize("config_first", [True, False])
def test_what_is_typed_wins(config: Any, typed: list[str], config_first: bool) -> None:
    named = ["--config", str(config({"batch_size": 8, "learning_rate": 0.5}))]
    job = Job()
    assert job.run(*(named + typed if config_first else typed + named)) == 0
    assert job.changed() == {"batch_size": 4, "learning_rate": 0.5}


def test_typed_flags_and_lists_win(config: Any) -> None:
    path = config({"references": ["x", "y"], "no_repeat_ngram": 3, "shuffle": True})
    job = Job()
    assert job.run("--references", "z", "--no-repeat-ngram", 2, "--no-shuffle", "--config", path) == 0
    assert job.changed() == {"references": ["z"], "no_repeat_ngram": 2, "shuffle": False}


def test_a_list_in_a_config_does_not_swallow_the_files(config: Any) -> None:
    job = Job()
    assert job.run("--config", config({"references": ["x", "y"]}), "a.jpg", "b.jpg") == 0
    assert job.changed() == {"images": [Path("a.jpg"), Path("b.jpg")], "references": ["x", "y"]}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("a: [1, 2\nb", "readable YAML file"),
        ("- batch_size\n- 8\n", "mapping of option names"),
        ("", "mapping of option names"),
        ("!!python/object/apply:os.getcwd []\n", "readable YAML file"),
        ("references: [x, --out=there]\n", "expected values for references. Received: --out=there, an option"),
        ("batch_siez: 8\n", "Received: 'batch_siez'. Did you mean 'batch_size'?"),
        ("out: {folder: runs}\n", "a value or a list of values for 'out'. Received: a mapping"),
    ],
)
def test_a_bad_config_is_named_in_one_line(
    config: Any, content: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(content)
    job = Job()
    assert job.run("--config", path) == 2
    message = one_line(capsys)
    assert part in message and str(path) in message
    assert job.options == {}


def test_a_config_that_is_no_text_or_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("out: caf\xe9\n".encode("latin-1"))
    for path in (latin, tmp_path / "missing.yaml", tmp_path):
        assert Job().run("--config", path) == 2
        assert f"--config expects a readable YAML file. Received: {path} (" in one_line(capsys)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise("abcdefgh")
)
BAD_YAML = {"aliases": BOMB, "lists": "[" * 50_000, "mappings": "{a: " * 50_000, "number": "beam: " + "9" * 5000}


@pytest.mark.parametrize("content", BAD_YAML.values(), ids=BAD_YAML)
def test_a_hostile_config_ends_in_one_line_at_once(
    config: Any, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few hundred bytes of aliases stand for 9 ** 8 words."""
    path, started = config(content), time.perf_counter()
    assert Job().run("--config", path) == 2
    assert time.perf_counter() - started < 5
    assert f"--config expects a readable YAML file. Received: {path} (" in one_line(capsys)


@pytest.mark.parametrize("words", [["--config"], ["--config="]])
def test_a_config_without_a_file_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert Job().run(*words) == 2
    assert "--config needs a YAML file" in one_line(capsys)


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_the_result_is_the_exit_code(result: int | None, code: int) -> None:
    assert Job(result).run() == code


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("expected a folder. Received: 'x'."), 2, "expected a folder. Received: 'x'."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            MemoryError(),
            1,
            "the memory does not suffice; ask for less at a time (--beam, --batch-size, --units)",
        ),
        (RecursionError("maximum depth"), 1, "an input is nested too deeply to be read; give a flatter one"),
        (
            type("ResourceExhaustedError", (Exception,), {})(),
            1,
            "the memory does not suffice; ask for less at a time (--beam, --batch-size, --units)",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "store/shard-00001.npy"),
            1,
            "No space left on device: store/shard-00001.npy",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, "No space left on device"),
        (OSError(errno.ENOSPC, "Can't write data (file write failed:\ntime = Sun Nov"), 1, "No space left on device"),
        (OSError("unable to lock file\n(errno 11)"), 1, "unable to lock file"),
        (OSError(), 1, "OSError"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Job(error=error).run("a.jpg") == code
    assert one_line(capsys) == message


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        command.run(Job(error=ZeroDivisionError()).main, argv=[])


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--batch-siz", "8"], ["--batch-siz", "--batch-size"]),
        (["--batch-size", "many"], ["--batch-size: expected a whole number. Received: 'many'."]),
        (["--batch-size"], ["--batch-size"]),
    ],
)
def test_wrong_usage_exits_2_and_names_the_option(
    words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job()
    assert job.run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and job.options == {}
    assert all(part in captured.err for part in parts), captured.err


def test_help_shows_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    assert Job().run("--help") == 0
    shown = capsys.readouterr().out
    assert all(
        part in shown for part in ("mmtoolkit job", "Remembers its options.", "Pictures at a time.", "--no-shuf")
    )


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "from mmtoolkit.cli.command import run\n"
        "def main() -> None:\n    'Talks.'\n    print('a dog\\n' * 100_000)\n"
        "run(main, argv=[])\n",
        encoding="utf-8",
    )
    job = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout is not None and job.stderr is not None
    assert job.stdout.readline() == b"a dog\n"
    job.stdout.close()
    assert (job.stderr.read(), job.wait(timeout=60)) == (b"", 1)
    job.stderr.close()


# --- mmtoolkit NAME ---


def dispatch(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mmtoolkit", *words])
    with pytest.raises(SystemExit) as stopped:
        entry.dispatch()
    return stopped.value.code  # type: ignore[return-value]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up folder of jobs beside the real `command`: one that runs, two that cannot be imported."""
    (tmp_path / "toy_caption.py").write_text(
        "def main(*, name: str = 'dog') -> int:\n    '''Says a name.\n\n    More.'''\n    print(name)\n    return 1\n"
    )
    (tmp_path / "toy_stop.py").write_text("raise KeyboardInterrupt\n\n\ndef main() -> None:\n    'Never starts.'\n")
    (tmp_path / "toy_broken.py").write_text("import not_written_yet\n\n\ndef main() -> None:\n    'Later.'\n")
    (tmp_path / "shared_code.py").write_text("def other() -> None: ...\n")
    monkeypatch.setattr(entry, "__file__", str(tmp_path / "__main__.py"))
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(tmp_path)])
    return tmp_path


def test_help_lists_the_jobs_without_importing_them(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(monkeypatch, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert listed == [["toy-broken", "Later."], ["toy-caption", "Says a name."], ["toy-stop", "Never starts."]]
    assert not any(name.startswith("mmtoolkit.pipelines.toy") for name in sys.modules)


def test_without_a_name_the_list_goes_to_stderr(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(monkeypatch) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "toy-caption" in captured.err


@pytest.mark.parametrize("name", ["toy-caption", "toy_caption"])
def test_a_job_runs_with_its_options(
    jobs: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(monkeypatch, name, "--name", "고양이") == 1
    assert capsys.readouterr().out == "고양이\n"
    monkeypatch.delitem(sys.modules, "mmtoolkit.pipelines.toy_caption")


def test_interrupting_a_job_while_it_loads_exits_130(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(monkeypatch, "toy-stop") == 130
    assert one_line(capsys) == "interrupted"


def test_an_unknown_job_lists_near_names(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(monkeypatch, "toy-captoin") == 2
    assert (
        one_line(capsys) == "expected the name of a job (toy-broken, toy-caption, toy-stop). Received: 'toy-captoin'. "
        "Did you mean 'toy-caption'?"
    )
    assert dispatch(monkeypatch, "zzz") == 2
    assert "(toy-broken, toy-caption, toy-stop)" in one_line(capsys)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_every_job_says_what_it_does() -> None:
    """The list of `mmtoolkit --help` for the real jobs: each with one sentence."""
    summaries = entry.jobs(Path(entry.__file__).parent)
    assert {"command", "__main__"}.isdisjoint(summaries)
    assert all(summary.endswith(".") for summary in summaries.values()), summaries


@pytest.mark.parametrize("name", entry.jobs(Path(entry.__file__).parent))
def test_the_help_of_every_job_reads_well(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that need not be given shows no empty default and no `{None}`, and each is explained in one line."""
    with pytest.raises(SystemExit) as left:
        entry.start(name, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert left.value.code == 0 and "None" not in shown and "(default: )" not in shown
    main = importlib.import_module(f"mmtoolkit.pipelines.{name.replace('-', '_')}").main
    for argument in arguments.arguments_of(main):
        assert argument.help and argument.help in shown, argument
        assert f"{ranges.spelt(argument.name)} " in shown or argument.positional, argument


ODD = "a\x1b]0;title\x07\x1b[2J\r\x08\x00\x7f\x9b1m\u2028\u202eb\u2066 개 😀 é\u200d\\x"
READABLE = r"a\x1b]0;title\x07\x1b[2J\x0d\x08\x00\u007f\u009b1m\u2028\u202eb\u2066 개 😀 é" + "\u200d\\x"


def test_control_characters_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout whatever a job prints, on stderr notes, warnings and errors; the terminal is left as it was."""
    assert command.shown(ODD) == READABLE
    assert command.shown("one\ttwo\nthree") == r"one\x09two\x0athree"
    before = sys.stdout

    def main() -> int:
        """Prints a name."""
        print(f"1.jpg\t{ODD}")
        print(json.dumps({"caption": ODD}, ensure_ascii=False, indent=1))
        command.tell(f"{ODD}\nnext")
        command.warn(ODD)
        warnings.warn(ODD, stacklevel=1)
        raise InputError(ODD)

    with pytest.raises(SystemExit), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *_: sys.stderr.write(  # type: ignore[assignment]
            warnings.formatwarning(message, category, "a.py", 1)
        )
        command.run(main, argv=[], prog="mmtoolkit job")
    printed = capsys.readouterr()
    row, _, result = printed.out.partition("\n")
    assert row == f"1.jpg\t{READABLE}"
    assert json.loads(result) == {"caption": ODD} and not set(result) & set(ODD) - set(READABLE)
    assert printed.err == f"{READABLE}\nnext\nwarning: {READABLE}\nwarning: {READABLE}\nerror: {READABLE}\n"
    assert sys.stdout is before
