"""What was heard in a piece, as segments in the recording's time."""

from __future__ import annotations

from typing import Any

from servers.backends._whisperx.aligner import Aligner
from servers.backends._whisperx.cutting import Piece
from servers.backends._whisperx.ear import Heard
from servers.speech import Segment, Word
from servers.text.timing import timed_sentences


def whole(piece: Piece, heard: Heard) -> Segment:
    """The piece as one segment, without the times of its words."""
    start, end = round(piece.start_s, 3), round(piece.end_s, 3)
    return Segment(start=start, end=end, text=heard.text, **_said_of(heard))


def by_sentence(piece: Piece, heard: Heard, aligner: Aligner) -> tuple[Segment, ...]:
    """A segment for each sentence, with its words."""
    aligned = aligner.times(heard.text, piece.samples)
    words = [_moved(word, piece.start_s) for word in aligned.words]
    sentences = timed_sentences(heard.text, aligned.begins, words)
    return tuple(sentence.model_copy(update=_said_of(heard)) for sentence in sentences)


def _moved(word: Word, by_s: float) -> Word:
    times = {"start": round(word.start + by_s, 3), "end": round(word.end + by_s, 3)}
    return word.model_copy(update=times)


def _said_of(heard: Heard) -> dict[str, Any]:
    return {
        "avg_logprob": round(heard.avg_logprob, 4),
        "no_speech_prob": round(heard.no_speech_prob, 4),
        "compression_ratio": round(heard.compression_ratio, 4),
    }
