"""Names splits, and cuts records into train, valid and test by group."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.records import digest

SPLIT_NAMES = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "validation": "valid",
    "test": "test",
}


class Example(Protocol):
    """Any dataclass with a `split`."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def split(self) -> str | None: ...


ExampleT = TypeVar("ExampleT", bound=Example)


class Splits(NamedTuple, Generic[ExampleT]):
    """The records of the train, valid and test splits."""

    train: list[ExampleT]
    valid: list[ExampleT]
    test: list[ExampleT]

    def shortened(self, share: float | None) -> Splits[ExampleT]:
        """Keeps the start of the train split, a share of its groups; all of it where the share is `None`.

        Example:
            >>> [len(part) for part in splits], [len(part) for part in splits.shortened(0.5)]
            ([32, 4, 4], [16, 4, 4])
        """
        if share is None:
            return self
        groups = list(dict.fromkeys(group_values(self.train, "group")))
        kept = set(groups[: max(1, round(share * len(groups)))])
        return self._replace(train=[each for each in self.train if each.group in kept])  # type: ignore[attr-defined]


def split_name(name: str) -> str:
    """Returns the canonical name of a split: `train`, `valid` or `test`, whatever the case.

    Example:
        >>> split_name("dev")
        'valid'

    Args:
        name: `train`, `valid`, `test`, or one of `val`, `dev` and `validation` for `valid`.

    Raises:
        InputError: No split has this name.
    """
    known = SPLIT_NAMES.get(name.strip().lower())
    if known is None:
        raise InputError(
            "expected a split: train, valid (val, dev, validation) or test. "
            f"Received: {name!r}.{did_you_mean(name, SPLIT_NAMES)}"
        )
    return known


class NoSuchSplit(InputError):
    """The error for a split that the data does not have."""


def wanted_splits(splits: Iterable[str]) -> set[str]:
    """Returns the canonical names of the given splits."""
    names = {split_name(name) for name in ([splits] if isinstance(splits, str) else splits)}
    if not names:
        raise InputError("expected at least one split to keep. Received: none. Name train, valid or test.")
    return names


def check_has_splits(wanted: set[str], present: set[str | None], path: Path) -> None:
    """Checks that the data has every wanted split."""
    names = sorted(name for name in present if name)
    lacking = sorted(wanted.difference(names))
    if lacking:
        received = f"a data set with {', '.join(names)}" if names else "a data set without splits"
        raise NoSuchSplit(f"{path}: expected the split {lacking[0]}. Received: {received}. Ask for another or for all.")


def split(
    records: Iterable[ExampleT], *, by: str = "group", seed: int = 0, valid_share: float = 0.1
) -> Splits[ExampleT]:
    """Splits records into train, valid and test, so that no group is in two of them.

    Splits that the records name are kept; if they name no `valid`, a share of the train groups becomes it. Without
    any, that share of all groups becomes `valid` and a tenth `test`. The cut depends on the groups and the seed alone,
    not on the records' order.

    Example:
        >>> from pathlib import Path
        >>> from mmtoolkit.records import CaptionRecord
        >>> records = [CaptionRecord(Path(f"{i}.jpg"), f"{i}.jpg", ("a dog",)) for i in range(10)]
        >>> [len(part) for part in split(records, by="image_id", seed=0)]
        [8, 1, 1]

    Args:
        records: Frozen dataclasses with a `split` and the attribute `by`; all of them name a split or none does.
        by: The attribute whose equal values stay together.
        seed: Another seed, another cut.
        valid_share: The share of the groups that becomes `valid` if that is not named.

    Returns:
        The three lists, each in the order given; a record that was cut carries its new split.

    Raises:
        InputError: No record, no such attribute, too few groups, a group in two splits, or a split for some only.
    """
    examples = list(records)
    groups = group_values(examples, by)
    named = sum(example.split is not None for example in examples)
    if named == 0:
        assigned = cut_all(sorted(set(groups), key=repr), by=by, seed=seed, valid_share=valid_share)
    elif named == len(examples):
        assigned = given_splits(examples, groups, by=by, seed=seed, valid_share=valid_share)
    else:
        raise InputError(
            "expected a split for every record or for none. "
            f"Received: {named} with and {len(examples) - named} without. Name the split of each, or of none."
        )
    parts: Splits[ExampleT] = Splits([], [], [])
    for example, group in zip(examples, groups, strict=True):
        name = assigned[group]
        getattr(parts, name).append(example if example.split == name else dataclasses.replace(example, split=name))
    return parts


def group_values(examples: Sequence[ExampleT], by: str) -> list[Hashable]:
    """Returns the value of the attribute `by` of each record."""
    if not examples:
        raise InputError("expected records to split. Received: none. Give at least three.")
    names = [field.name for field in dataclasses.fields(examples[0])]
    if by not in names and not (by == "group" and hasattr(examples[0], by)):
        raise InputError(f"expected `by` to be one of {', '.join(names)}. Received: {by!r}.{did_you_mean(by, names)}")
    return [getattr(example, by) for example in examples]


def group_noun(by: str) -> str:
    """Returns what messages call the groups of a cut."""
    return "pictures" if by in ("group", "image_id") else f"different values of {by}"


def cut_all(groups: list[Hashable], *, by: str, seed: int, valid_share: float) -> dict[Hashable, str]:
    """Cuts a share of sorted groups off as valid and a tenth as test; each of the three gets at least one."""
    if len(groups) < 3:
        raise InputError(
            f"expected at least 3 {group_noun(by)} to cut train, valid and test from. "
            f"Received: {len(groups)}. Add records, or name their splits."
        )
    shuffled = random.Random(seed).sample(groups, len(groups))
    test = max(1, round(len(groups) / 10))
    valid = min(max(1, round(len(groups) * valid_share)), len(groups) - test - 1)
    names = ["valid"] * valid + ["test"] * test + ["train"] * (len(groups) - valid - test)
    return dict(zip(shuffled, names, strict=True))


def given_splits(
    examples: Sequence[ExampleT], groups: Sequence[Hashable], *, by: str, seed: int, valid_share: float
) -> dict[Hashable, str]:
    """Returns the split that each group's records name; cuts `valid` from `train` where none is named."""
    assigned: dict[Hashable, str] = {}
    for example, group in zip(examples, groups, strict=True):
        name = split_name(example.split or "")
        first = assigned.setdefault(group, name)
        if first != name:
            raise InputError(
                f"expected each {by} in one split, so that nothing leaks from train. "
                f"Received: {group!r} in {first} and in {name}. Correct its split."
            )
    names = set(assigned.values())
    if "train" in names and "valid" not in names:
        train = sorted((group for group, name in assigned.items() if name == "train"), key=repr)
        if len(train) < 2:
            raise InputError(
                f"expected at least 2 {group_noun(by)} in train, to cut valid from. "
                f"Received: {len(train)}. Add records, or name the split valid."
            )
        held = min(len(train) - 1, max(1, round(len(train) * valid_share)))
        assigned |= dict.fromkeys(random.Random(seed).sample(train, held), "valid")
    return assigned


def split_as_trained(records: Sequence[ExampleT], card: Mapping[str, Any]) -> tuple[Splits[ExampleT], bool]:
    """Splits a data set in the same way as when a preset was trained.

    Args:
        records: The records of the data set; those without references are left out.
        card: The preset's card.

    Returns:
        The splits, and whether the data is the same as then.
    """
    usable = [record for record in records if record.references]  # type: ignore[attr-defined]
    splits = split(usable, seed=card.get("seed", 0), valid_share=card.get("valid_share", 0.1))
    everything: list[Any] = [record for part in splits for record in part]
    return splits, card.get("data_sha256") == digest(everything)
