"""The soft-attention LSTM captioner in PyTorch, written as one would for speed: what ours is measured against.

Keys are projected once a picture, words once a caption and the logits once a batch; a beam search moves all pictures
and hypotheses of a batch together and keeps one copy of the regions of each picture.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

START, END, BANNED = 1, 2, [0, 1, 3]


class TorchCaptioner(nn.Module):
    """Show, Attend and Tell: the old state attends, an LSTM reads the word and what was seen.

    Args:
        features: Width of a region.
        units: Width of the state and of the comparison.
        embedding: Width of a word vector.
        vocabulary: Number of words.
    """

    def __init__(self, *, features: int, units: int, embedding: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.keys, self.query = nn.Linear(features, units), nn.Linear(units, units, bias=False)
        self.v = nn.Parameter(torch.rand(units) * 0.2 - 0.1)
        self.hidden, self.carry = nn.Linear(features, units), nn.Linear(features, units)
        self.words = nn.Linear(embedding, 4 * units)
        self.recurrent = nn.Linear(units + features, 4 * units, bias=False)
        self.output = nn.Linear(units, vocabulary)

    def prepare(self, regions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Keys, values and the first state of `<float16>[batch, regions, features]`."""
        values = functional.layer_norm(regions.float(), regions.shape[-1:])
        keys, mean = self.keys(values), values.mean(1)
        return keys, values.to(keys.dtype), torch.tanh(self.hidden(mean)), torch.tanh(self.carry(mean))

    def move(self, word: torch.Tensor, state: tuple, keys: torch.Tensor, values: torch.Tensor) -> tuple:
        """One step of projected words `[batch, hypotheses, 4 units]` and states `[batch, hypotheses, units]`."""
        hidden, carry = state
        scores = torch.tanh(keys[:, None] + self.query(hidden)[:, :, None]) @ self.v.to(keys.dtype)
        context = torch.softmax(scores.float(), -1).to(values.dtype) @ values
        i, f, c, o = (word + self.recurrent(torch.cat([hidden, context], -1))).chunk(4, -1)
        carry = torch.sigmoid(f) * carry + torch.sigmoid(i) * torch.tanh(c)
        return torch.sigmoid(o) * torch.tanh(carry), carry

    def forward(self, regions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Logits `[batch, time, vocabulary]` of `<int32>[batch, time]`."""
        keys, values, *state = self.prepare(regions)
        state = tuple(part[:, None] for part in state)
        words, outputs = self.words(self.embedding(tokens)), []
        for time in range(tokens.shape[1]):
            state = self.move(words[:, time, None], state, keys, values)
            outputs.append(state[0][:, 0])
        return self.output(torch.stack(outputs, 1))

    @torch.inference_mode()
    def search(self, regions: torch.Tensor, *, width: int, max_length: int) -> torch.Tensor:
        """The best sentence of a batched beam search by its mean log-probability: `<int64>[batch, max_length]`.

        A sentence that ends leaves the beam; the search stops when no unfinished one can win.
        """
        keys, values, *first = self.prepare(regions)
        batch, vocabulary = len(regions), self.output.out_features
        state = tuple(part[:, None].expand(-1, width, -1) for part in first)
        tokens, rows = torch.full((batch, width), START), torch.arange(batch)[:, None]
        alive = torch.full((batch, width), -1e9)
        alive[:, 0] = 0.0
        written = torch.zeros((batch, width, max_length), dtype=torch.long)
        best, best_scores = torch.zeros((batch, max_length), dtype=torch.long), torch.full((batch,), -1e9)
        for time in range(max_length):
            state = self.move(self.words(self.embedding(tokens)), state, keys, values)
            steps = torch.log_softmax(self.output(state[0]).float(), -1)
            steps[..., BANNED] = -1e9
            alive, places = (alive[..., None] + steps).flatten(1).topk(width)
            parents, tokens = places // vocabulary, places % vocabulary
            state = tuple(part[rows, parents] for part in state)
            written = written[rows, parents]
            written[..., time] = tokens
            scores, ended = torch.where(tokens == END, alive / (time + 1), -1e9).max(-1)
            better = scores > best_scores
            best = torch.where(better[:, None], written[rows[:, 0], ended], best)
            best_scores = torch.where(better, scores, best_scores)
            alive = torch.where(tokens == END, -1e9, alive)
            if not (alive.max(-1).values / max_length > best_scores).any():
                break
        unfinished = best_scores < -1e8
        return torch.where(unfinished[:, None], written[rows[:, 0], alive.argmax(-1)], best)


def precision(name: str) -> torch.autocast:
    """The context of `float32` or `bfloat16`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16")
