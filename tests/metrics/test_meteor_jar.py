"""METEOR against the Java program it equals, where Java and the package are."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmtoolkit.metrics import meteor_scores, meteor_statistics, ptb_tokenize, totals
from mmtoolkit.metrics.meteor_data import JAR, find_file

Images = Sequence[tuple[list[str], list[list[str]]]]  # a hypothesis and its references, in words
CHUNKS = 20  # their place among the statistics
WORDS = "a man men dog dogs running runs run the of in front boy child kid kids are riding bicycle bike big"
SIGNS = "'' -- ... .. . U.S. Dr. No. 5 5.5 1,000 a,b it's dogs' 's n't well-lit “ ‘tis – é 강아지 😀 ( a.b."


@pytest.fixture(scope="module", autouse=True)
def package() -> None:
    if importlib.util.find_spec("pycocoevalcap") is None:
        pytest.skip("needs the package pycocoevalcap (the extra meteor)")


class Oracle:
    """METEOR's jar with coco-caption's settings, which answers each line with lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, kind: str, parts: Sequence[str], answers: int = 1) -> list[list[float]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ||| ".join([kind, *parts]) + "\n")
        self.process.stdin.flush()
        return [[float(number) for number in self.process.stdout.readline().split()] for _ in range(answers)]


@pytest.fixture(scope="module")
def oracle():
    java = shutil.which("java")
    if java is None:
        pytest.skip("needs Java")
    command = [java, "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", str(find_file(JAR)), "-", "-", "-stdio", "-l", "en"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "-norm"], stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        yield Oracle(process)
        process.kill()


def coco(shared: Path) -> Images:
    path = shared / "data" / "coco_caption_eval" / "fakecap_234_ptb_tokenized.json"
    tokens = json.loads(path.read_text(encoding="utf-8"))
    pairs = [(only[0], tokens["refs"][name]) for name, only in tokens["hyps"].items()]
    return [(said.split(), [other.split() for other in others]) for said, others in pairs]


def flickr8k(shared: Path, images: int) -> Images:
    """One caption of each picture against its other four."""
    captions: dict[str, list[list[str]]] = {}
    lines = (shared / "data" / "flickr8k" / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines()
    for name, caption in (line.split("\t") for line in lines):
        captions.setdefault(name.partition("#")[0], []).append(ptb_tokenize(caption))
    few = [captions[name] for name in sorted(captions)[:images]]
    return [(said.pop(number % len(said)), said) for number, said in enumerate(few)]


def odd() -> Images:
    """Few words many times, so that the beam is full and ties are many; and signs that are normalized."""
    rng = random.Random(0)
    images = []
    for number in range(300):
        some = rng.sample(WORDS.split(), rng.randint(1, 8)) + (rng.sample(SIGNS.split(), 5) if number % 3 == 0 else [])
        said, other = (rng.choices(some, k=rng.randint(0, 38)) for _ in range(2))
        images.append((said, [other, said[::-1], said] if number % 5 == 0 else [other]))
    return images


def check(images: Images, oracle: Oracle) -> None:
    """Compares the statistics and the score of each image, and the score of all."""
    rows = meteor_statistics(*zip(*images, strict=True))
    theirs = [oracle("SCORE", [" ".join(words) for words in (*others, said)])[0] for said, others in images]
    for row in theirs:
        if (row[CHUNKS], *row[CHUNKS + 1 :]) == (1, *row[:2]):  # whole, without penalty
            row[CHUNKS] = 0
    assert [list(row) for row in rows] == theirs
    entries = [" ".join(map(str, row)) for row in theirs]
    *scores, (score,) = oracle("EVAL", entries, answers=len(entries) + 1)
    assert [meteor_scores(row)["METEOR"] for row in rows] == pytest.approx([100 * one for (one,) in scores], abs=1e-9)
    assert meteor_scores(totals(rows))["METEOR"] == pytest.approx(100 * score, abs=1e-9)


def test_captions_and_odd_sentences(oracle: Oracle, shared: Path) -> None:
    check([*coco(shared), *flickr8k(shared, 300), *odd()], oracle)


@pytest.mark.slow
def test_two_thousand_captions(oracle: Oracle, shared: Path) -> None:
    check(flickr8k(shared, 2000), oracle)


def test_the_reference_score(shared: Path) -> None:
    """The score that coco-caption's code gives, without Java here."""
    path = shared / "data" / "coco_caption_eval" / "fakecap_234_expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))["scores"]["METEOR"]
    score = meteor_scores(totals(meteor_statistics(*zip(*coco(shared), strict=True))))
    assert score == {"METEOR": pytest.approx(100 * expected, abs=1e-9)}
