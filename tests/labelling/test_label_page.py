"""The page in a browser: driven by keys alone, narrow and wide, in two languages, and with its server killed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.labelling import QUESTIONS, Proposal, Proposer
from tests.labelling.conftest import NAMES

WIDTHS = {"wide": 1280, "narrow": 390}


class Seen:
    """An open page and what it has asked for and complained of."""

    def __init__(self, page: Any) -> None:
        self.page, self.asked, self.complaints = page, [], []
        page.set_default_timeout(10_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def text(self, name: str) -> str:
        return self.page.locator(f"#{name}").inner_text()

    def wait(self, name: str, text: str) -> None:
        self.page.locator(f"#{name}", has_text=re.compile(text)).wait_for()

    @property
    def written(self) -> list[str]:
        return [area.input_value() for area in self.page.locator("textarea").all()]

    def wait_written(self, *texts: str) -> None:
        """Until the fields hold these texts."""
        for _ in range(200):
            if self.written == list(texts):
                return
            self.page.wait_for_timeout(25)
        assert self.written == list(texts)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def saved(self, name: str) -> None:
        self.wait("status", f"Saved in .*: {re.escape(name)}")


Look = Callable[..., Seen]


@pytest.fixture
def look(chromium: Any) -> Iterator[Look]:
    """`look(address)`: opens a page; `locale` and `width` may be given."""
    contexts = []

    def opened(address: str, locale: str = "en-GB", width: int = 1280) -> Seen:
        context = chromium.new_context(locale=locale, viewport={"width": width, "height": 800})
        contexts.append(context)
        seen = Seen(context.new_page())
        seen.page.goto(address)
        return seen

    yield opened
    for context in contexts:
        context.close()


def captions_of(photos: Path) -> dict[str, tuple[str, ...]]:
    return {record.image_id: record.captions for record in mm.read_captions(photos)}


def said(name: str, question: str) -> Proposal:
    return Proposal(((f"this is {name}", None),))


def test_captions_by_keys_alone(serve: Any, look: Look, photos: Path) -> None:
    (photos / "0.jpg").write_bytes(b"no picture")  # told, and passed over
    server = serve(proposer=Proposer(said))
    seen = look(server.page)
    seen.wait("place", "^2 of 5$")
    assert seen.text("skipped").startswith("0.jpg: cannot be read")
    seen.wait_written("this is 1.jpg")
    assert not (photos / "captions.csv").exists()  # a proposal is none until it is taken
    seen.press("Enter")  # as proposed
    seen.saved("1.jpg")
    seen.wait("place", "^3 of 5$")
    seen.wait_written("this is 2.jpg")
    seen.press("Control+a")
    seen.type('a "green", 초록 one')  # saved without a key
    seen.saved("2.jpg")
    assert captions_of(photos) == {"1.jpg": ("this is 1.jpg",), "2.jpg": ('a "green", 초록 one',)}
    seen.press("Escape")  # the proposal is back, and saved, since a person wanted it
    seen.wait_written("this is 2.jpg")
    seen.press("End")
    seen.type(" again")
    seen.press("Shift+Enter")
    seen.wait_written("this is 2.jpg again", "")  # what was said already is not said twice
    seen.type("a second one")
    seen.press("PageDown")
    seen.wait("place", "^4 of 5$")
    seen.wait_written("this is 3.png")
    seen.press("PageDown")  # not taken: not labelled
    seen.wait("place", "^5 of 5$")
    seen.wait_written("this is 해변/4.jpg")
    seen.press("Alt+ArrowLeft", "Control+ArrowUp")
    seen.wait("place", "^3 of 5$")
    seen.wait_written("this is 2.jpg again", "a second one")
    seen.press("PageUp")
    seen.wait("place", "^2 of 5$")
    seen.press("PageUp")  # the one before cannot be read: it stays
    seen.wait_written("this is 1.jpg")
    seen.press("Alt+ArrowRight", "Control+ArrowDown", "Alt+ArrowDown")
    seen.wait("place", "^5 of 5$")
    seen.wait_written("this is 해변/4.jpg")
    seen.press("Enter")
    seen.wait("total", "^3 of 5 pictures are labelled")
    assert seen.text("warning") == "Fine-tuning wants 20 labelled pictures or more."
    assert seen.text("command") == "mmtoolkit finetune"
    seen.press("Enter")
    seen.wait("status", "You can close this page")
    assert captions_of(photos) == {
        "1.jpg": ("this is 1.jpg",),
        "2.jpg": ("this is 2.jpg again", "a second one"),
        "해변/4.jpg": ("this is 해변/4.jpg",),
    }
    assert seen.complaints == []
    assert all(url.startswith((server.address, "data:")) for url in seen.asked) and len(seen.asked) > 20


def test_three_proposals_are_chosen_from_and_pictures_jumped_to(serve: Any, look: Look, photos: Path) -> None:
    def three(name: str, question: str) -> Proposal:
        return Proposal(tuple((f"{each} of {name}", None) for each in ("a dog", "two dogs", "no dog")))

    seen = look(serve(proposer=Proposer(three)).page)
    seen.wait_written("a dog of 1.jpg")
    buttons, chosen = seen.page.locator("#texts button"), seen.page.locator("#texts [aria-pressed=true]")
    assert buttons.all_inner_texts() == [f"{each} of 1.jpg" for each in ("a dog", "two dogs", "no dog")]
    assert chosen.all_inner_texts() == ["a dog of 1.jpg"]
    buttons.nth(1).click()
    seen.saved("1.jpg")
    assert chosen.all_inner_texts() == ["two dogs of 1.jpg"] and captions_of(photos) == {
        "1.jpg": ("two dogs of 1.jpg",)
    }
    strip = seen.page.locator("#strip button")
    assert [each.get_attribute("title") for each in strip.all()] == list(NAMES)
    strip.nth(2).click()
    seen.wait("place", "^3 of 4$")
    seen.wait_written("a dog of 3.png")
    current, done = seen.page.locator("#strip [aria-current]"), seen.page.locator("#strip .done")
    assert [each.get_attribute("title") for each in (current, done)] == ["3.png", "1.jpg"]
    assert strip.nth(2).locator("img").evaluate("image => image.naturalWidth") == 96
    assert seen.complaints == []


@pytest.mark.parametrize(("locale", "told"), [("en-GB", "is also the text of 1.jpg"), ("ko-KR", "1.jpg에도 같은 글이")])
def test_a_text_that_is_there_already_is_warned_of(serve: Any, look: Look, locale: str, told: str) -> None:
    seen = look(serve().page, locale=locale)
    seen.wait("place", "1")
    seen.type("a red dog")
    seen.press("Enter")
    seen.wait("place", "2")
    assert seen.page.locator("#doubled").is_hidden()
    seen.type("A red dog.")
    seen.wait("doubled", told)
    seen.press("Control+a")
    seen.type("a blue dog")
    seen.page.locator("#doubled").wait_for(state="hidden")


def test_questions_by_keys_alone(serve: Any, look: Look, photos: Path) -> None:
    """A typed question is answered, kept for the next picture, and its answer corrected or chosen."""

    def answer(name: str, question: str) -> Proposal:
        return Proposal(((f"{question[:5]} {name}", 0.876), ("green", 0.1)), "words that it does not know: hue")

    seen = look(serve(QUESTIONS, Proposer(answer)).page)
    seen.wait("place", "^1 of 4$")
    assert seen.page.locator("#said").is_hidden()
    seen.type("which colour?")
    seen.press("Enter")
    seen.wait_written("which colour?", "which 1.jpg")
    assert "words that it does not know: hue" in seen.text("note")
    assert [each.inner_text() for each in seen.page.locator("#texts button").all()] == ["which 1.jpg88 %", "green10 %"]
    seen.press("Enter")
    seen.saved("1.jpg")
    seen.wait_written("which colour?", "which 2.jpg")  # the question is kept
    seen.press("Tab", "Tab", "Enter")  # to the second answer, which takes it
    seen.saved("2.jpg")
    seen.press("Shift+Enter")
    seen.type("how many?")
    seen.press("Tab")
    seen.wait_written("which colour?", "green", "how many?", "how m 2.jpg")
    seen.press("Enter")
    seen.wait("place", "^3 of 4$")
    seen.wait_written("how many?", "how m 3.png")
    seen.press("Shift+Tab", "End")
    seen.type("!")  # another question: its answer goes
    seen.wait_written("how many?!", "")
    seen.press("Enter")
    seen.wait_written("how many?!", "how m 3.png")
    seen.press("Control+a")
    seen.type("one")
    seen.press("Enter")
    seen.saved("3.png")
    asked = [(record.image_id, record.question, record.answers) for record in mm.read_questions(photos)]
    assert asked == [
        ("1.jpg", "which colour?", ("which 1.jpg",)),
        ("2.jpg", "which colour?", ("green",)),
        ("2.jpg", "how many?", ("how m 2.jpg",)),
        ("3.png", "how many?!", ("one",)),
    ]
    assert seen.complaints == []


def test_an_emptied_caption_is_gone_only_when_its_picture_is_left(serve: Any, look: Look, photos: Path) -> None:
    """Whoever empties a field to write anew keeps the other columns of its row."""
    (photos / "captions.csv").write_text("image,caption,id\n1.jpg,red,a\n2.jpg,green,b\n3.png,blue,c\n해변/4.jpg,y,d\n")
    seen = look(serve().page)
    seen.wait_written("red")
    seen.page.clock.install()
    seen.press("Control+a", "Delete")
    seen.page.clock.run_for(1000)  # more than the pause after which what is typed is saved
    seen.type("crimson")
    seen.page.clock.run_for(1000)
    seen.saved("1.jpg")
    seen.press("PageDown")
    seen.wait_written("green")
    seen.press("Control+a", "Delete", "PageDown")
    seen.saved("2.jpg")
    assert (photos / "captions.csv").read_text() == "image,caption,id\n1.jpg,crimson,a\n3.png,blue,c\n해변/4.jpg,y,d\n"


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_all_is_in_view(serve: Any, look: Look, photos: Path, width: int) -> None:
    Image.new("RGB", (900, 300), "navy").save(photos / "1.jpg")
    Image.new("RGB", (300, 900), "navy").save(photos / "2.jpg")
    seen = look(serve(proposer=Proposer(lambda *_: Proposal((("a word " * 30, None),)))).page, width=width)
    for place in (1, 2):
        seen.wait("place", f"^{place} of 4$")
        seen.page.locator("#texts button").wait_for()
        picture = seen.page.locator("#picture")
        picture.evaluate("image => image.decode()")
        assert picture.evaluate("image => image.naturalWidth") > 0
        for name in ("picture", "entries", "texts", "next", "place"):
            box = seen.page.locator(f"#{name}").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] > 20 and box["height"] > 10, name
        area = seen.page.locator("textarea").bounding_box()
        assert picture.bounding_box()["y"] >= 0 and area["y"] + area["height"] <= 800  # without scrolling
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        seen.press("PageDown")
    seen.page.locator("#finish").click()
    seen.wait("warning", "Nothing is labelled yet")
    assert seen.page.locator("#run").is_hidden() and seen.complaints == []


def test_a_korean_browser_gets_korean(serve: Any, look: Look) -> None:
    seen = look(serve().page, locale="ko-KR")
    seen.wait("place", "^4장 중 1번째$")
    assert seen.page.locator("label").inner_text() == "설명" and seen.text("next") == "저장하고 다음"
    assert seen.page.locator("html").get_attribute("lang") == "ko"
    seen.type("빨강")
    seen.wait("status", "captions.csv에 저장했습니다: 1.jpg")


def test_the_words_follow_the_labels_that_there_are(serve: Any, look: Look, photos: Path) -> None:
    (photos / "captions.csv").write_text("image,caption\n1.jpg,빨간 벽\n", encoding="utf-8")
    seen = look(serve().page, locale="en-GB")
    seen.wait("place", "^4장 중 2번째$")
    assert seen.page.locator("html").get_attribute("lang") == "ko" and seen.text("count") == "1장 완료"


def test_a_syllable_of_hangul_that_is_ended_with_enter_does_not_leave(serve: Any, look: Look) -> None:
    seen = look(serve().page)
    seen.wait("place", "^1 of 4$")
    seen.page.locator("textarea").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    seen.type("빨강")
    seen.saved("1.jpg")
    assert seen.text("place") == "1 of 4"


def test_a_text_that_is_too_long_is_told_and_kept_on_the_page(serve: Any, look: Look, photos: Path) -> None:
    """Browsers do not send 64 KiB with `keepalive`, nor does a server read a megabyte."""
    seen = look(serve().page)
    seen.wait("place", "^1 of 4$")
    for length in (2001, 400_000):
        seen.page.locator("textarea").fill("개" * length)
        seen.wait("status", f"Not saved: 1.jpg: a text has at most 2000 characters, and this one has {length}")
    assert not (photos / "captions.csv").exists()
    seen.page.locator("textarea").fill("개" * 2000)
    seen.saved("1.jpg")
    seen.press("Shift+Enter")
    for number in range(12):  # 72 KB for one picture
        seen.page.locator("textarea").last.fill(f"{number}" + "개" * 1990)
        seen.press("Shift+Enter")
    seen.saved("1.jpg")
    assert len(captions_of(photos)["1.jpg"]) == 13 and seen.complaints == []


def test_what_could_not_be_saved_is_told_and_saved_later(serve: Any, look: Look, photos: Path) -> None:
    seen = look(serve().page)
    seen.wait("place", "^1 of 4$")
    (photos / "captions.csv").write_text("spoilt\n")
    seen.type("red")
    seen.wait("status", "Not saved: 1.jpg: .*expected a column 'image'")
    (photos / "captions.csv").unlink()
    seen.saved("1.jpg")
    assert captions_of(photos) == {"1.jpg": ("red",)}


@pytest.mark.slow
def test_a_killed_server_loses_nothing(label: Any, look: Look, photos: Path) -> None:
    """What the page called saved is on disk; what it did not stays on the page until there is a server again."""
    job = label(photos, "--port", 0)
    seen = look(job.page)
    for number, name in enumerate(NAMES[:2], start=1):
        seen.wait("place", f"^{number} of 4$")
        seen.type(f"caption of {name}")
        seen.press("Enter")
        seen.saved(name)
    seen.wait("place", "^3 of 4$")
    assert seen.complaints == []
    job.process.kill()
    job.process.wait()
    seen.type("written to nobody")
    seen.wait("status", "does not answer: it has ended")
    seen.press("Enter")  # stays, for there is nobody to show the next one
    seen.wait("status", "does not answer: it has ended")
    assert seen.written == ["written to nobody"] and seen.text("place") == "3 of 4"
    kept = {name: (f"caption of {name}",) for name in NAMES[:2]}
    assert captions_of(photos) == kept
    again = label(photos, "--port", job.address.rstrip("/").rpartition(":")[2])
    seen.wait("status", "was started anew: open the address that it printed")  # with a token that this page has not
    assert captions_of(photos) == kept
    seen.page.context.new_page().goto(again.page)  # which brings the cookie
    seen.saved("3.png")
    assert captions_of(photos) == kept | {"3.png": ("written to nobody",)}
