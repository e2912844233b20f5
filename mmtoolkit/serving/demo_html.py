"""Builds the page of the development server: one file with style and script, which asks this server only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mmtoolkit.html import page
from mmtoolkit.serving.loaded import ServedModel, ServedVersions

FOLDER = Path(__file__).parent
PAGE_HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
]


def served_page(models: Mapping[str, ServedVersions]) -> bytes:
    """Builds the page on which a person asks the models."""
    body, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.js"))
    known = {name: capabilities(served.newest) for name, served in models.items()}
    described = json.dumps(known).replace("<", "\\u003c")
    return page("mmtoolkit", body, script=f"const MODELS = {described};\n{script}").encode()


def capabilities(model: ServedModel) -> dict[str, object]:
    """Returns the properties of a model that the page needs."""
    inputs = model.signatures["serving_default"].inputs
    return {
        "signatures": list(model.signatures),
        "questions": "question" in inputs,
        "pictures": "image_bytes" in inputs,
    }
