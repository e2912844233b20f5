"""`mmtoolkit score`, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit import __version__
from mmtoolkit.cli import command
from mmtoolkit.metrics import confidence_intervals, in_words, meteor, score_captions
from mmtoolkit.pipelines import score

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines" / "score.py"
SAID = {"7": "A dog runs.", "8": "Two men sit on a bench."}
WANTED = {"7": ["A dog is running.", "The dog runs fast."], "8": ["Two men on a bench.", "Men sit down."]}
SCORES = score_captions(SAID, WANTED)

RESULTS = [{"image_id": int(name), "caption": caption} for name, caption in SAID.items()]
ANNOTATIONS = {
    "images": [{"id": 7}, {"id": 8}],
    "annotations": [
        {"image_id": int(name), "id": number, "caption": caption}
        for number, (name, captions) in enumerate(reversed(WANTED.items()))
        for caption in captions
    ],
}
SAID_LINES = "A dog runs.\nTwo men sit on a bench.\n"
WANTED_LINES = ("A dog is running.\nTwo men on a bench.\n", "The dog runs fast.\nMen sit down.\n")


class Run:
    """Writes files, runs the job in this process, remembers what it printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def file(self, name: str, content: Any) -> Path:
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def __call__(self, *words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            command.run(score.main, argv=[str(word) for word in words], prog="mmtoolkit score")
        printed = self.capsys.readouterr()
        return stopped.value.code, printed.out, printed.err  # type: ignore[return-value]

    def fails(self, hypotheses: Any, references: Any, *, names: tuple[str, str] = ("h.json", "r.json")) -> str:
        """The one line on stderr of a run that must end with exit code 2 and print nothing."""
        said, wanted = self.file(names[0], hypotheses), self.file(names[1], references)
        code, out, err = self("--hypotheses", said, "--references", wanted)
        assert (code, out) == (2, "")
        assert err.startswith("error: ") and err.count("\n") == 1
        return err


@pytest.fixture
def job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        (("h.json", RESULTS), [("r.json", ANNOTATIONS)]),
        (("h.json", {"info": "", "annotations": RESULTS}), [("r.json", ANNOTATIONS["annotations"])]),
        (("h.json", SAID), [("r.json", WANTED)]),
        (("h.json", {name: [caption] for name, caption in SAID.items()}), [("r.json", ANNOTATIONS)]),
        (("h.json", list(SAID.values())), [("r.json", list(WANTED.values()))]),
        (("h.txt", SAID_LINES), [("r1.txt", WANTED_LINES[0]), ("r2.txt", WANTED_LINES[1])]),
        (
            ("h.txt", SAID_LINES.rstrip("\n")),
            [("r1.txt", WANTED_LINES[0]), ("r2.json", ["The dog runs fast.", "Men sit down."])],
        ),
        (("h.txt", b"\xef\xbb\xbf" + SAID_LINES.replace("\n", "\r\n").encode()), [("r.json", list(WANTED.values()))]),
        (
            ("h.json", RESULTS),
            [("a.json", {n: c[0] for n, c in WANTED.items()}), ("b.json", {n: c[1] for n, c in WANTED.items()})],
        ),
    ],
    ids=[
        "coco",
        "two annotations",
        "mappings",
        "one-item lists",
        "lists",
        "text",
        "no last newline",
        "crlf",
        "two files",
    ],
)
def test_every_form_gives_the_same_scores(job: Run, hypotheses: Any, references: Any) -> None:
    paths = [job.file(*reference) for reference in references]
    code, out, err = job("--json", "--hypotheses", job.file(*hypotheses), "--references", *paths)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert list(report)[0] == "scores" and report["images"] == 2
    assert report["scores"] == pytest.approx(SCORES)
    assert list(report["scores"]) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]


def test_the_table(job: Run) -> None:
    words = "--hypotheses", job.file("h.json", RESULTS), "--references", job.file("r.json", ANNOTATIONS)
    code, out, err = job(*words)
    rows = dict(line.split() for line in out.splitlines())
    assert code == 0 and list(rows) == [*SCORES, "unique"]
    assert rows.pop("unique") == "100.00"
    assert rows == {name: f"{value:.{4 if name == 'CIDEr' else 2}f}" for name, value in SCORES.items()}
    assert err == (
        "signature: BLEU:coco|ROUGE-L:coco|CIDEr:coco-D|df:references|tokenizer:ptb|images:2|references:2"
        f"|mmtoolkit:{__version__}\n"
    )


def test_intervals(job: Run) -> None:
    """In the table behind each score, in the object behind the scores; the signature says where they are from."""
    words = "--hypotheses", job.file("h.json", RESULTS), "--references", job.file("r.json", ANNOTATIONS), "--intervals"
    expected = confidence_intervals(SAID, WANTED)
    code, out, err = job(*words)
    assert code == 0 and "|bootstrap:1000|level:95|seed:0|" in err
    *lines, last = out.splitlines()
    for line, (name, value) in zip(lines, SCORES.items(), strict=True):
        digits = 4 if name == "CIDEr" else 2
        low, high = (f"{cut:.{digits}f}" for cut in expected[name])
        assert line.split(maxsplit=2) == [name, f"{value:.{digits}f}", f"[{low}, {high}]"]
    assert last.split() == ["unique", "100.00"]
    report = json.loads(job(*words, "--json")[1])
    assert list(report) == ["scores", "intervals", "unique_captions", "images", "tokenize", "signature"]
    assert {name: tuple(cuts) for name, cuts in report["intervals"].items()} == expected
    assert err == f"signature: {report['signature']}\n"


def test_the_share_of_unique_captions(job: Run) -> None:
    said, wanted = job.file("h.txt", "a dog\na dog\na cat\n\n"), job.file("r.txt", "a\nb\nc\nd\n")
    report = json.loads(job("--json", "--hypotheses", said, "--references", wanted)[1])
    assert report["unique_captions"] == 75 and "unique" not in report["scores"] and "intervals" not in report


def test_meteor_is_scored_beside_the_others(job: Run, meteor_package: Path) -> None:
    """It gets our words: lower case, no stops."""
    words = "--hypotheses", job.file("h.json", RESULTS), "--references", job.file("r.json", ANNOTATIONS), "--meteor"
    report = json.loads(job(*words, "--json")[1])
    said, wanted = in_words(SAID, WANTED, tokenize="ptb")
    assert report["scores"] == SCORES | {"METEOR": pytest.approx(meteor(said, wanted))}
    assert list(report["scores"])[-1] == "METEOR" and "|METEOR:1.5-en-norm|" in report["signature"]
    report = json.loads(job(*words, "--json", "--intervals")[1])
    alone = [meteor([hypothesis], [others]) for hypothesis, others in zip(said, wanted, strict=True)]
    assert report["intervals"]["METEOR"] == pytest.approx(sorted(alone))  # one image twice, or the other
    assert job(*words)[1].splitlines()[-2].split()[0] == "METEOR"


def test_meteor_needs_no_java(job: Run, meteor_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("subprocess.Popen", None)
    words = "--hypotheses", job.file("h.json", RESULTS), "--references", job.file("r.json", ANNOTATIONS), "--meteor"
    assert job(*words)[0] == 0


def test_meteor_without_its_data(job: Run, meteor_package: Path) -> None:
    words = "--hypotheses", job.file("h.json", RESULTS), "--references", job.file("r.json", ANNOTATIONS), "--meteor"
    (meteor_package / "meteor" / "meteor-1.5.jar").unlink()
    code, out, err = job(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: METEOR expects") and "pip install '.[meteor]'" in err


def test_tokenize_none_takes_the_words_as_they_are(job: Run) -> None:
    said, wanted = job.file("h.txt", "A dog .\n"), job.file("r.txt", "a dog .\n")
    words = "--json", "--hypotheses", said, "--references", wanted
    assert json.loads(job(*words, "--tokenize", "none")[1])["scores"]["BLEU-1"] == pytest.approx(200 / 3)
    assert json.loads(job(*words)[1])["scores"]["BLEU-1"] == pytest.approx(100)


def test_the_reference_scores_from_coco_files(job: Run, shared: Path) -> None:
    folder = shared / "data" / "coco_caption_eval"
    captions = json.loads((folder / "fakecap_234_with_refs.json").read_text(encoding="utf-8"))
    expected = json.loads((folder / "fakecap_234_expected.json").read_text(encoding="utf-8"))["scores"]
    said = job.file("h.json", [{"image_id": int(name), "caption": one["hyp"]} for name, one in captions.items()])
    pairs = [(name, caption) for name, one in captions.items() for caption in one["refs"]]
    wanted = job.file("r.json", {"annotations": [{"image_id": int(name), "caption": text} for name, text in pairs]})
    code, out, _ = job("--hypotheses", said, "--references", wanted, "--json")
    scores = json.loads(out)["scores"]
    assert code == 0
    assert scores["BLEU-4"] / 100 == pytest.approx(expected["Bleu_4"], abs=1e-6)
    assert scores["ROUGE-L"] / 100 == pytest.approx(expected["ROUGE_L"], abs=1e-6)
    assert scores["CIDEr"] == pytest.approx(expected["CIDEr"], abs=1e-6)


def test_a_blank_hypothesis_line_counts_and_says_nothing(job: Run) -> None:
    said, wanted = job.file("h.txt", "a dog\n\n"), job.file("r.txt", "a dog\na cat\n")
    code, out, _ = job("--json", "--hypotheses", said, "--references", wanted)
    report = json.loads(out)
    assert code == 0 and report["images"] == 2
    assert report["scores"] == pytest.approx(score_captions({1: "a dog", 2: ""}, {1: ["a dog"], 2: ["a cat"]}))


def test_pictures_of_an_annotation_file_without_hypothesis_are_left_out_aloud(job: Run) -> None:
    said, wanted = job.file("h.json", RESULTS[:1]), job.file("r.json", ANNOTATIONS)
    code, out, err = job("--json", "--hypotheses", said, "--references", wanted)
    assert code == 0 and json.loads(out)["images"] == 1
    assert json.loads(out)["scores"] == pytest.approx(score_captions({"7": SAID["7"]}, {"7": WANTED["7"]}))
    assert err == f"warning: {wanted}: left out, because {said} says nothing about them: 1 image: '8'\n"


PRINTED = "photos/7.jpg\tA dog runs.\nphotos/8.jpg\tTwo men sit on a bench.\n"
TABLE = "image,caption\nphotos/7.jpg,A dog runs.\nphotos/8.jpg,Two men sit on a bench.\n"
PRINTED_JSON = {
    "results": [
        {"image": f"photos/{name}.jpg", "captions": [{"text": caption, "score": -1.0}]}
        for name, caption in SAID.items()
    ],
    "failed": [],
}
ROWS = [(f"images/{name}.jpg", caption) for name, captions in WANTED.items() for caption in captions]
PICTURES = [{"id": int(name), "file_name": f"{name}.jpg"} for name in WANTED]


@pytest.mark.parametrize(
    "hypotheses", [("h.txt", PRINTED), ("h.csv", TABLE), ("h.json", PRINTED_JSON)], ids=["printed", "out", "json"]
)
@pytest.mark.parametrize(
    "references",
    [
        ("captions.csv", "image,caption,split\n" + "".join(f"{name},{text},test\n" for name, text in ROWS)),
        ("r.jsonl", "".join(json.dumps({"image": name, "caption": text}) + "\n" for name, text in ROWS)),
        ("r.token.txt", "".join(f"{name}#{n}\t{text}\n" for n, (name, text) in enumerate(ROWS))),
        ("captions.txt", "image,caption\n" + "".join(f"{name},{text}\n" for name, text in ROWS)),
        ("r.txt", "".join(f"{name}\t{text}\n" for name, text in ROWS)),
        ("r.json", {**ANNOTATIONS, "images": PICTURES}),
        ("m.json", {f"photos/{name}.jpg": captions for name, captions in WANTED.items()}),
    ],
    ids=["table", "json lines", "flickr8k", "kaggle", "names and tabs", "coco", "mapping"],
)
def test_what_predict_gives_is_scored_by_the_names_of_pictures(job: Run, hypotheses: Any, references: Any) -> None:
    """Whatever folder the paths are seen from."""
    code, out, err = job("--json", "--hypotheses", job.file(*hypotheses), "--references", job.file(*references))
    assert code == 0, err
    assert json.loads(out)["scores"] == pytest.approx(SCORES)
    assert err.count("note: ") == [hypotheses[0], references[0]].count("h.txt") + (references[0] == "r.txt")


def test_a_name_before_a_tab_is_no_word_of_the_caption(job: Run) -> None:
    """Line by line where the references have no names; a caption may be empty, or have a tab itself."""
    said = job.file("h.txt", "1.jpg\ta dog\n2.jpg\t\n3.jpg\ta\tcat\n")
    wanted = job.file("r.txt", "a dog\na bird\na cat\n")
    code, out, err = job("--json", "--hypotheses", said, "--references", wanted)
    expected = score_captions({1: "a dog", 2: "", 3: "a cat"}, {1: ["a dog"], 2: ["a bird"], 3: ["a cat"]})
    assert code == 0 and json.loads(out)["scores"] == pytest.approx(expected)
    assert err == f"note: {said}: the text before the first tab of each line is taken for the name of its picture\n"


def test_pictures_of_one_name_in_two_folders_stay_apart(job: Run) -> None:
    rows = [("a/1.jpg", "a dog"), ("b/1.jpg", "a cat")]
    said = job.file("h.csv", "image,caption\n" + "".join(f"{name},{text}\n" for name, text in rows))
    wanted = job.file("r.csv", "image,caption\n" + "".join(f"{name},{text}\n" for name, text in reversed(rows)))
    report = json.loads(job("--json", "--hypotheses", said, "--references", wanted)[1])
    assert report["scores"]["BLEU-1"] == pytest.approx(100)
    other = job.file("o.csv", "image,caption\nc/a/1.jpg,a dog\nc/b/1.jpg,a cat\n")
    code, _, err = job("--hypotheses", said, "--references", other)
    assert code == 2 and "expected references for every hypothesis" in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h.txt", "1.jpg\tyes\t0.988\n1.jpg\tno\t0.010\n", "expected captions. Received: answers, lines of NAME<TAB>"),
        ("h.txt", "1.jpg\ta dog\n1.jpg\ta cat\n", "expected one hypothesis for each image. Received: several"),
        ("h.csv", "image,words\n1.jpg,a dog\n", "h.csv:1: expected a column 'caption'"),
        ("h.csv", "image,caption\n1.jpg,\n", "h.csv:2: expected a caption of '1.jpg'. Received: an empty one"),
        ("h.csv", "", "expected at least one caption"),
    ],
)
def test_other_outputs_are_refused(job: Run, name: str, content: str, message: str) -> None:
    line = job.fails(content, "image,caption\n1.jpg,a dog\n", names=(name, "r.csv"))
    assert message in line


@pytest.mark.parametrize(
    ("hypotheses", "references", "said"),
    [
        (RESULTS, {"7": ["a"]}, ["h.json: expected references", "r.json: none for 1 image: '8'"]),
        (RESULTS, {**WANTED, "9": ["a"]}, ["r.json: expected a hypothesis", "h.json: none for 1 image: '9'"]),
        ([*RESULTS, RESULTS[0]], WANTED, ["h.json: expected one hypothesis", "several for 1 image: '7'"]),
        (WANTED, WANTED, ["h.json: expected one hypothesis", "several for 2 images: '7', '8'"]),
        ('{"7": "a", "7": "b"}', WANTED, ["h.json: expected every name once. Received: '7' twice."]),
        ('[\n{"image_id": 7,\n "caption": }]', WANTED, ["h.json:3: expected JSON", "column 13"]),
        ("", WANTED, ["h.json:1: expected JSON"]),
        ("[]", WANTED, ["h.json: expected at least one caption. Received: an empty file."]),
        ("42", WANTED, ["h.json: expected a list of", "Received: 42."]),
        ([{"image_id": 7, "text": "a"}], WANTED, ["h.json: item 1: expected an image_id and a caption", '"text"']),
        ([RESULTS[0], "a"], WANTED, ['h.json: item 2: expected an image_id and a caption. Received: "a".']),
        ([{"image_id": 7, "caption": None}], WANTED, ["h.json: item 1: expected an image_id and a caption"]),
        (RESULTS, {"7": [], "8": ["a"]}, ["r.json: '7': expected", "Received: []."]),
        (RESULTS, {"7": "a", "8": 3}, ["r.json: '8': expected", "Received: 3."]),
        (RESULTS, ["a", "b"], ["Expected both files by line or both by image id", "r.json: lines", "h.json: ids"]),
        (["a", "b"], ["a"], ["h.json: 2 lines;", "r.json: 1 lines"]),
    ],
)
def test_json_that_does_not_fit(job: Run, hypotheses: Any, references: Any, said: list[str]) -> None:
    line = job.fails(hypotheses, references)
    assert all(part in line for part in said), line


@pytest.mark.parametrize(
    ("hypotheses", "references", "said"),
    [
        ("a\nb\n", "a\n", ["h.txt: 2 lines;", "r.txt: 1 lines (blank lines count)."]),
        ("a\nb\n", "a\nb\n\n", ["h.txt: 2 lines;", "r.txt: 3 lines"]),
        ("a\nb\n", "a\n \n", ["r.txt:2: expected a reference caption. Received: a blank line."]),
        ("", "a\n", ["h.txt: expected at least one caption. Received: an empty file."]),
        ("a\n\u00e9\n".encode("latin-1"), "a\nb\n", ["h.txt:2: expected UTF-8 text. Received: the byte 0xe9."]),
    ],
)
def test_text_that_does_not_fit(job: Run, hypotheses: Any, references: Any, said: list[str]) -> None:
    line = job.fails(hypotheses, references, names=("h.txt", "r.txt"))
    assert all(part in line for part in said), line


def test_the_second_reference_file_is_the_one_named(job: Run) -> None:
    said, first, second = job.file("h.txt", "a\nb\n"), job.file("r1.txt", "a\nb\n"), job.file("r2.txt", "a\nb\nc\n")
    code, out, err = job("--hypotheses", said, "--references", first, second)
    assert (code, out) == (2, "")
    assert f"{said}: 2 lines; {second}: 3 lines" in err and "r1.txt" not in err


def test_files_that_are_not_there(job: Run, tmp_path: Path) -> None:
    wanted = job.file("r.json", WANTED)
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "lines.jsonl", tmp_path / "captions.csv"):
        code, out, err = job("--hypotheses", path, "--references", wanted)
        assert (code, out) == (2, "") and str(path) in err and err.startswith("error: Expected a ")


@pytest.mark.parametrize(
    "words", [[], ["--hypotheses", "h"], ["--hypotheses", "h", "--references", "r", "--tokenize", "x"]]
)
def test_wrong_usage_ends_with_2(job: Run, words: list[str]) -> None:
    code, out, err = job(*words)
    assert code == 2 and out == "" and err


def test_no_reference_file_after_the_option(job: Run) -> None:
    code, _, err = job("--hypotheses", job.file("h.json", SAID), "--references")
    assert code == 2 and "--references" in err


@pytest.mark.parametrize("start", [["-m", "mmtoolkit.pipelines", "score"], [str(SCRIPT)]], ids=["mmtoolkit", "script"])
def test_both_ways_of_running(job: Run, start: list[str]) -> None:
    said, wanted = job.file("h.json", RESULTS), job.file("r.json", ANNOTATIONS)
    words = [sys.executable, *start, "--hypotheses", str(said), "--references", str(wanted), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["scores"] == pytest.approx(SCORES)
    failed = subprocess.run([*words[:-2], str(job.folder / "none.json")], capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (2, "", 1)


def test_the_command_loads_no_tensorflow(job: Run) -> None:
    said, wanted = job.file("h.json", RESULTS), job.file("r.json", ANNOTATIONS)
    code = (
        "import sys\nfrom mmtoolkit.pipelines.__main__ import dispatch\n"
        "try:\n    dispatch()\nexcept SystemExit as stopped:\n    assert stopped.code == 0\n"
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, "score", "--hypotheses", str(said), "--references", str(wanted)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and done.stdout.startswith("BLEU-1")


ODD_FILES = {
    "windows lines": ("h.txt", b"a dog\r\n\r\n", True),
    "tabs and no-break spaces": ("h.txt", "a\tdog\u00a0runs\n\u200b\u3000\n".encode(), True),
    "quotes and emoji": ("h.txt", "\u201ca dog\u2019s\u201d 🐕\n👨\u200d👩\u200d👧\n".encode(), True),
    "Korean": ("h.txt", "강아지가 달린다\n\u1100\u1161\n".encode(), True),
    "nothing": ("h.txt", b"\n\n", True),
    "punctuation": ("h.txt", b'...\n? -- "!"\n', True),
    "control signs": ("h.txt", b"a\x00dog\x1b[0m\n\x0c\n", True),
    "a long line": ("h.txt", b"a dog " * 50_000 + b"\nb\n", True),
    "lone surrogates": ("h.json", b'["\\ud800 a dog", "\\udfff"]', True),
    "old Mac lines": ("h.txt", b"a dog\ra cat\r", True),
    "UTF-16": ("h.txt", "a dog\na cat\n".encode("utf-16"), False),
    "half a character": ("h.txt", "a dog\n한".encode()[:-1], False),
    "a surrogate as a name": ("h.json", b'{"\\ud800": "a", "8": "b"}', False),
    "a surrogate of no form": ("h.json", b'["\\ud800", 3]', False),
    "nested too deeply": ("h.json", b"[" * 100_000, False),
    "a number too long": ("h.json", b'[{"image_id": %s, "caption": "a"}]' % (b"9" * 5000), False),
    "not a number": ("h.json", b"NaN", False),
}


@pytest.mark.parametrize(("name", "content", "fine"), ODD_FILES.values(), ids=ODD_FILES)
def test_odd_files_give_numbers_or_one_sentence(job: Run, name: str, content: bytes, fine: bool) -> None:
    wanted = job.file("r.json", ["a dog runs", "a cat sits"])
    code, out, err = job("--hypotheses", job.file(name, content), "--references", wanted, "--intervals")
    if fine:
        assert code == 0 and len(out.splitlines()) == 7 and err.startswith("signature: ")
        assert all(0 <= float(line.split()[1]) <= 100 for line in out.splitlines())
    else:
        assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize("name", ["nothing", "punctuation"])
def test_captions_without_words_score_0(job: Run, name: str) -> None:
    said, wanted = job.file(*ODD_FILES[name][:2]), job.file("r.json", ["a dog runs", "a cat sits"])
    report = json.loads(job("--hypotheses", said, "--references", wanted, "--intervals", "--json")[1])
    assert set(report["scores"].values()) == {0.0}
    assert all(cuts == [0.0, 0.0] for cuts in report["intervals"].values())


def test_a_terminal_that_knows_only_ascii(job: Run) -> None:
    """The sentence about a file is shown there too."""
    said, wanted = job.file("h.json", '{"\\ud800한": ["a", "b"]}'), job.file("r.json", '{"\\ud800한": "a"}')
    words = [sys.executable, str(SCRIPT), "--hypotheses", str(said), "--references", str(wanted)]
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"several for 1 image" in done.stderr
