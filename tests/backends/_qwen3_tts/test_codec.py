"""The codec by chunks, against what the package's own decoder makes of all codes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.backends.qwen_models import Place, codec_model, random_codes
from tests.backends.qwen_shapes import TINY_CODEC

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from servers.backends._qwen3_tts.codec import CodecDecoder, CodecStream

FRAME = 1920
SAME = 1e-4
"""Samples in −1…1: what is left of the rounding when the same sums are done in another order."""


@pytest.fixture(scope="module")
def model(qwen_tts: None) -> Any:
    return codec_model(replace(TINY_CODEC, layers=4))


@pytest.fixture(scope="module")
def decoder(model: Any) -> CodecDecoder:
    from servers.backends._qwen3_tts.codec import CodecDecoder

    return CodecDecoder(model)


@pytest.fixture
def stream(decoder: CodecDecoder) -> Iterator[CodecStream]:
    made = decoder.stream()
    yield made
    made.close()


def whole(model: Any, codes: torch.Tensor) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        samples: NDArray[np.float32] = model.decoder(codes.T[None])[0, 0].numpy()
    return samples


def by_chunks(stream: CodecStream, codes: torch.Tensor, sizes: Sequence[int]) -> NDArray[np.float32]:
    ends = [0, *accumulate(sizes)]
    assert ends[-1] == len(codes)
    return np.concatenate([stream.decode(codes[start:end]) for start, end in pairwise(ends)])


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one - other).max())


@settings(max_examples=10)
@given(
    sizes=st.lists(st.integers(1, 90) | st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
@example(sizes=[71, 1, 72, 1, 73], seed=0)
@example(sizes=[2, 300], seed=1)
def test_any_chunking_gives_the_audio_of_the_whole(
    model: Any, decoder: CodecDecoder, sizes: list[int], seed: int
) -> None:
    codes = random_codes(sum(sizes), seed)
    chunked = by_chunks(decoder.stream(), codes, sizes)
    assert chunked.dtype == np.float32
    assert difference(chunked, whole(model, codes)) < SAME


def test_frames_one_at_a_time_give_the_audio_of_the_whole(model: Any, stream: CodecStream) -> None:
    codes = random_codes(90)
    assert difference(by_chunks(stream, codes, [1] * 90), whole(model, codes)) < SAME


def test_an_utterance_beyond_the_packages_chunks_is_exact_where_the_package_is_not(
    model: Any, stream: CodecStream
) -> None:
    codes = random_codes(330)
    packages = model.decode(codes[None]).audio_values[0].detach().numpy()
    assert difference(packages, whole(model, codes)) > 100 * SAME
    assert difference(by_chunks(stream, codes, [330]), whole(model, codes)) < SAME


def test_no_codes_give_no_audio(stream: CodecStream) -> None:
    assert stream.decode(random_codes(0)).shape == (0,)


def test_everything_that_is_remembered_is_heard(model: Any, decoder: CodecDecoder) -> None:
    import torch

    codes = random_codes(80)
    expected = whole(model, codes)[75 * FRAME :]
    for slot in range(len(decoder.stream()._open())):
        stream = decoder.stream()
        stream.decode(codes[:75])
        stream._open()[slot] = torch.zeros_like(stream._open()[slot])
        assert difference(stream.decode(codes[75:]), expected) > SAME, slot


def test_streams_at_different_places_are_decoded_at_once(model: Any, decoder: CodecDecoder) -> None:
    codes = random_codes(120, rows=3)
    heard = (0, 100, 7)
    streams = [decoder.stream() for _ in heard]
    for stream, row, frames in zip(streams, codes, heard, strict=True):
        stream.prime(row[:frames])
    together = decode_next(decoder, streams, codes, heard, 10)
    alone = streams[1].decode(codes[1, 110:120])
    rest = decode_next(decoder, streams[::2], codes[::2], (10, 17), 10)
    for row in (0, 2):
        place = heard[row]
        expected = whole(model, codes[row])[place * FRAME : (place + 20) * FRAME]
        assert difference(np.concatenate((together[row], rest[row // 2])), expected) < SAME
    assert difference(np.concatenate((together[1], alone)), whole(model, codes[1])[100 * FRAME :]) < SAME


def test_more_rows_than_a_cpu_decodes_at_once_hear_what_they_hear_alone(decoder: CodecDecoder) -> None:
    import torch

    from servers.backends._qwen3_tts.codec import MOST_ROWS_ON_A_CPU

    rows = 2 * MOST_ROWS_ON_A_CPU + 3
    codes = torch.stack([random_codes(7, seed=row) for row in range(rows)])
    streams = [decoder.stream() for _ in range(rows)]
    together = np.concatenate(
        [decoder.decode(streams, codes[:, :3]), decoder.decode(streams, codes[:, 3:])], 1
    )
    for row in range(rows):
        assert difference(together[row], decoder.stream().decode(codes[row])) < SAME


@pytest.mark.parametrize(("rows", "is_onednns"), [(1, False), (8, True)])
def test_a_small_decoder_leaves_few_rows_to_torchs_own_convolutions(
    decoder: CodecDecoder, monkeypatch: pytest.MonkeyPatch, rows: int, is_onednns: bool
) -> None:
    import torch

    convolve, seen = torch.nn.functional.conv1d, set()

    def noted(*args: Any, **settings: Any) -> torch.Tensor:
        seen.add(torch.backends.mkldnn.enabled)
        return convolve(*args, **settings)

    monkeypatch.setattr(torch.nn.functional, "conv1d", noted)
    decoder.decode([decoder.stream() for _ in range(rows)], torch.zeros(rows, 2, 16, dtype=torch.long))
    assert seen == {is_onednns}
    assert torch.backends.mkldnn.enabled


def decode_next(
    decoder: CodecDecoder, streams: Sequence[CodecStream], codes: torch.Tensor, at: Sequence[int], frames: int
) -> NDArray[np.float32]:
    import torch

    chunk = torch.stack([row[start : start + frames] for row, start in zip(codes, at, strict=True)])
    return decoder.decode(streams, chunk)


def test_streams_in_turn_hear_nothing_of_each_other(model: Any, decoder: CodecDecoder) -> None:
    codes = random_codes(30, rows=2)
    streams = decoder.stream(), decoder.stream()
    made: tuple[list[Any], list[Any]] = ([], [])
    for start in range(0, 30, 10):
        for row, stream in enumerate(streams):
            made[row].append(stream.decode(codes[row, start : start + 10]))
    for row in range(2):
        assert difference(np.concatenate(made[row]), whole(model, codes[row])) < SAME


def test_a_cloned_voice_continues_its_reference_as_the_package_cuts_it(
    model: Any, stream: CodecStream
) -> None:
    import torch

    reference, spoken = random_codes(41, seed=1), random_codes(50, seed=2)
    both = torch.cat((reference, spoken))
    packages = model.decode(both[None]).audio_values[0].detach().numpy()
    # As generate_voice_clone does it: one sample too early where the division rounds down.
    cut = packages[int(len(reference) / len(both) * len(packages)) :]
    assert len(cut) - 50 * FRAME in (0, 1)
    stream.prime(reference)
    assert difference(by_chunks(stream, spoken, [3, 47]), cut[-50 * FRAME :]) < SAME


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_half_precision_are_decoded_as_exactly_as_others(qwen_tts: None, dtype: str) -> None:
    from servers.backends._qwen3_tts.codec import CodecDecoder

    codes = random_codes(80)
    model = codec_model(place=Place(dtype=dtype))
    chunked = by_chunks(CodecDecoder(model).stream(), codes, [1, 70, 9])
    assert str(model.dtype) == f"torch.{dtype}"
    assert difference(chunked, whole(model.float(), codes)) < SAME


def test_the_model_decodes_as_before_and_shares_its_weights(model: Any, decoder: CodecDecoder) -> None:
    codes = random_codes(20)
    before = whole(model, codes)
    weights = {id(weight) for weight in model.decoder.parameters()}
    decoder.stream().decode(codes)
    assert {id(weight) for weight in decoder._decoder.parameters()} <= weights
    assert np.array_equal(whole(model, codes), before)


@pytest.mark.parametrize("attention", ["eager", "flash_attention_2"])
def test_any_attention_of_the_model_will_do(qwen_tts: None, attention: str) -> None:
    from servers.backends._qwen3_tts.codec import CodecDecoder

    model = codec_model()
    codes = random_codes(80)
    expected = whole(model, codes)
    model.decoder.pre_transformer.config._attn_implementation = attention
    assert difference(by_chunks(CodecDecoder(model).stream(), codes, [5, 75]), expected) < SAME
    assert model.decoder.pre_transformer.config._attn_implementation == attention


def test_codes_for_more_or_fewer_streams_are_refused(decoder: CodecDecoder) -> None:
    with pytest.raises(ValueError, match="there are 1 streams, and codes came for 3"):
        decoder.decode([decoder.stream()], random_codes(1, rows=3))


def test_nothing_can_be_decoded_of_a_closed_stream(decoder: CodecDecoder) -> None:
    stream = decoder.stream()
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.decode(random_codes(1))
