"""All shared jobs over a task that the library does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tiny_task import COLOURS, ColourTable, colours, new_model, write_colours

import mmtoolkit as mm
from mmtoolkit.data.image_sources import source_for
from mmtoolkit.doctor import examine
from mmtoolkit.evaluation import evaluate, predict, predictions
from mmtoolkit.pipelines.__main__ import start
from mmtoolkit.reports import compare, examples_of, read_report, read_table, write_report
from mmtoolkit.serving.export import export
from mmtoolkit.training import Recipe, fine_tune, fit


class Run(NamedTuple):
    """A trained table, its data, and where it is."""

    model: Any
    splits: Any
    source: Any
    out: Path


RECIPE = Recipe(epochs=3, batch_size=4, learning_rate=0.5, label_smoothing=0.0, averaging=0.0, seed=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tiny")
    records, _ = colours.load(write_colours(folder / "data"))
    splits = mm.split(records)
    model = new_model(splits.train)
    model.baselines = colours.fit_baselines(splits.train)
    source, faults = source_for(model, records)
    assert not faults
    lines: list[str] = []
    trained = fit(colours, model, splits, source=source, out=folder / "run", recipe=RECIPE, tell=lines.append)
    assert trained.history["val_error rate"][-1] == 0.0 and len(trained.history["loss"]) == 3
    assert any("epoch 3: " in line for line in lines)
    return Run(trained.model, splits, source, folder / "run")


def test_the_best_state_is_the_one_of_the_lowest_error(run: Run) -> None:
    """Lower is better: a later epoch that is no better does not take its place."""
    history = json.loads((run.out / "preset" / "card.json").read_text())["valid_scores"]
    assert history == {"error rate": 0.0}
    assert type(mm.Model.from_preset(run.out / "preset")) is ColourTable
    assert mm.Model.from_preset(run.out / "preset").baselines == {"first": "red"}


def test_predictions_leave_out_an_image_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    images = [run.splits.test[0].image, broken, run.splits.test[1].image]
    examples = [colours.example(image) for image in images]
    found = list(predictions(colours, run.model, examples, source=run.model.image_source()))
    assert [[best.text for best in each.outputs[:1]] for each in found] == [["red"], [], ["green"]]
    assert found[1].error is not None and "broken.png" in str(found[1].error)


def test_evaluate_report_and_compare(run: Run, tmp_path: Path) -> None:
    good = evaluate(colours, run.model, run.splits.test, source=run.source)
    assert good["scores"] == {"error rate": 0.0} and good["baselines"] == {"first colour": {"error rate": 75.0}}
    assert good["metric"]["better"] == {"error rate": "lower"} and good["different_colours"] == 4
    assert [row["grade"] for row in good["rows"]] == ["right"] * 4
    outputs = {key: [mm.Caption("red", 0.0)] for key in (record.id for record in run.splits.test)}
    poor = evaluate(colours, run.model, run.splits.test, source=run.source, predictions=outputs)
    for name, report in (("good", good), ("poor", poor)):
        shown = examples_of(report)
        by_id = {record.id: record for record in run.splits.test}
        examples = [by_id[row["id"]] for row in shown]
        views = colours.views(run.model, examples, [row["output"] for row in shown], run.source)
        write_report(tmp_path / f"{name}.json", colours, report, views=dict(zip(by_id, views, strict=True)))
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "error rate" in page and "different colours" in page and page.count("data-map=") == 4
    reports = tuple(read_report(tmp_path / f"{name}.json") for name in ("poor", "good"))
    assert len(read_report(tmp_path / "good.json")["table_sha256"]) == 64  # by which `read_table` knows it
    tables = tuple(read_table(tmp_path / f"{name}.json", colours.metric) for name in ("poor", "good"))
    comparison = compare(colours.metric, reports, tables)  # type: ignore[arg-type]
    (change,) = [change for change in comparison.changes if change.name == "error rate"]
    assert (change.first, change.second) == (75.0, 0.0)
    assert {pair[1]["output"] for pair in comparison.better} == {"green", "blue", "white"} and not comparison.worse


def test_fine_tuning_learns_a_new_colour_and_keeps_the_best(run: Run, tmp_path: Path) -> None:
    records, _ = colours.load(write_colours(tmp_path / "data", (*COLOURS, "black")))
    splits = mm.split(records)
    source, _ = source_for(run.model, records)
    tuned = fine_tune(
        colours,
        run.model,
        splits,
        source=source,
        source_of=lambda model, records: source,
        out=tmp_path / "run",
        recipe=RECIPE,
        tell=lambda line: None,
    )
    assert tuned.report["before"]["scores"] == {"error rate": 20.0} and tuned.report["scores"] == {"error rate": 0.0}
    assert tuned.report["best"] == "decoder" and tuned.report["new"] == {"words": ["black"]}
    best = predict(colours, tuned.model, splits.test, source=source)
    assert {record.colour for record in splits.test if best[record.id][0].text == record.colour} == {*COLOURS, "black"}


def test_the_jobs_of_the_command_line_run_over_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that a user types: the line in `TASKS` is the only one that a new task needs."""
    monkeypatch.setattr("mmtoolkit.tasks.TASKS", (colours,))
    data, preset, out = run.splits.train[0].image.parents[1], run.out / "preset", tmp_path / "out"

    def job(name: str, *words: object, code: int = 0) -> str:
        assert start(name, [str(word) for word in words]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    report = out / "report.json"
    assert (
        job("evaluate", "--preset", preset, "--data", data, "--split", "test", "--out", report) == "error rate\t0.0\n"
    )
    assert (out / "report.csv").read_text(encoding="utf-8-sig").startswith("id,group,input,output,")
    image = run.splits.test[2].image
    assert job("predict", image, "--preset", preset, "--out", out / "new.csv", "--attention", out) == f"{image}\tblue\n"
    assert (out / "new.csv").read_text().splitlines()[0] == "image,colour"
    assert (out / f"{image.stem}.png").is_file()
    same = json.loads(job("compare", report, report, "--json"))["scores"]["error rate"]
    assert (same["a"], same["b"], same["beyond_noise"]) == (0.0, 0.0, False)
    tuned = ("--epochs", 3, "--learning-rate", 0.5, "--averaging", 0)
    more = write_colours(tmp_path / "more", (*COLOURS, "black"))
    job("finetune", "--preset", preset, "--data", more, "--out", out / "tuned", *tuned)
    assert json.loads((out / "tuned" / "report.json").read_text())["new"] == {"words": ["black"]}
    job("export", "--preset", out / "tuned" / "preset", "--out", out / "model")
    job("verify", out / "model")
    found = job("doctor", "--data", data, "--json", code=1)  # tiny pictures are warned of
    assert json.loads(found)["counts"] == {"pictures": 24, "rows": 24}


def test_the_export_is_proven(run: Run, tmp_path: Path) -> None:
    folder, verdict = export(colours, run.model, tmp_path / "model")
    assert verdict.problems == [] and verdict.requests == 4 and (folder / "saved_model.pb").is_file()


def test_doctor_examines_its_records(run: Run) -> None:
    records = [record for part in run.splits for record in part]
    health = examine(records)
    assert health.counts == {"pictures": 24, "rows": 24}
    assert "Answers" not in health.figures and not np.any([finding.kind == "unreadable" for finding in health.findings])
