"""A model's proposals, made in a thread of their own so that the page never waits."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import NamedTuple

from mmtoolkit.errors import InputError

Wish = tuple[str, str]  # a picture's name, and the question about it or ""


class Proposal(NamedTuple):
    """What a model says.

    Args:
        texts: Each with its probability, where the model tells one; the best first.
        note: What a person should know of it, such as why there is none.
    """

    texts: tuple[tuple[str, float | None], ...] = ()
    note: str = ""


class Proposer:
    """Asks a model one wish at a time; a later list of wishes takes the place of an earlier one.

    Example:
        >>> proposer = Proposer(lambda name, question: Proposal(((f"a picture called {name}", None),)))
        >>> while (made := proposer.want([("1.jpg", ""), ("2.jpg", "")])) is None:
        ...     pass
        >>> made.texts
        (('a picture called 1.jpg', None),)
        >>> proposer.close()

    Args:
        ask: From a picture's name and a question to what the model says.
    """

    def __init__(self, ask: Callable[[str, str], Proposal]) -> None:
        self.ask = ask
        self.made: dict[Wish, Proposal] = {}
        self.wanted: list[Wish] = []
        self.open, self.changed = True, Condition()
        self.thread = Thread(target=self.work, daemon=True)
        self.thread.start()

    def want(self, wishes: Sequence[Wish]) -> Proposal | None:
        """What the model says to the first wish, or nothing yet; the others are made ahead, in their order."""
        with self.changed:
            self.wanted = [wish for wish in wishes if wish not in self.made]
            self.changed.notify()
            return self.made.get(wishes[0])

    def work(self) -> None:
        """Makes what is wanted until it is closed."""
        while wish := self.next():
            try:
                made = self.ask(*wish)
            except InputError as error:
                made = Proposal(note=str(error))
            except Exception as error:  # whatever the model stumbles over, the person goes on without it
                traceback.print_exc()
                made = Proposal(note=str(error).partition("\n")[0] or type(error).__name__)
            with self.changed:
                self.made[wish] = made

    def next(self) -> Wish | None:
        """Waits for the next wish; nothing once it is closed."""
        with self.changed:
            self.changed.wait_for(self.ready)
            return self.wanted.pop(0) if self.open else None

    def ready(self) -> bool:
        """Whether there is something to do; what has been made since it was wanted is not."""
        self.wanted = [wish for wish in self.wanted if wish not in self.made]
        return bool(self.wanted) or not self.open

    def close(self) -> None:
        """Ends the thread, after what it is at."""
        with self.changed:
            self.open = False
            self.changed.notify()
        self.thread.join()
