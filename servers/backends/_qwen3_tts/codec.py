"""The codec's decoder by chunks: any chunking gives the audio of the whole, at the same cost for each frame.

The decoder of the 12 Hz codec (`qwen_tts.core.tokenizer_12hz`) is causal, and three kinds of its layers look
back: the transformer, at the keys and values of the 71 frames before; a convolution, at as many inputs as
its kernel is wide, less one; a transposed convolution, at the inputs whose outputs overlap the next. Others
see one moment at a time. So the decoder is copied, sharing its weights, with these three kinds exchanged for
ones that remember what they look back at: the copy's own `forward` then decodes a chunk as what follows the
last.

Upstream differs in two ways. It decodes in chunks of 300 frames, each with the 25 frames before it and no
more: an utterance longer than 24 s is not what its whole would be. And it decodes in the talker's dtype: in
bfloat16 no chunking gives the samples of another, and on random weights the error is a seventh of the signal.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import (
    EuclideanCodebook,
    Qwen3TTSTokenizerV2CausalConvNet,
    Qwen3TTSTokenizerV2CausalTransConvNet,
    Qwen3TTSTokenizerV2DecoderTransformerModel,
    Qwen3TTSTokenizerV2Model,
    SnakeBeta,
)
from torch import Tensor, nn
from torch.nn import functional

DTYPE = torch.float32
MASKABLE_ATTENTION = ("eager", "sdpa")
MOST_ROWS_ON_A_CPU = 8
"""Sixteen together take longer there than twice eight: their last outputs are too large for the cache."""
LARGE = 10_000_000
"""Weights of a decoder that is faster with oneDNN however few rows there are (see `_plain`)."""
MOST_FRAMES_AT_ONCE = 100
"""Longer runs are decoded in parts, for the last layers hold 1,920 samples of 96 channels for each frame."""


class CodecDecoder:
    """Decodes streams of codes with the weights of `model`, which stays as it is, in float32.

    The weights are shared where they are float32, else copied. Streams are decoded in any order, some of them
    at once, from one thread. Codes are the talker's, 16 a frame, each in 0…2047; on a GPU others are a fault
    that ends the process.
    """

    def __init__(self, model: Qwen3TTSTokenizerV2Model) -> None:
        self.sample_rate = int(model.get_output_sample_rate())
        self.frame_samples = int(model.get_decode_upsample_rate())
        self.device: torch.device = model.device
        self._memory = _Memory()
        self._decoder = _streaming(model.decoder, self._memory)
        self._is_large = sum(each.numel() for each in self._decoder.parameters()) >= LARGE

    def stream(self) -> CodecStream:
        """A new utterance, before its first frame."""
        return CodecStream(self, self._memory.blank(self.device))

    def decode(self, streams: Sequence[CodecStream], codes: Tensor) -> NDArray[np.float32]:
        """The next samples of several streams, each wherever it is: in one run, or on a CPU in few.

        `codes` are of shape (streams, T, 16), the samples in −1…1 of shape (streams, T × 1,920).
        """
        if len(codes) != len(streams):
            raise ValueError(f"there are {len(streams)} streams, and codes came for {len(codes)}")
        samples = np.empty((len(streams), codes.shape[1] * self.frame_samples), np.float32)
        for rows in self._runs(len(streams)):
            end = 0
            for part in self._decode(streams[rows], codes[rows]):
                start, end = end, end + part.shape[1]
                samples[rows, start:end] = part.cpu().numpy()
        return samples

    def _runs(self, rows: int) -> Iterator[slice]:
        """Which rows are decoded in the same run."""
        most = MOST_ROWS_ON_A_CPU if self.device.type == "cpu" else rows
        return (slice(start, min(rows, start + most)) for start in range(0, rows, most))

    @torch.inference_mode()
    def _decode(self, streams: Sequence[CodecStream], codes: Tensor) -> Iterator[Tensor]:
        """The samples in parts, on the device. The streams have gone on once all of them were taken."""
        remembered = [torch.cat(rows) for rows in zip(*(stream._open() for stream in streams), strict=True)]
        for part in torch.split(codes.to(self.device), MOST_FRAMES_AT_ONCE, dim=1):
            if part.shape[1]:
                yield self._run(part, remembered)
        for row, stream in enumerate(streams):
            stream._remembered = [tensor[row : row + 1] for tensor in remembered]

    def _run(self, codes: Tensor, remembered: list[Tensor]) -> Tensor:
        self._memory.remembered = remembered
        try:
            with _plain(not self._is_large and len(codes) < MOST_ROWS_ON_A_CPU):
                samples: Tensor = self._decoder(codes.transpose(1, 2))
        finally:
            self._memory.remembered = []
        return samples.squeeze(1)


class CodecStream:
    """One utterance while it is decoded."""

    def __init__(self, decoder: CodecDecoder, remembered: list[Tensor]) -> None:
        self._decoder = decoder
        self._remembered: list[Tensor] | None = remembered

    def decode(self, codes: Tensor) -> NDArray[np.float32]:
        """The next samples in −1…1, of shape (T × 1,920,), for codes of shape (T, 16)."""
        samples: NDArray[np.float32] = self._decoder.decode([self], codes[None])[0]
        return samples

    def prime(self, codes: Tensor) -> None:
        """Goes on after codes of shape (T, 16), without their audio: those of a reference.

        It is the same as what upstream does with a cloned voice: it decodes the reference with what was
        generated, and cuts it off.
        """
        for _ in self._decoder._decode([self], codes[None]):
            pass

    def close(self) -> None:
        """Frees what was remembered; nothing can be decoded any more."""
        self._remembered = None

    def _open(self) -> list[Tensor]:
        if self._remembered is None:
            raise ValueError("the stream is closed")
        return self._remembered


@contextmanager
def _plain(wanted: bool) -> Iterator[None]:
    """On a CPU torch's own convolutions where `wanted`, else oneDNN's, which are faster at large ones.

    But oneDNN prepares each for the shape of its inputs and remembers the latest 1,024: rows that come and go
    bring ever new shapes, and with a small decoder that takes longer than the run itself.
    """
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(before and not wanted)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@dataclass
class _Memory:
    """What the layers remember: one tensor for each slot, whose first dimension is the row."""

    slots: list[tuple[tuple[int, ...], torch.dtype]] = field(default_factory=list)
    remembered: list[Tensor] = field(default_factory=list)
    """Of the stream that is being decoded."""

    def slot(self, shape: tuple[int, ...], dtype: torch.dtype = DTYPE) -> int:
        """A place for a tensor of this shape for each row."""
        self.slots.append((shape, dtype))
        return len(self.slots) - 1

    def blank(self, device: torch.device) -> list[Tensor]:
        """What is remembered before the first frame: silence, for convolutions are padded with zeros."""
        with torch.inference_mode():
            return [torch.zeros((1, *shape), dtype=dtype, device=device) for shape, dtype in self.slots]

    def prepend(self, slot: int, new: Tensor, dim: int) -> Tensor:
        """`new` after what was remembered along `dim`; as much of its end is remembered in turn."""
        past = self.remembered[slot]
        both = torch.cat((past, new), dim)
        past.copy_(both.narrow(dim, both.shape[dim] - past.shape[dim], past.shape[dim]))
        return both


def _streaming(decoder: nn.Module, memory: _Memory) -> nn.Module:
    """A copy of the decoder which continues where it stopped; float32 weights are the same tensors."""
    tensors = (*decoder.parameters(), *decoder.buffers())
    copied = copy.deepcopy(decoder, {id(each): each for each in tensors if each.dtype == DTYPE}).to(DTYPE)
    for parent in list(copied.modules()):
        for name, layer in list(parent.named_children()):
            setattr(parent, name, _exchanged(layer, memory))
    return copied


def _exchanged(layer: nn.Module, memory: _Memory) -> nn.Module:
    """A layer that remembers for one that looks back, one that computes its constants once, or the layer."""
    if isinstance(layer, Qwen3TTSTokenizerV2DecoderTransformerModel):
        return _Transformer(layer, memory)
    if isinstance(layer, Qwen3TTSTokenizerV2CausalTransConvNet) and layer.right_pad:
        return _TransposedConvolution(layer, memory)
    if isinstance(layer, Qwen3TTSTokenizerV2CausalConvNet) and layer.padding:
        return _Convolution(layer, memory)
    if isinstance(layer, SnakeBeta):
        return _Snake(layer)
    return _Codebook(layer) if isinstance(layer, EuclideanCodebook) else layer


class _Convolution(nn.Module):
    """A causal convolution that sees the end of the chunk before where it would pad with zeros."""

    def __init__(self, layer: Qwen3TTSTokenizerV2CausalConvNet, memory: _Memory) -> None:
        super().__init__()
        self.conv = layer.conv
        self._memory = memory
        self._slot = memory.slot((layer.conv.in_channels, layer.padding))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.conv(self._memory.prepend(self._slot, inputs, -1))
        return outputs


class _TransposedConvolution(nn.Module):
    """An upsampling whose outputs reach into those of the next inputs: it sees the last inputs once more."""

    def __init__(self, layer: Qwen3TTSTokenizerV2CausalTransConvNet, memory: _Memory) -> None:
        super().__init__()
        self.conv = layer.conv
        self._stride = layer.conv.stride[0]
        self._overlap = math.ceil(layer.right_pad / self._stride)
        self._memory = memory
        self._slot = memory.slot((layer.conv.in_channels, self._overlap))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.conv(self._memory.prepend(self._slot, inputs, -1))
        return outputs.narrow(-1, self._overlap * self._stride, inputs.shape[-1] * self._stride)


class _Transformer(nn.Module):
    """The transformer with the keys and values of the last frames, each row at a position of its own.

    It is its own cache: attention layers call `update`, as they would a `transformers.Cache`'s.
    """

    def __init__(self, layer: Qwen3TTSTokenizerV2DecoderTransformerModel, memory: _Memory) -> None:
        super().__init__()
        self.transformer = layer
        if layer.config._attn_implementation not in MASKABLE_ATTENTION:
            layer.set_attn_implementation("sdpa")
        self._past = layer.window_size - 1
        self._memory = memory
        self._seen = memory.slot((), torch.long)
        self._keys = [self._window(attention.self_attn.k_proj) for attention in layer.layers]
        self._values = [self._window(attention.self_attn.v_proj) for attention in layer.layers]

    def _window(self, projection: nn.Linear) -> int:
        config = self.transformer.config
        shape = (
            config.num_key_value_heads,
            self._past,
            projection.out_features // config.num_key_value_heads,
        )
        return self._memory.slot(shape)

    def forward(self, inputs_embeds: Tensor) -> Any:
        seen = self._memory.remembered[self._seen]
        here = torch.arange(inputs_embeds.shape[1], device=seen.device)
        result = self.transformer(
            inputs_embeds=inputs_embeds,
            attention_mask={"sliding_attention": self._mask(seen, here)},
            position_ids=seen[:, None] + here,
            cache_position=here,
            past_key_values=self,
            use_cache=True,
        )
        seen += len(here)
        return result

    def update(self, keys: Tensor, values: Tensor, layer: int, _: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The keys and values of the window before these and of these, shape (rows, heads, frames, size)."""
        return (
            self._memory.prepend(self._keys[layer], keys, -2),
            self._memory.prepend(self._values[layer], values, -2),
        )

    def _mask(self, seen: Tensor, here: Tensor) -> Tensor:
        """What is added to the attention of each frame here to each key, shape (rows, 1, frames, keys).

        Key k is of the frame k − 71 from the first one here. A frame sees itself and the 71 before, as far as
        there were any.
        """
        key = torch.arange(self._past + len(here), device=here.device)
        in_window = (key >= here[:, None]) & (key <= here[:, None] + self._past)
        exists = key >= self._past - seen[:, None]
        unseen = ~(in_window[None, None] & exists[:, None, None])
        return torch.zeros_like(unseen, dtype=DTYPE).masked_fill(unseen, torch.finfo(DTYPE).min)


class _Snake(nn.Module):
    """x + sin²(x · a) / b, a and b being per channel: the decoder's activation."""

    frequency: Tensor
    size: Tensor

    def __init__(self, layer: SnakeBeta) -> None:
        super().__init__()
        beta = layer.beta.detach().exp() + layer.no_div_by_zero
        self.register_buffer("frequency", layer.alpha.detach().exp()[:, None], persistent=False)
        self.register_buffer("size", (1.0 / beta)[:, None], persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.size * torch.sin(inputs * self.frequency).square()


class _Codebook(nn.Module):
    """A codebook whose vectors are divided out once, and not in each call."""

    vectors: Tensor

    def __init__(self, layer: EuclideanCodebook) -> None:
        super().__init__()
        usage = layer.cluster_usage.detach().clamp(min=layer.epsilon)
        self.register_buffer("vectors", layer.embedding_sum.detach() / usage[:, None], persistent=False)

    def decode(self, codes: Tensor) -> Tensor:
        return functional.embedding(codes, self.vectors)
