"""What the server answers to each question of the page."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.html import jpeg, upright
from mmtoolkit.labelling.label_html import label_page
from mmtoolkit.labelling.proposals import Proposer
from mmtoolkit.labelling.table import Sheet, check_name, labels, save

SIDE = 1600  # pixels: the longer side of a picture on the page, at most
AHEAD = 8  # proposals made for the pictures after the current one
Fields = Mapping[str, Any]


class Summary(NamedTuple):
    """What there is at the end.

    Args:
        labelled: How many pictures have labels.
        pictures: Of how many.
        wanted: How many labelled ones a training wants.
        command: What to run next; empty where nothing is labelled.
    """

    labelled: int
    pictures: int
    wanted: int
    command: str


@dataclass(frozen=True)
class Labelling:
    """A person's work on one table.

    Args:
        sheet: The table and its pictures.
        title: What the page is called.
        finish: From the number of labelled pictures to what is said at the end.
        proposer: The model, where there is one.
        writing: Held while the table is read and written.
    """

    sheet: Sheet
    title: str
    finish: Callable[[int], Summary]
    proposer: Proposer | None = None
    writing: Any = field(default_factory=Lock)

    @property
    def table(self) -> str:
        """Says which table it is, so that an open page of another one writes nothing into this."""
        return hashlib.sha256(os.fsencode(os.path.abspath(self.sheet.path))).hexdigest()[:16]

    def summary(self) -> Summary:
        """How far the person is."""
        return self.finish(len(labels(self.sheet)))


class Reply(NamedTuple):
    """What is sent: a status, a kind of content, and the content."""

    status: int
    kind: str
    content: bytes


class NoSuch(InputError):
    """A page or a picture that is not there."""


def as_json(content: Any, status: int = 200) -> Reply:
    """An answer for the page's script."""
    return Reply(status, "application/json", json.dumps(content).encode())


def page_reply(work: Labelling, fields: Fields) -> Reply:
    """The page itself."""
    return Reply(200, "text/html; charset=utf-8", label_page(work.title).encode())


def start_reply(work: Labelling, fields: Fields) -> Reply:
    """What the page needs to begin: the names of the pictures and which of them are labelled."""
    return as_json(
        {
            "table": work.table,
            "file": work.sheet.path.name,
            "fields": work.sheet.texts,
            "names": list(work.sheet.pictures),
            "labelled": list(labels(work.sheet)),
            "proposes": work.proposer is not None,
        }
    )


def item_reply(work: Labelling, fields: Fields) -> Reply:
    """What the table says of a picture now, or why that cannot be labelled."""
    name, path = picture(work, fields)
    fault = ""
    try:
        check_name(name)
        shown(path, path.stat().st_mtime_ns)
    except InputError as error:
        fault = f"{name!r}: {error}"
    except Exception as error:  # Pillow's plug-ins raise many kinds
        fault = unreadable(name, error)
    return as_json({"labels": labels(work.sheet).get(name, []), "fault": fault})


def picture_reply(work: Labelling, fields: Fields) -> Reply:
    """A picture in a form that every browser shows."""
    name, path = picture(work, fields)
    try:
        return Reply(200, "image/jpeg", shown(path, path.stat().st_mtime_ns))
    except Exception as error:
        return as_json({"error": unreadable(name, error)}, 415)


def proposal_reply(work: Labelling, fields: Fields) -> Reply:
    """What the model says of a picture, or that it is still at it; it then goes on with the pictures after that one."""
    name, _ = picture(work, fields)
    question = str(fields.get("question", ""))
    if work.proposer is None:
        raise NoSuch("expected a model. Received: none; start with --preset.")
    done, names = labels(work.sheet), list(work.sheet.pictures)
    ahead = [each for each in names[names.index(name) + 1 :] if each not in done][:AHEAD]
    made = work.proposer.want([(each, question) for each in (name, *ahead)])
    return as_json({"ready": False} if made is None else {"ready": True, **made._asdict()})


def summary_reply(work: Labelling, fields: Fields) -> Reply:
    """How far the person is, and what to run then."""
    return as_json(work.summary()._asdict())


def save_reply(work: Labelling, fields: Fields) -> Reply:
    """Saves the labels of a picture: they are on disk when this answers."""
    name, _ = picture(work, fields)
    given, width = fields.get("labels"), len(work.sheet.texts)
    if fields.get("table") != work.table:
        raise InputError("expected a page of this table. Received: one of another; load the page again.")
    if not isinstance(given, list) or not all(is_label(each, width) for each in given):
        raise InputError(f"expected labels of {width} text(s) each. Received: {given!r:.60}.")
    with work.writing:
        save(work.sheet, name, given)
        return as_json({"labelled": list(labels(work.sheet))})


def is_label(given: object, width: int) -> bool:
    """Whether something is a list of so many texts."""
    return isinstance(given, list) and len(given) == width and all(isinstance(text, str) for text in given)


def picture(work: Labelling, fields: Fields) -> tuple[str, Path]:
    """The picture that is asked for, by its name in the table; no other file can be named."""
    name = fields.get("image")
    if not isinstance(name, str) or name not in work.sheet.pictures:
        raise NoSuch(f"expected the name of a picture of the table. Received: {name!r:.200}.")
    return name, work.sheet.pictures[name]


@lru_cache(maxsize=16)
def shown(path: Path, changed: int) -> bytes:
    """A picture as a JPEG that a browser shows; `changed`, the time of its last change, keeps an old one from view."""
    return jpeg(upright(path, SIDE))


def unreadable(name: str, error: Exception) -> str:
    """What to say of a picture that cannot be shown."""
    if name.lower().endswith((".heic", ".heif")):
        return f"{name}: HEIC needs the package pillow-heif (pip install 'mmtoolkit[heic]'), or convert it to JPEG"
    why = getattr(error, "strerror", None) or "it is damaged, or no known picture"
    return f"{name}: cannot be read ({why}); replace the file or leave it out"


GET = {
    "/": page_reply,
    "/start": start_reply,
    "/item": item_reply,
    "/picture": picture_reply,
    "/proposal": proposal_reply,
    "/summary": summary_reply,
}
POST = {"/save": save_reply, "/done": summary_reply}
