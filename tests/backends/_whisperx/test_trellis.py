"""The likeliest path through an emission."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.backends._whisperx.loading import import_libraries
from servers.backends._whisperx.trellis import Trellis, needed_bytes, with_wildcard

LETTERS = 6


def emission(frames: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).standard_normal((frames, LETTERS)).astype(np.float32) * sharpness
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def token_spans(tokens, *emissions):
    trellis = Trellis(np.array(tokens, np.intp), 0)
    for each in emissions:
        trellis.extend(each)
    return trellis.token_spans()


def score(tokens, starts, end, found) -> float:
    """The log probability of a path: each token in its frame, blank in the others up to the end."""
    emitted = dict(zip(starts, tokens, strict=True))
    return sum(found[frame, emitted.get(frame, 0)] for frame in range(end))


def test_the_path_goes_where_the_letters_are():
    found = np.full((10, 4), -10.0, np.float32)
    found[:, 0] = -0.1
    found[[2, 5, 6], [1, 2, 3]] = 0.0
    a, b, c = token_spans([1, 2, 3], found)
    assert [(a.start, a.end), (b.start, b.end), (c.start, c.end)] == [(2, 5), (5, 6), (6, 7)]
    assert b.probability == pytest.approx(1.0)
    assert a.probability == pytest.approx((1 + 2 * np.exp(-0.1)) / 3)


@given(st.lists(st.integers(1, LETTERS), min_size=1, max_size=3), st.integers(3, 7), st.integers(0, 10**6))
@settings(max_examples=60)
def test_no_other_path_is_likelier(tokens, frames, seed):
    found = with_wildcard(emission(frames, seed), 0)
    best = token_spans(tokens, emission(frames, seed))
    paths = [(starts, end) for end in range(1, frames + 1) for starts in _increasing(len(tokens), end)]
    mine = score(tokens, [span.start for span in best], best[-1].end, found)
    assert mine == pytest.approx(max(score(tokens, starts, end, found) for starts, end in paths), abs=1e-4)


def _increasing(count: int, end: int):
    from itertools import combinations

    return combinations(range(end), count)


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 10**6))
@settings(max_examples=50)
def test_tokens_are_in_order_and_inside_the_frames(count, extra, seed):
    found = token_spans(
        np.random.default_rng(seed).integers(1, LETTERS + 1, count), emission(count + extra, seed)
    )
    assert len(found) == count
    assert found[0].start >= 0
    assert found[-1].end <= count + extra
    assert all(span.start < span.end for span in found)
    assert all(before.end == after.start for before, after in pairwise(found))
    assert all(0 <= span.probability <= 1 + 1e-6 for span in found)


def test_more_tokens_than_frames_have_no_path():
    assert token_spans([1, 2, 3], emission(2, 0)) is None
    assert token_spans([], emission(2, 0)) is None
    assert token_spans([1]) is None


def test_an_emission_in_blocks_gives_the_same_path():
    whole = emission(50, 3)
    assert token_spans([1, 2, 3, 6], whole) == token_spans([1, 2, 3, 6], whole[:7], whole[7:8], whole[8:])


def test_a_wildcard_is_as_likely_as_the_likeliest_letter():
    found = emission(20, 1)
    wild = with_wildcard(found, 0)
    assert np.array_equal(wild[:, :-1], found)
    assert np.array_equal(wild[:, -1], found[:, 1:].max(axis=1))


@pytest.mark.usefixtures("whisperx_package")
@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_path_that_whisperx_finds(seed):
    import_libraries()
    import torch
    from whisperx.alignment import backtrack, get_trellis, merge_repeats

    random = np.random.default_rng(seed)
    tokens = [int(token) for token in random.integers(1, LETTERS, random.integers(1, 30))]
    found = emission(len(tokens) + int(random.integers(0, 90)), seed)
    theirs = torch.from_numpy(found)
    path = backtrack(get_trellis(theirs, tokens), theirs, tokens)
    mine = token_spans(tokens, found)
    runs = merge_repeats(path, "x" * len(tokens))
    assert [(span.start, span.end) for span in mine] == [(run.start, run.end) for run in runs]
    assert [span.probability for span in mine] == pytest.approx([run.score for run in runs], abs=1e-5)


def test_an_hour_and_its_text_fit_into_a_gigabyte():
    assert needed_bytes(tokens=45_000, frames=180_000) < 1.02e9
