"""Answers the requests of the labelling page."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.html import Words, jpeg
from mmtoolkit.image_files import upright
from mmtoolkit.labelling.label_html import label_page
from mmtoolkit.labelling.proposals import Proposer
from mmtoolkit.labelling.table import LONGEST, Sheet, check_name, labels, save

SIDE = 1600  # pixels: the longer side of a picture on the page, at most
SMALL = 96  # of one to jump to
AHEAD = 8  # proposals made for the pictures after the current one
Fields = Mapping[str, Any]


class Summary(NamedTuple):
    """The state of the labelling at its end.

    Args:
        labelled: The number of pictures with labels.
        pictures: The number of all pictures.
        wanted: The number of labelled pictures that training needs.
        command: The command to run next; empty if nothing is labelled.
    """

    labelled: int
    pictures: int
    wanted: int
    command: str


@dataclass(frozen=True)
class Labelling:
    """One person's labelling of one table.

    Args:
        sheet: The table and its pictures.
        title: The title of the page.
        finish: Returns the summary for a number of labelled pictures.
        proposer: The model, if there is one.
        writing: Held while the table is read and written.
        decoding: Held while a picture is decoded: a large one takes a gigabyte.
        ended: Set when nothing more is saved.
    """

    sheet: Sheet
    title: str
    finish: Callable[[int], Summary]
    proposer: Proposer | None = None
    writing: Any = field(default_factory=Lock)
    decoding: Any = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)

    @property
    def table(self) -> str:
        """The id of the table: a page still open from another table has a different one and cannot save."""
        return hashlib.sha256(os.fsencode(os.path.abspath(self.sheet.path))).hexdigest()[:16]

    def summary(self) -> Summary:
        """Returns the state of the labelling now."""
        return self.finish(len(labels(self.sheet)))

    def end(self) -> None:
        """Completes a save in progress; none begins after it."""
        with self.writing:
            self.ended.set()


class Reply(NamedTuple):
    """A response: its status, content type and content."""

    status: int
    kind: str
    content: bytes


class NotFound(InputError):
    """A page or a picture that does not exist."""


def as_json(content: Any, status: int = 200) -> Reply:
    """Returns a JSON reply."""
    return Reply(status, "application/json", json.dumps(content).encode())


def page_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns the page."""
    return Reply(200, "text/html; charset=utf-8", label_page(work.title).encode())


def start_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns the initial data of the page: the names of the pictures, which have labels, and in what language."""
    saved = labels(work.sheet)
    texts = [text for held in saved.values() for label in held for text in label]
    return as_json(
        {
            "table": work.table,
            "language": Words.of(texts).language if texts else "",
            "file": work.sheet.path.name,
            "fields": work.sheet.texts,
            "longest": LONGEST,
            "names": list(work.sheet.pictures),
            "labelled": list(saved),
            "proposes": work.proposer is not None,
        }
    )


def item_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns a picture's current labels, or the reason why it cannot be labelled."""
    name, path = picture(work, fields)
    fault = ""
    try:
        check_name(name)
        browser_jpeg(work, path)
    except InputError as error:
        fault = f"{name!r}: {error}"
    except Exception as error:  # Pillow's plug-ins raise many kinds
        fault = unreadable_message(name, error)
    return as_json({"labels": labels(work.sheet).get(name, []), "fault": fault})


def picture_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns a picture in a form that every browser shows; a small one that cannot be read is grey."""
    name, path = picture(work, fields)
    small = bool(fields.get("small"))
    try:
        return Reply(200, "image/jpeg", browser_jpeg(work, path, small=small))
    except Exception as error:
        if small:
            return Reply(200, "image/jpeg", jpeg(Image.new("RGB", (SMALL, SMALL), "grey")))
        return as_json({"error": unreadable_message(name, error)}, 415)


def proposal_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns the model's proposal for a picture, or that it is not ready; queues the pictures after it."""
    name, _ = picture(work, fields)
    question = str(fields.get("question", ""))
    if work.proposer is None:
        raise NotFound("expected a model. Received: none; start with --preset.")
    done, names = labels(work.sheet), list(work.sheet.pictures)
    ahead = [each for each in names[names.index(name) + 1 :] if each not in done][:AHEAD]
    made = work.proposer.want([(each, question) for each in (name, *ahead)])
    return as_json({"ready": False} if made is None else {"ready": True, **made._asdict()})


def summary_reply(work: Labelling, fields: Fields) -> Reply:
    """Returns the state of the labelling, and the command to run next."""
    return as_json(work.summary()._asdict())


def save_reply(work: Labelling, fields: Fields) -> Reply:
    """Saves the labels of a picture; they are on disk before the reply."""
    name, _ = picture(work, fields)
    given, width = fields.get("labels"), len(work.sheet.texts)
    if fields.get("table") != work.table:
        raise InputError("expected a page of this table. Received: one of another; load the page again.")
    if not isinstance(given, list) or not all(is_label(each, width) for each in given):
        raise InputError(f"expected labels of {width} text(s) each. Received: {given!r:.60}.")
    with work.writing:
        if work.ended.is_set():
            raise InputError("expected a labelling that goes on. Received: one that has ended; start it again.")
        save(work.sheet, name, given)
        saved = labels(work.sheet)
        return as_json({"labelled": list(saved), "doubled": doubled(saved, name, given)})


def doubled(saved: Mapping[str, Any], name: str, given: Sequence[Sequence[str]]) -> list[list[str]]:
    """Lists the captions of a picture that are there twice, each with the name of the picture that has it too.

    A question is listed where its picture has it twice; other pictures may have the same question and answer.

    Example:
        >>> doubled({"1.jpg": [["A dog."]], "2.jpg": [["a dog"]]}, "2.jpg", [["a dog"]])
        [['a dog', '1.jpg']]
    """
    captions = [(other, label) for other, held in saved.items() for label in held if other != name and len(label) == 1]
    others = {alike(text): other for other, (text,) in captions}
    found: dict[str, list[str]] = {}
    for count, (text, *_) in enumerate(given):
        if alike(text) in map(alike, (before[0] for before in given[:count])):
            found[alike(text)] = [text, name]
        elif alike(text) in others:
            found[alike(text)] = [text, others[alike(text)]]
    return list(found.values())


def alike(text: str) -> str:
    """Returns a text without what does not make it another one: case, blanks and the point at its end.

    Example:
        >>> alike(" A  dog .")
        'a dog'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).rstrip(" .")


def is_label(given: object, width: int) -> bool:
    """Checks whether a value is a list of `width` texts."""
    return isinstance(given, list) and len(given) == width and all(isinstance(text, str) for text in given)


def picture(work: Labelling, fields: Fields) -> tuple[str, Path]:
    """Returns the requested picture's name in the table and its path; no other file can be requested."""
    name = fields.get("image")
    if not isinstance(name, str) or name not in work.sheet.pictures:
        raise NotFound(f"expected the name of a picture of the table. Received: {name!r:.200}.")
    return name, work.sheet.pictures[name]


def browser_jpeg(work: Labelling, path: Path, *, small: bool = False) -> bytes:
    """Returns a picture as JPEG; one is decoded at a time.

    Raises:
        OSError: It cannot be read, or has become a pipe, whose reader would wait.
    """
    with work.decoding:
        return (small_jpeg if small else large_jpeg)(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def large_jpeg(path: Path, changed: int) -> bytes:
    """Returns a picture as JPEG; `changed`, its modification time, keeps the cache from an old version."""
    return jpeg(upright(path, SIDE))


@lru_cache(maxsize=512)
def small_jpeg(path: Path, changed: int) -> bytes:
    """Returns a small picture as JPEG, as `large_jpeg` does a large one."""
    return jpeg(upright(path, SMALL))


def unreadable_message(name: str, error: Exception) -> str:
    """Returns the message for a picture that cannot be shown."""
    why = (isinstance(error, OSError) and (error.strerror or str(error))) or "damaged or cut off"
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
