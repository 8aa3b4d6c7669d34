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
        return model.decoder(codes.T[None])[0, 0].cpu().numpy()


def by_chunks(model, codes):
    import torch

    from servers.backends._qwen3_tts.codec import CodecDecoder

    stream = CodecDecoder(model).stream()
    return np.concatenate([stream.decode(part) for part in torch.split(codes, SIZES)])


def test_any_chunking_gives_the_audio_of_the_whole(codes, cuda, exact_sums):
    model = codec_model(PUBLISHED_CODEC, place=Place(cuda))
    assert np.abs(by_chunks(model, codes) - whole(model, codes)).max() < 1e-3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_half_precision_are_decoded_as_exactly_as_others(codes, cuda, dtype, exact_sums):
    model = codec_model(PUBLISHED_CODEC, place=Place(cuda, dtype))
    chunked = by_chunks(model, codes)
    assert np.abs(chunked - whole(model.float(), codes)).max() < 1e-3


def test_with_the_sums_of_a_server_chunks_are_still_within_a_thousandth_of_the_whole(codes, cuda):
    model = codec_model(PUBLISHED_CODEC, place=Place(cuda))
    assert np.abs(by_chunks(model, codes) - whole(model, codes)).max() < 1e-3
