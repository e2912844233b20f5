"""`mmtoolkit score`: BLEU, ROUGE-L, CIDEr and METEOR of a file of captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from json import dumps
from pathlib import Path
from typing import Any, Literal

from mmtoolkit.cli.command import run, tell, warn
from mmtoolkit.cli.options import Printing
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import (
    Bootstrap,
    caption_statistics,
    corpus_scores,
    in_words,
    meteor_scores,
    meteor_statistics,
    signature,
    totals,
    unique_share,
)
from mmtoolkit.metrics.captions import some
from mmtoolkit.metrics.intervals import Interval, Score, Statistics
from mmtoolkit.readers.caption_results import CaptionFile, named_alike, read_caption_file
from mmtoolkit.scripts import unspaced_script


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit score`.

    Args:
        hypotheses: The file of generated captions, one for each image; also what predict printed or wrote.
        references: The files of reference captions, one or more.
        tokenize: ptb as in published scores (lower case, no punctuation), char with each character of scripts without
            spaces apart, or none for words between blanks.
        intervals: Print the 95 % confidence interval of each score, from 1,000 bootstrap resamples of the images.
        meteor: Score METEOR too, for captions in English; needs the extra meteor.
    """

    hypotheses: Path
    references: list[Path]
    tokenize: Literal["ptb", "char", "none"] = "ptb"
    intervals: bool = False
    meteor: bool = False


def main(options: Options) -> int:
    """Scores captions against their references: BLEU, ROUGE-L, CIDEr, and how many captions are unique.

    Files that end in .json are COCO results, COCO annotations, mappings from image ids to captions, or lists of
    captions; .csv, .jsonl and .token are tables of captions as `caption` takes them. Other files are text, a caption
    per line, also behind NAME<TAB> as predict prints: line i of every reference file belongs to line i of the
    hypotheses. Blank lines count, also at the end; a blank hypothesis says nothing, a blank reference is an error.
    All are percentages except CIDEr. The line "signature" on stderr says how the scores were computed.
    """
    if not options.references:
        raise InputError("--references expects one file or more. Received: none.")
    files = [read_caption_file(path) for path in (options.hypotheses, *options.references)]
    said, wanted_files = named_alike(files[0], files[1:])
    wanted = references_of(said, wanted_files)
    for file in files:
        if file.numbered and file.names:
            tell(f"note: {file.path}: the text before the first tab of each line is taken for the name of its picture")
    captions = {name: only[0] for name, only in said.captions.items()}
    if options.tokenize == "ptb" and (script := unspaced_script(chain.from_iterable(wanted.values()))):
        warn(f"the references are in {script} without spaces between words: each is one word; add --tokenize char")
    bootstrap = Bootstrap() if options.intervals else None
    report = scored(captions, wanted, tokenize=options.tokenize, bootstrap=bootstrap, meteor=options.meteor)
    if options.json:
        print(dumps(report))
    else:
        print(table(report))
        tell(f"signature: {report['signature']}")
    return 0


def scored(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    tokenize: str,
    bootstrap: Bootstrap | None,
    meteor: bool,
) -> dict[str, Any]:
    """Computes the report: scores, their intervals where wanted, the share of unique captions, how all was computed."""
    scores: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    measures: list[tuple[Statistics, Score]] = [
        (caption_statistics(captions, references, tokenize=tokenize), corpus_scores)
    ]
    if meteor:
        words = in_words(captions, references, tokenize=tokenize)
        measures.append((meteor_statistics(*words), meteor_scores))
    for statistics, score in measures:
        scores |= score(totals(statistics))
        intervals |= bootstrap(statistics, score) if bootstrap else {}
    return {
        "scores": scores,
        **({"intervals": intervals} if bootstrap else {}),
        "unique_captions": unique_share(captions.values()),
        "images": len(captions),
        "tokenize": tokenize,
        "signature": signature(references.values(), tokenize=tokenize, bootstrap=bootstrap, meteor=meteor),
    }


def table(report: Mapping[str, Any]) -> str:
    """Formats a line NAME SCORE for each score, with [LOW, HIGH] where there are intervals, and last `unique`.

    Example:
        >>> print(table({"scores": {"CIDEr": 0.5}, "intervals": {"CIDEr": (0.4, 0.61)}, "unique_captions": 40.0}))
        CIDEr      0.5000 [0.4000, 0.6100]
        unique      40.00
    """
    lines = []
    for name, score in report["scores"].items():
        digits = 4 if name == "CIDEr" else 2
        line = f"{name:<8}{score:9.{digits}f}"
        if "intervals" in report:
            low, high = report["intervals"][name]
            line += f" [{low:.{digits}f}, {high:.{digits}f}]"
        lines.append(line)
    return "\n".join([*lines, f"{'unique':<8}{report['unique_captions']:9.2f}"])


def references_of(said: CaptionFile, files: Sequence[CaptionFile]) -> dict[str, list[str]]:
    """Returns the references of every hypothesis; several files add up.

    Raises:
        InputError: The files do not belong together, or there are several hypotheses for an image.
    """
    several = [name for name, captions in said.captions.items() if len(captions) > 1]
    if several:
        raise InputError(f"{said.path}: expected one hypothesis for each image. Received: several for {some(several)}.")
    wanted: dict[str, list[str]] = {}
    for file in files:
        check_pair(said, file)
        for name, captions in file.captions.items():
            wanted.setdefault(name, []).extend(captions)
    alone = [name for name in said.captions if name not in wanted]
    if alone:
        names = ", ".join(str(file.path) for file in files)
        raise InputError(f"{said.path}: expected references for every hypothesis. {names}: none for {some(alone)}.")
    return {name: wanted[name] for name in said.captions}


def check_pair(said: CaptionFile, file: CaptionFile) -> None:
    """Refuses references that cannot belong to the hypotheses; says which pictures of a COCO set are left out."""
    if said.numbered != file.numbered:
        by_line, by_id = (said, file) if said.numbered else (file, said)
        raise InputError(f"Expected both files by line or both by image id. {by_line.path}: lines; {by_id.path}: ids.")
    if said.numbered:
        check_lines(said, file)
        return
    silent = [name for name in file.captions if name not in said.captions]
    if silent and not file.whole_set:
        raise InputError(f"{file.path}: expected a hypothesis for every image. {said.path}: none for {some(silent)}.")
    if silent:
        warn(f"{file.path}: left out, because {said.path} says nothing about them: {some(silent)}")


def check_lines(said: CaptionFile, file: CaptionFile) -> None:
    """Refuses files of different lengths and references that are blank."""
    counts = len(said.captions), len(file.captions)
    if counts[0] != counts[1]:
        raise InputError(
            f"Expected as many references as hypotheses. {said.path}: {counts[0]} lines; {file.path}: {counts[1]} lines"
            " (blank lines count)."
        )
    for line, captions in file.captions.items():
        if not all(caption.strip() for caption in captions):
            raise InputError(f"{file.path}:{line}: expected a reference caption. Received: a blank line.")


if __name__ == "__main__":
    run(main)
