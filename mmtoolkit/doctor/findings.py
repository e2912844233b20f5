"""The findings of an examination, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mmtoolkit.readers import Fault

Level = Literal["error", "warning"]
OTHER_TEXTS = "near duplicate with other texts"
ERRORS = (
    "unreadable table",
    "unreadable",
    "truncated",
    "unscaled",
    "missing",
    "bad row",
    "empty",
    "marker",
    "across splits",
)  # training refuses these, or must not learn from them
USABLE = (
    "wrong extension",
    "cmyk",
    "tiny",
    "huge",
    "heic",
    "dark",
    "no text",
    OTHER_TEXTS,
    "very long",
    "no spaces",
)  # odd, but fit to be learnt from


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd in one place.

    Example:
        >>> Finding("cmyk", "a picture for print, whose colours change", image="1.jpg").level
        'warning'

    Args:
        kind: A name in a word or two.
        message: What is wrong, in a sentence, with what to do.
        image: The picture, as the data set names it.
        source: The row, `FILE:LINE`, if it concerns one.
        path: The path of the picture, if there is one.
        other: The path of the picture that it duplicates.
    """

    kind: str
    message: str
    image: str = ""
    source: str = ""
    path: Path | None = field(default=None, compare=False)
    other: Path | None = field(default=None, compare=False)

    @property
    def level(self) -> Level:
        """The severity."""
        return "error" if self.kind in ERRORS else "warning"

    @property
    def usable(self) -> bool:
        """Whether training should keep it rather than leave it out."""
        return self.kind in USABLE

    def as_fault(self) -> Fault:
        """Returns what `--exclude` leaves out for it: a row, or a picture by its path, as its name may be an id."""
        image = str(self.path or self.image)
        return Fault(self.source, self.message, image, self.kind, whole=not self.source)


@dataclass(frozen=True, slots=True)
class Health:
    """All findings, figures and counts of an examination.

    Args:
        findings: Errors first, then by kind.
        figures: Tables of numbers by their titles: each a list of rows, the first one the column heads.
        counts: The number of pictures, of texts and so on.
    """

    findings: Sequence[Finding]
    figures: dict[str, list[list[str]]]
    counts: dict[str, int]

    @property
    def kinds(self) -> dict[str, int]:
        """The number of findings of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    @property
    def scores(self) -> dict[str, int]:
        """The number of errors and of warnings."""
        levels = Counter(finding.level for finding in self.findings)
        return {"errors": levels["error"], "warnings": levels["warning"]}

    @property
    def summary(self) -> str:
        """The numbers of pictures, of texts, of errors and of warnings, in words."""
        numbers = {**self.counts, **self.scores}
        return ", ".join(
            f"{number} {name.removesuffix('s') if number == 1 else name}" for name, number in numbers.items()
        )

    @property
    def exit_code(self) -> int:
        """0 without findings, 1 with warnings, 2 with errors."""
        return 2 if self.scores["errors"] else 1 if self.findings else 0

    def as_json(self) -> dict[str, Any]:
        """Returns a JSON object that begins with `scores`."""
        rows = [{"level": each.level, **asdict(each)} for each in self.findings]
        findings = [{key: str(value) for key, value in row.items() if value} for row in rows]
        summary = {"scores": self.scores, "counts": self.counts, "kinds": self.kinds}
        return summary | {"findings": findings, "figures": self.figures}
