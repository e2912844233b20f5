"""Several captioners together: their averaged probabilities, and a student's captions from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.metrics.rewards import CaptionReward
from mmtoolkit.models.ensemble import CaptionerEnsemble
from mmtoolkit.tasks.distillation import distilled

Make = Callable[..., mm.Captioner]


@pytest.fixture
def members(drawings: list[mm.CaptionRecord], make_captioner: Make) -> list[mm.Captioner]:
    """Three captioners of one vocabulary with other weights, large ones."""
    codec = mm.TextCodec.fit(mm.texts(drawings), min_count=1)
    made = [make_captioner(codec, seed=seed) for seed in range(3)]
    for number, member in enumerate(made):
        random = np.random.default_rng(number)
        member.decoder.output_layer.kernel.assign(random.normal(0, 2, member.decoder.output_layer.kernel.shape))
    return made


def softmax(logits: np.ndarray) -> np.ndarray:
    """Computes the softmax over the last axis."""
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def test_the_search_is_that_over_averaged_probabilities(
    drawings: list[mm.CaptionRecord], members: list[mm.Captioner]
) -> None:
    """The sentences of a beam have the log-probabilities that teacher forcing gives, member by member."""
    ensemble = CaptionerEnsemble(members)
    images = ensemble.image_source().read([record.image for record in drawings[:3]])
    ids, scores = ensemble.searched({"images": images}, mm.BeamSearch(width=4, n_best=4, length_penalty=0.0))
    for place in range(4):
        targets = ids[:, place]
        tokens = np.concatenate([np.ones_like(targets[:, :1]), targets[:, :-1]], axis=1)
        each = [softmax(np.asarray(member({"images": images, "tokens": tokens}), "float64")) for member in members]
        probabilities = np.take_along_axis(np.mean(each, axis=0), targets[..., None], axis=-1)[..., 0]
        totals = np.log(probabilities).sum(axis=1, where=targets != 0)
        np.testing.assert_allclose(totals, scores[:, place], rtol=1e-3, atol=1e-3)
    likelihood = np.asarray(ensemble({"images": images, "tokens": tokens}))
    np.testing.assert_allclose(np.exp(likelihood), np.mean(each, axis=0), rtol=1e-3, atol=1e-6)


def test_an_ensemble_of_one_captioner_twice_writes_the_same(
    drawings: list[mm.CaptionRecord], members: list[mm.Captioner]
) -> None:
    images = [record.image for record in drawings]
    same, other = CaptionerEnsemble([members[0]] * 2), CaptionerEnsemble(members)
    assert same.generate(images) == members[0].generate(images) != other.generate(images)
    report = mm.evaluate(mm.captioning, other, drawings, source=other.image_source())
    assert set(report["scores"]) >= {"BLEU-4", "CIDEr"}


def test_members_that_differ_are_named(drawings: list[mm.CaptionRecord], make_captioner: Make) -> None:
    codec = mm.TextCodec.fit(mm.texts(drawings), min_count=1)
    first = make_captioner(codec)
    with pytest.raises(mm.InputError, match=r"one vocabulary. Received: .* in captioner 2"):
        CaptionerEnsemble([first, make_captioner(mm.TextCodec.fit([["a b"]]))])
    with pytest.raises(mm.InputError, match="read the same input"):
        CaptionerEnsemble([first, make_captioner(codec, image_size=first.image_size * 2)])
    with pytest.raises(mm.InputError, match="Received: none"):
        CaptionerEnsemble([])
    with pytest.raises(mm.InputError, match=r"attend to the same regions.*'bahdanau'.*in captioner 2 'mean'"):
        CaptionerEnsemble([first, make_captioner(codec, attention="mean")])
    for refused in (lambda one: one.save_preset("ensemble"), lambda one: one.compile(), lambda one: one.bare()):
        with pytest.raises(mm.InputError, match="Received: an ensemble; take its members, or distil it"):
            refused(CaptionerEnsemble([first]))


def test_a_student_gets_the_captions_of_a_beam_that_agree_most(
    drawings: list[mm.CaptionRecord], members: list[mm.Captioner]
) -> None:
    teacher, done = members[0], list[tuple[int, int]]()
    source = teacher.image_source()
    taught = distilled(drawings, teacher, source, keep=2, progress=lambda *at: done.append(at))
    reward = CaptionReward({record.id: record.captions for record in drawings})
    search = mm.BeamSearch(width=20, n_best=20, no_repeat_ngram=teacher.decoding.no_repeat_ngram)
    beams = teacher.generate([record.image for record in drawings], decoding=search, n_best=20)
    for before, after, beam in zip(drawings, taught, beams, strict=True):
        texts = list(dict.fromkeys(text for text in beam if text))
        best = sorted(reward(before.id, texts, [True] * len(texts)), reverse=True)[:2]
        assert after.captions[: len(before.captions)] == before.captions and after.image == before.image
        added = after.captions[len(before.captions) :]
        assert set(added) <= set(texts) and reward(before.id, added, [True] * 2) == pytest.approx(best)
    assert done == [(len(drawings), len(drawings))]
