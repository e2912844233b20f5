"""Handles faults in a data set: raises the first, or collects all, warns of them and writes a quarantine."""

from __future__ import annotations

import difflib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.task import OnError

SHOWN = 3


class Fault(InputError):
    """A fault in one row or picture of a data set, the rest of which can still be used.

    Example:
        >>> str(Fault("captions_val2014.json:images[3]", "expected a field 'id'.", "1.jpg"))
        "captions_val2014.json:images[3]: expected a field 'id'."

    Args:
        source: The place, `FILE:LINE` or, in a JSON file, `FILE:annotations[12]`.
        reason: What was expected, what came, and what to do.
        image: The picture, as the data set names it, if known.
        kind: What kind of fault it is, in a word or two.
        whole: Whether it leaves out all rows of the picture; the place is then that of the first.
    """

    def __init__(
        self, source: str, reason: str, image: str = "", kind: str = "bad row", *, whole: bool = False
    ) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason, self.image, self.kind, self.whole = source, reason, image, kind, whole

    def as_line(self) -> dict[str, str]:
        """Returns the fault as a line of a quarantine, without `source` if it concerns a whole picture."""
        if self.whole:
            return {"image": self.image, "reason": str(self) if self.source else self.reason}
        return {"image": self.image, "source": self.source, "reason": self.reason}


OnFault = Callable[[Fault], None]


def policy(on_error: str) -> tuple[OnFault, list[Fault]]:
    """Returns the fault handler of a policy, and the list that collects the faults."""
    if on_error not in get_args(OnError):
        guesses = difflib.get_close_matches(on_error.lower(), get_args(OnError))
        meant = f" Did you mean {guesses[0]!r}?" if guesses else ""
        raise InputError(f"expected on_error to be fail, skip or quarantine. Received: {on_error!r}.{meant}")
    faults: list[Fault] = []
    return (raise_fault if on_error == "fail" else faults.append), faults


def check_quarantine(on_error: str, quarantine: str | os.PathLike[str] | None) -> None:
    """Checks that a quarantine file is given with the policy `quarantine`, and only then."""
    if (on_error == "quarantine") != (quarantine is not None):
        raise InputError(
            "expected a file `quarantine` with on_error='quarantine', and only then. "
            f"Received: on_error={on_error!r}, quarantine={quarantine!r}."
        )


def report_faults(faults: Sequence[Fault], quarantine: str | os.PathLike[str] | None) -> None:
    """Writes the faults to the quarantine, if one is named, and warns the caller's caller of them."""
    if quarantine is not None:
        write_quarantine(Path(quarantine), faults)
    if faults:
        warnings.warn(left_out(faults), stacklevel=3)


def raise_fault(fault: Fault) -> None:
    """Raises a fault: the handler of the policy `fail`."""
    raise fault


def fault_at(path: Path, line: int, message: str) -> Fault:
    """Returns a fault in one line of a text file.

    Example:
        >>> str(fault_at(Path("captions.csv"), 7, "expected a caption."))
        'captions.csv:7: expected a caption.'
    """
    return Fault(f"{path}:{line}", message)


def left_out(faults: Sequence[Fault]) -> str:
    """Returns a summary of faults: their number, and the first ones.

    Example:
        >>> print(left_out([Fault("captions.csv:7", "expected a caption.")]))
        1 row or picture is left out:
          captions.csv:7: expected a caption.
    """
    count = "1 row or picture is" if len(faults) == 1 else f"{len(faults)} rows or pictures are"
    more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
    return "\n  ".join([f"{count} left out:", *map(str, faults[:SHOWN]), *more])


def write_quarantine(path: Path, faults: Sequence[Fault]) -> None:
    """Writes faults as JSON Lines: `image`, `source` and `reason`; without `source` for a whole picture."""
    text = "".join(json.dumps(fault.as_line(), ensure_ascii=False) + "\n" for fault in faults)
    # A name that is not Unicode becomes the \udc80 that JSON reads back as the same name.
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def none_left(path: Path, faults: Sequence[Fault], what: str = "caption") -> InputError:
    """Returns the error for data without any usable caption (or question)."""
    first = f" that can be used; the first of {len(faults)} faults is {faults[0]}" if faults else "."
    return InputError(f"{path}: expected at least one {what}. Received: none{first} Add {what}s or name another file.")
