"""The options of a job as a list: from keywords, or from a dataclass and its bases."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import pytest
import tyro
import yaml

from mmtoolkit.cli import command
from mmtoolkit.cli.arguments import Argument, arguments_of
from mmtoolkit.cli.options import Data, Fitting, Group
from mmtoolkit.cli.ranges import Count, Share


@dataclass(frozen=True, kw_only=True)
class Options(Data, Fitting):
    """Options of a job.

    Args:
        data: A folder of
            recordings.
        images: Pictures.
        hops: How often the memory is read.
    """

    images: tyro.conf.Positional[list[Path]]
    epochs: Count = 20
    dropout: Share | None = None
    hops: Count = 1


def listed(kind: type, words: list[str]) -> Any:
    """What a job is called with for some words."""
    found = []

    def main(options: Any) -> None:
        """Keeps its options."""
        found.append(options)

    main.__annotations__ = {"options": kind}
    command.call(main, words)
    return found[0]


def test_the_fields_of_a_dataclass_are_options() -> None:
    def main(options: Options) -> None:
        """Does nothing."""

    given = {argument.name: argument for argument in arguments_of(main)}
    assert list(given)[:4] == ["images", "data", "dropout", "hops"]  # what must be given, its own, then its bases'
    assert list(given)[4:] == [
        "on_error",
        "exclude",
        "epochs",
        "max_minutes",
        "patience",
        "train_share",
        "deterministic",
    ] + [*("batch_size", "learning_rate", "averaging", "label_smoothing")]
    assert given["images"] == Argument("images", list[Path], MISSING, "Pictures.", positional=True)
    assert given["data"] == Argument("data", Path, MISSING, "A folder of recordings.")
    assert given["epochs"] == Argument("epochs", int, 20, "Passes over the training split.")
    assert given["dropout"].kind == float | None and given["dropout"].help == ""


def test_a_job_gets_its_dataclass() -> None:
    words = ["a.jpg", "b.jpg", "--data", "there", "--epochs", "3", "--dropout", "0.5", "--deterministic"]
    images = [Path("a.jpg"), Path("b.jpg")]
    expected = Options(images=images, data=Path("there"), epochs=3, dropout=0.5, deterministic=True)
    assert listed(Options, words) == expected


def test_a_config_gives_the_fields(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"data": "there", "epochs": 4, "dropout": None, "hops": 3}))
    options = listed(Options, ["--config", str(tmp_path / "c.yaml"), "--hops", "2"])
    assert options == Options(images=[], data=Path("there"), epochs=4, hops=2)


def test_a_number_out_of_its_range_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    def main(options: Options) -> None:
        """Is never called."""
        raise AssertionError

    with pytest.raises(SystemExit) as stopped:
        command.run(main, argv=["--data", "there", "--epochs", "0"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: --epochs expects 1 or more. Received: 0.\n"


def test_a_job_may_take_keywords() -> None:
    def main(*, data: Path, share: Share | None = None, seed: int = 0) -> None:
        """Trains.

        Args:
            data: Where the pictures are.
            seed: Start of
                all.
        """

    assert arguments_of(main) == [
        Argument("data", Path, MISSING, "Where the pictures are."),
        Argument("share", float | None, None),
        Argument("seed", int, 0, "Start of all."),
    ]


def test_a_job_without_options() -> None:
    def main() -> None:
        """Does nothing."""

    assert arguments_of(main) == []
    assert listed(Group, []) == Group()
