"""Contestants that work in turns, each in a process of its own with its own threads, so that none slows another."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from mmtoolkit.cli.command import tell

Job = Callable[[Any], Any]  # an order to a result


def serve(make: Callable[[], Job], pipe: Connection) -> None:
    """The process of a contestant: answers an order with the seconds that it took and its result."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    job = make()
    while True:
        order = pipe.recv()
        started = time.perf_counter()
        result = job(order)
        pipe.send((time.perf_counter() - started, result))


class Contestant:
    """Works when asked.

    Args:
        name: Shown in the table.
        make: Makes the job, in the contestant's process.
    """

    def __init__(self, name: str, make: Callable[[], Job]) -> None:
        context = multiprocessing.get_context("spawn")
        self.name, (self.pipe, theirs) = name, context.Pipe()
        self.process = context.Process(target=serve, args=(make, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def do(self, order: Any) -> tuple[float, Any]:
        """The seconds of an order, and its result.

        Raises:
            EOFError: The process is gone.
        """
        self.pipe.send(order)
        return self.pipe.recv()


def in_turns(
    makers: dict[str, Callable[[], Job]], *, warm: Sequence[Any], rounds: Sequence[Sequence[Any]]
) -> dict[str, list[tuple[float, Any]]]:
    """What all contestants do with all orders of all rounds, one contestant after the other in every round.

    Args:
        makers: The contestants. One that does not run on this machine is left out with a note.
        warm: Orders that are done once before, and not counted.
        rounds: The orders of each round; its first one is also done once before, uncounted.
    """
    everyone, done = [Contestant(name, make) for name, make in makers.items()], {}
    for one in everyone:
        try:
            for order in warm:
                one.do(order)
            done[one.name] = []
        except (EOFError, ConnectionError):
            tell(f"{one.name}: does not run here; left out")
    ready = [one for one in everyone if one.name in done]
    for orders in rounds:
        for one in ready:
            one.do(orders[0])
            done[one.name] += [one.do(order) for order in orders]
    for one in everyone:
        one.process.terminate()
    return done
