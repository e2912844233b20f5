"""Defines the vocabulary: the fixed list of tokens that a model reads and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mmtoolkit.errors import InputError, shortened

PAD, START, END, UNK = 0, 1, 2, 3
SPECIAL = ("[PAD]", "[START]", "[END]", "[UNK]")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id; the ids 0..3 are always PAD, START, END and UNK.

    Example:
        >>> words = Vocabulary.count(["a dog", "a cat"], min_count=1)
        >>> words.tokens
        ('[PAD]', '[START]', '[END]', '[UNK]', 'a', 'cat', 'dog')
        >>> words.ids(["a", "bird"])
        [4, 3]

    Args:
        tokens: All tokens, the four special ones first.

    Raises:
        InputError: The special tokens are not the first four, or a token comes twice.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.tokens[:4] != SPECIAL:
            raise InputError(f"A vocabulary begins with {SPECIAL}. Received: {shortened(self.tokens[:4])}.")
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise InputError(f"Every token of a vocabulary comes once. Received twice: {shortened(twice[:5])}.")

    def __repr__(self) -> str:
        some = ", ".join([*map(repr, self.tokens[4:9]), *["…"][: len(self.tokens) > 9]])
        return f"Vocabulary({len(self.tokens):,} tokens: {some})"

    @classmethod
    def count(
        cls, sentences: Iterable[Sequence[str]] | Iterable[str], *, min_count: int = 1, max_size: int | None = None
    ) -> Vocabulary:
        """Builds a vocabulary of the tokens in sentences, most frequent first, ties in code-point order.

        Args:
            sentences: Token sequences; a plain string is split at white space.
            min_count: Tokens that occur less often are left out and become UNK.
            max_size: Largest number of tokens, the four special ones included.
        """
        counts: Counter[str] = Counter()
        for sentence in sentences:
            counts.update(sentence.split() if isinstance(sentence, str) else sentence)
        return cls.from_counts(counts, min_count=min_count, max_size=max_size)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], *, min_count: int = 1, max_size: int | None = None) -> Vocabulary:
        """Builds the same vocabulary from the count of each token."""
        frequent = [token for token, count in counts.items() if count >= min_count and token not in SPECIAL]
        frequent.sort(key=lambda token: (-counts[token], token))
        return cls(SPECIAL + tuple(frequent[: None if max_size is None else max(0, max_size - 4)]))

    @cached_property
    def id_of(self) -> dict[str, int]:
        """Ids by token."""
        return {token: index for index, token in enumerate(self.tokens)}

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Returns the ids of tokens; unknown ones become UNK."""
        return [self.id_of.get(token, UNK) for token in tokens]

    def __len__(self) -> int:
        return len(self.tokens)
