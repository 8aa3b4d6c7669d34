"""The codec by chunks on a GPU, against what the package's own decoder makes of all codes at once there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.qwen_models import Place, codec_model, random_codes
from tests.backends.qwen_shapes import PUBLISHED_CODEC

SIZES = [1, 2, 4, 8, 70, 1, 34]


@pytest.fixture
def codes(checkpoints, cuda):
    return random_codes(sum(SIZES)).to(cuda)


def whole(model, codes):
    import torch

    with torch.inference_mode():
        return model.decoder(codes.T[None])[0, 0].float().cpu().numpy()


def by_chunks(model, codes):
    import torch

    from servers.backends._qwen3_tts.codec import CodecDecoder

    stream = CodecDecoder(model).stream()
    return np.concatenate([stream.decode(part) for part in torch.split(codes, SIZES)])


def test_any_chunking_gives_the_audio_of_the_whole(codes, cuda, exact_sums):
    model = codec_model(PUBLISHED_CODEC, place=Place(cuda))
    assert np.abs(by_chunks(model, codes) - whole(model, codes)).max() < 1e-3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_half_precision_chunks_are_no_further_from_the_truth_than_the_whole_is(
    codes, cuda, dtype, exact_sums
):
    truth = whole(codec_model(PUBLISHED_CODEC, place=Place(cuda)), codes)
    model = codec_model(PUBLISHED_CODEC, place=Place(cuda, dtype))
    assert rms(by_chunks(model, codes) - truth) < 1.5 * rms(whole(model, codes) - truth)


def rms(samples):
    return np.sqrt(np.mean(np.square(samples)))
