"""Builds the page of the development server: one file with style and script, which asks this server only."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mmtoolkit.html import page
from mmtoolkit.scenes import draw_scene, sample_scene
from mmtoolkit.serving.loaded import ServedModel, ServedVersions

FOLDER = Path(__file__).parent
SAMPLES, SAMPLE_SEED, SAMPLE_SIDE = 3, 27, 160  # pictures to try, drawn anew and embedded in the page
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
    constants = {"MODELS": known, "SAMPLES": sample_pictures()}
    given = "".join(f"const {name} = {embedded(value)};\n" for name, value in constants.items())
    return page("mmtoolkit", body, script=given + script).encode("utf-8", "replace")


def embedded(value: object) -> str:
    """Returns a value as JSON that ends no script."""
    return json.dumps(value).replace("<", "\\u003c")


def capabilities(model: ServedModel) -> dict[str, object]:
    """Returns the properties of a model that the page needs."""
    inputs = model.signatures["serving_default"].inputs
    return {
        "signatures": list(model.signatures),
        "questions": "question" in inputs,
        "pictures": "image_bytes" in inputs,
        "card": model.card,
    }


@cache
def sample_pictures() -> list[str]:
    """Draws scenes to try, as `data:` addresses."""
    generator, pictures = random.Random(SAMPLE_SEED), []
    for _ in range(SAMPLES):
        buffer = io.BytesIO()
        draw_scene(sample_scene(generator), size=SAMPLE_SIDE).save(buffer, "PNG")
        pictures.append(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    return pictures
