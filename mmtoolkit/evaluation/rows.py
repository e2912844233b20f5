"""What the rows of a report hold besides what was said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence


def fingerprint(references: Sequence[str]) -> str:
    """By what a record is known to be the same in two reports: a hash of what people said, in letters and digits.

    Example:
        >>> fingerprint(["a dog runs"])
        'b92d2d94a4'
    """
    return hashlib.sha256(json.dumps(list(references)).encode()).hexdigest()[:10]
