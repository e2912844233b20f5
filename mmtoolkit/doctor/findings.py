"""What an examination finds, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mmtoolkit.readers import Fault

Level = Literal["error", "warning"]
ERRORS = (
    "unreadable table",
    "unreadable",
    "truncated",
    "missing",
    "bad row",
    "empty",
    "across splits",
)  # what training refuses, or must not learn
USABLE = (
    "wrong extension",
    "cmyk",
    "tiny",
    "huge",
    "heic",
    "very long",
)  # odd, but fit to be learnt from


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd in one place.

    Example:
        >>> Finding("cmyk", "a picture for print, whose colours change", image="1.jpg").level
        'warning'

    Args:
        kind: What it is, in a word or two.
        message: The same in a sentence, with what to do.
        image: The picture, as the data set names it.
        source: The row, `FILE:LINE`, where it is about one.
        path: Where the picture is, where it is there.
        other: Where the picture is whose double it is.
    """

    kind: str
    message: str
    image: str = ""
    source: str = ""
    path: Path | None = field(default=None, compare=False)
    other: Path | None = field(default=None, compare=False)

    @property
    def level(self) -> Level:
        """How bad it is."""
        return "error" if self.kind in ERRORS else "warning"

    @property
    def usable(self) -> bool:
        """Whether it is better learnt from than left out."""
        return self.kind in USABLE

    def as_fault(self) -> Fault:
        """What `--exclude` leaves out for it: a row, or a picture by where it is, for its name may be an id."""
        image = str(self.path or self.image)
        return Fault(self.source, self.message, image, self.kind, whole=not self.source)


@dataclass(frozen=True, slots=True)
class Health:
    """All that was found.

    Args:
        findings: Errors first, then by kind.
        figures: Tables of numbers by their titles: each a list of rows, the first one the heads of the columns.
        counts: How many pictures, texts and so on there are.
    """

    findings: Sequence[Finding]
    figures: dict[str, list[list[str]]]
    counts: dict[str, int]

    @property
    def kinds(self) -> dict[str, int]:
        """How many of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    @property
    def scores(self) -> dict[str, int]:
        """How many errors and warnings."""
        levels = Counter(finding.level for finding in self.findings)
        return {"errors": levels["error"], "warnings": levels["warning"]}

    @property
    def exit_code(self) -> int:
        """0 where all is well, 1 with warnings, 2 with errors."""
        return 2 if self.scores["errors"] else 1 if self.findings else 0

    def as_json(self) -> dict[str, Any]:
        """A JSON object that begins with `scores`."""
        rows = [{"level": each.level, **asdict(each)} for each in self.findings]
        told = [{key: str(value) for key, value in row.items() if value} for row in rows]
        counted = {"scores": self.scores, "counts": self.counts, "kinds": self.kinds}
        return counted | {"findings": told, "figures": self.figures}
