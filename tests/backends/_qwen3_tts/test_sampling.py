"""Drawing codes: by their shares, by each row's own settings, and the same whoever is beside it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra [qwen]")

import torch

from servers.backends._qwen3_tts.sampling import CODES, Sampler, Sampling, _likeliest, noise

CPU = torch.device("cpu")
SCORES = torch.tensor([3.0, 1.0, 2.0, 0.5, -1.0]).log_softmax(-1)


def drawn(sampling: Sampling, count: int = 20_000) -> torch.Tensor:
    """How often each code comes, as a share."""
    even = (torch.arange(count) + 0.5) / count
    codes = Sampler([sampling] * count, CPU).choose(SCORES.expand(count, -1).clone(), even)
    return torch.bincount(codes, minlength=5) / count


def shares(scores: torch.Tensor) -> torch.Tensor:
    return scores.softmax(-1)


def without(*codes: int) -> torch.Tensor:
    return SCORES.index_fill(0, torch.tensor(codes), -torch.inf)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(1.0, 0, 1.0), shares(SCORES)),
        (Sampling(0.5, 0, 1.0), shares(SCORES / 0.5)),
        (Sampling(1.0, 2, 1.0), shares(without(1, 3, 4))),
        (Sampling(1.0, 0, 0.7), shares(without(1, 3, 4))),
        (Sampling(2.0, 3, 0.8), shares(without(3, 4, 1) / 2)),
        (Sampling(1.0, 0, 0.01), shares(without(1, 2, 3, 4))),
        (Sampling(1.0, 1, 1.0), shares(without(1, 2, 3, 4))),
        (Sampling(0.0, 50, 1.0), shares(without(1, 2, 3, 4))),
    ],
)
def test_codes_come_as_often_as_they_are_likely(sampling, expected):
    torch.testing.assert_close(drawn(sampling), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize(("codes", "width"), [(2048, 50), (3072, 50), (2048, 1), (2048, 600), (301, 7)])
def test_the_likeliest_codes_are_found_in_whichever_blocks_they_are(codes, width):
    generator = torch.Generator().manual_seed(width)
    spread = torch.stack([torch.randperm(codes, generator=generator) for _ in range(9)])
    for scores in (spread.float(), spread.sort().values.float()):  # no two alike; then all in the last blocks
        best, places = _likeliest(scores, width)
        assert best.equal(scores.topk(width).values)
        assert scores.gather(1, places).equal(best)


def test_the_warpers_of_transformers_leave_the_same_codes():
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    scores = torch.randn(64, 300, generator=torch.Generator().manual_seed(0)) * 3
    even = (torch.arange(4096) + 0.5) / 4096
    for row in scores:
        warped = row[None]
        for warper in (TemperatureLogitsWarper(0.9), TopKLogitsWarper(40), TopPLogitsWarper(0.8)):
            warped = warper(None, warped)
        codes = Sampler([Sampling(0.9, 40, 0.8)] * 4096, CPU).choose(row.expand(4096, -1), even)
        found = torch.bincount(codes, minlength=300) / 4096
        torch.testing.assert_close(found, warped.softmax(-1)[0], atol=1e-3, rtol=0)


def test_each_row_has_its_own_settings_and_nobody_elses():
    rows = [Sampling(0.0, 0, 1.0), Sampling(0.9, 50, 0.9), Sampling(1.3, 0, 1.0), Sampling(0.7, 3, 1.0)]
    scores = torch.randn(4, 3000, generator=torch.Generator().manual_seed(1)) * 2
    place = torch.tensor([0.9, 0.1, 0.6, 0.99])
    together = Sampler(rows, CPU).choose(scores, place)
    alone = [Sampler([row], CPU).choose(scores[[at]], place[[at]])[0] for at, row in enumerate(rows)]
    assert together.tolist() == alone


@pytest.mark.parametrize("edge", [0.0, 1 - 2**-24])
def test_the_ends_of_the_noise_are_codes_too(edge):
    for sampling in (Sampling(1.0, 0, 1.0), Sampling(1.0, 2, 1.0), Sampling(1.0, 0, 0.5)):
        code = int(Sampler([sampling], CPU).choose(SCORES[None], torch.tensor([edge])))
        assert drawn(sampling)[code] > 0


def test_what_is_impossible_is_never_drawn():
    scores = torch.full((1, 3000), -torch.inf)
    scores[0, 17] = -5.0
    for edge in (0.0, 0.5, 1 - 2**-24):
        assert int(Sampler([Sampling(1.0, 50, 1.0)], CPU).choose(scores, torch.tensor([edge]))) == 17


def test_noise_is_the_seeds_and_longer_noise_begins_the_same():
    assert torch.equal(noise(7, (0, 0), 10), noise(7, (0, 0), 50)[:10])
    assert noise(7, (0, 0), 10).shape == (10, CODES)
    others = [noise(8, (0, 0), 10), noise(7, (1, 0), 10), noise(7, (0, 1), 10), noise(-7, (0, 0), 10)]
    assert not any(torch.equal(noise(7, (0, 0), 10), other) for other in others)
    assert 0 <= float(noise(7, (0, 0), 100).min()) < float(noise(7, (0, 0), 100).max()) < 1


def test_settings_are_what_was_asked_for_else_the_checkpoints_else_upstreams():
    generation = {"temperature": 0.8, "top_k": 40, "subtalker_temperature": 0.6, "subtalker_dosample": False}
    assert Sampling.of({}, {}) == Sampling(0.9, 50, 1.0)
    assert Sampling.of(generation, {"top_k": 0, "top_p": None}) == Sampling(0.8, 0, 1.0)
    assert Sampling.of(generation, {"temperature": 0}).is_greedy
    assert Sampling.of(generation, {}, "subtalker_").is_greedy
    assert Sampling.of(generation, {"subtalker_temperature": 0.5}, "subtalker_") == Sampling(0.5, 50, 1.0)
