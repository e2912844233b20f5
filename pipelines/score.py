"""`mmtoolkit score`: BLEU, ROUGE-L, CIDEr and METEOR of a file of captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from json import JSONDecodeError, dumps, loads
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
    signature,
    start_meteor,
    totals,
    unique_share,
)
from mmtoolkit.metrics.captions import some
from mmtoolkit.metrics.intervals import Interval, Score, Statistics
from mmtoolkit.readers.tables import fault_at, read_text

FORMS = (
    'a list of {"image_id": …, "caption": …}, such a list under "annotations", '
    "a mapping from image ids to captions, or a list of captions"
)


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """The captions in a file, by image."""

    path: Path
    captions: dict[str, list[str]]  # by image id; in text files and plain lists the ids are the positions from 1
    numbered: bool = False  # whether the ids are positions
    whole_set: bool = False  # whether it is a COCO annotation file, which may have more images than were captioned


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit score`.

    Args:
        hypotheses: The file of generated captions, one for each image.
        references: The files of reference captions, one or more.
        tokenize: ptb as in published scores (lower case, no punctuation), or none for words between blanks.
        intervals: Print the 95 % confidence interval of each score, from 1,000 bootstrap resamples of the images.
        meteor: Score METEOR too; needs Java and the extra metrics-java.
    """

    hypotheses: Path
    references: list[Path]
    tokenize: Literal["ptb", "none"] = "ptb"
    intervals: bool = False
    meteor: bool = False


def main(options: Options) -> int:
    """Scores captions against their references: BLEU, ROUGE-L, CIDEr, and how many captions are unique.

    Files that end in .json are COCO results, COCO annotations, mappings from image ids to captions, or lists of
    captions. Other files are text, a caption per line: line i of every reference file belongs to line i of the
    hypotheses. Blank lines count, also at the end; a blank hypothesis is an empty caption, a blank reference an error.
    All are percentages except CIDEr. The line "signature" on stderr records how the scores were computed.
    """
    outputs = read_hypotheses(options.hypotheses)
    wanted = read_references(options.references, outputs)
    captions = {name: only[0] for name, only in outputs.captions.items()}
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
    """Computes the report: scores, their intervals where asked for, the share of unique captions, the signature."""
    scores: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    with ExitStack() as stack:
        measures: list[tuple[Statistics, Score]] = [
            (caption_statistics(captions, references, tokenize=tokenize), corpus_scores)
        ]
        if meteor:
            scorer = stack.enter_context(start_meteor())
            pairs = zip(*in_words(captions, references, tokenize=tokenize), strict=True)
            measures.append(([scorer.statistics(words, others) for words, others in pairs], scorer.scores))
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


def read_hypotheses(path: Path) -> CaptionFile:
    """Reads a file with one caption for each image."""
    outputs = read(path)
    several = [name for name, captions in outputs.captions.items() if len(captions) > 1]
    if several:
        raise InputError(f"{path}: expected one hypothesis for each image. Received: several for {some(several)}.")
    return outputs


def read_references(paths: Iterable[Path], outputs: CaptionFile) -> dict[str, list[str]]:
    """Reads the references of every hypothesis; several files add up."""
    files = [read(path) for path in paths]
    if not files:
        raise InputError("--references expects one file or more. Received: none.")
    wanted: dict[str, list[str]] = {}
    for file in files:
        check_pair(outputs, file)
        for name, captions in file.captions.items():
            wanted.setdefault(name, []).extend(captions)
    alone = [name for name in outputs.captions if name not in wanted]
    if alone:
        names = ", ".join(str(file.path) for file in files)
        raise InputError(f"{outputs.path}: expected references for every hypothesis. {names}: none for {some(alone)}.")
    return {name: wanted[name] for name in outputs.captions}


def check_pair(outputs: CaptionFile, file: CaptionFile) -> None:
    """Checks that references can belong to the hypotheses; warns of pictures of a COCO set that are left out."""
    if outputs.numbered != file.numbered:
        by_line, by_id = (outputs, file) if outputs.numbered else (file, outputs)
        raise InputError(f"Expected both files by line or both by image id. {by_line.path}: lines; {by_id.path}: ids.")
    if outputs.numbered:
        check_lines(outputs, file)
        return
    silent = [name for name in file.captions if name not in outputs.captions]
    if silent and not file.whole_set:
        raise InputError(
            f"{file.path}: expected a hypothesis for every image. {outputs.path}: none for {some(silent)}."
        )
    if silent:
        warn(f"{file.path}: left out, because {outputs.path} says nothing about them: {some(silent)}")


def check_lines(outputs: CaptionFile, file: CaptionFile) -> None:
    """Checks that files are of one length and no reference is blank."""
    ours, theirs = len(outputs.captions), len(file.captions)
    if ours != theirs:
        lines = f"{outputs.path}: {ours} lines; {file.path}: {theirs} lines (blank lines count)"
        raise InputError(f"Expected as many references as hypotheses. {lines}.")
    for line, captions in file.captions.items():
        if not all(caption.strip() for caption in captions):
            raise InputError(f"{file.path}:{line}: expected a reference caption. Received: a blank line.")


def read(path: Path) -> CaptionFile:
    """Reads the captions of a file; there must be one."""
    if path.suffix.lower() in (".jsonl", ".csv"):
        raise InputError(f"Expected a .json file or a text file with a caption per line. Received: {path}.")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "which does not exist"
        raise InputError(f"Expected a file of captions. Received: {path}, {what}; name another.")
    text = read_text(path)
    file = read_json(path, text) if path.suffix.lower() == ".json" else read_lines(path, text)
    if not file.captions:
        raise InputError(f"{path}: expected at least one caption. Received: an empty file.")
    return file


def read_lines(path: Path, text: str) -> CaptionFile:
    """Reads a caption per line; the newline at the end starts no further line."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
    return CaptionFile(path, {str(number): [line] for number, line in enumerate(lines, 1)}, numbered=True)


def read_json(path: Path, text: str) -> CaptionFile:
    """Reads captions in any of the JSON forms."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: expected every name once. Received: {max(names, key=names.count)!r} twice.")
        return dict(pairs)

    try:
        data = loads(text, object_pairs_hook=once)
    except JSONDecodeError as error:
        raise fault_at(path, error.lineno, f"expected JSON. Received: {error.msg} (column {error.colno}).") from error
    except InputError:
        raise
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of thousands of digits
        raise InputError(f"{path}: expected captions as JSON. Received: {shorten(str(error))}.") from error
    match data:
        case {"annotations": list(items)}:
            return CaptionFile(path, by_image(path, items), whole_set=True)
        case dict():
            return CaptionFile(path, {name: as_list(path, repr(name), value) for name, value in data.items()})
        case [dict(), *_]:
            return CaptionFile(path, by_image(path, data))
        case list():
            numbered = {str(number): as_list(path, f"item {number}", value) for number, value in enumerate(data, 1)}
            return CaptionFile(path, numbered, numbered=True)
    raise InputError(f"{path}: expected {FORMS}. Received: {shorten(data)}.")


def by_image(path: Path, items: list[Any]) -> dict[str, list[str]]:
    """Gathers the captions of each image; 7 and "7" are one id."""
    gathered: dict[str, list[str]] = {}
    for number, item in enumerate(items, 1):
        match item:
            case {"image_id": int() | str() as name, "caption": str(caption)}:
                gathered.setdefault(str(name), []).append(caption)
            case _:
                raise InputError(
                    f"{path}: item {number}: expected an image_id and a caption. Received: {shorten(item)}."
                )
    return gathered


def as_list(path: Path, place: str, value: Any) -> list[str]:
    """Checks that a value is one caption, or a list of one or more, and returns the list."""
    captions = [value] if isinstance(value, str) else value
    if not isinstance(captions, list) or not captions or not all(isinstance(caption, str) for caption in captions):
        raise InputError(f"{path}: {place}: expected {FORMS}. Received: {shorten(value)}.")
    return captions


def shorten(value: Any) -> str:
    """Formats a value as JSON, cut after 60 characters."""
    written = dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else written[:59] + "…"


if __name__ == "__main__":
    run(main)
