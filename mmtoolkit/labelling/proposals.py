"""A model's proposals, made in a separate thread so that the page never waits."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import NamedTuple

from mmtoolkit.errors import InputError

PATIENCE = 5  # seconds
Query = tuple[str, str]  # a picture's name, and the question about it or ""


class Proposal(NamedTuple):
    """A model's output for one picture.

    Args:
        texts: The best first, each with its probability if the model has one.
        note: A remark for the person, e.g. why there is none.
    """

    texts: tuple[tuple[str, float | None], ...] = ()
    note: str = ""


class Proposer:
    """Runs a model in a thread, one query at a time; each new list of queries replaces the one before.

    Example:
        >>> proposer = Proposer(lambda name, question: Proposal(((f"a picture called {name}", None),)))
        >>> while (made := proposer.want([("1.jpg", ""), ("2.jpg", "")])) is None:
        ...     pass
        >>> made.texts
        (('a picture called 1.jpg', None),)
        >>> proposer.close()

    Args:
        ask: Returns the model's proposal for a picture's name and a question.
    """

    def __init__(self, ask: Callable[[str, str], Proposal]) -> None:
        self.ask = ask
        self.made: dict[Query, Proposal] = {}
        self.wanted: list[Query] = []
        self.open, self.changed = True, Condition()
        self.thread = Thread(target=self.work, daemon=True)
        self.thread.start()

    def want(self, queries: Sequence[Query]) -> Proposal | None:
        """Returns the proposal for the first query, or `None` if not ready; the others are made ahead, in order."""
        with self.changed:
            self.wanted = [query for query in queries if query not in self.made]
            self.changed.notify()
            return self.made.get(queries[0])

    def work(self) -> None:
        """Makes the wanted proposals until closed."""
        while query := self.next():
            try:
                made = self.ask(*query)
            except InputError as error:
                made = Proposal(note=str(error))
            except Exception as error:  # whatever stops the model, the person goes on without it
                traceback.print_exc()
                made = Proposal(note=str(error).partition("\n")[0] or type(error).__name__)
            with self.changed:
                self.made[query] = made

    def next(self) -> Query | None:
        """Waits for the next query; returns `None` once closed."""
        with self.changed:
            self.changed.wait_for(self.ready)
            return self.wanted.pop(0) if self.open else None

    def ready(self) -> bool:
        """Checks whether a query is waiting or the proposer is closed; drops queries already answered."""
        self.wanted = [query for query in self.wanted if query not in self.made]
        return bool(self.wanted) or not self.open

    def close(self) -> None:
        """Ends the thread after the current query, which is not waited for longer than `PATIENCE`."""
        with self.changed:
            self.open = False
            self.changed.notify()
        self.thread.join(PATIENCE)
