"""Subtitles of timed words: cues of at most two lines that can be read in their time, as SubRip or as WebVTT.

The guidelines are those of the trade:
- Netflix's Timed Text Style Guide, General Requirements: two lines of 42 characters; a cue is there for 5/6 s
  to 7 s; two frames at least between two cues, and no gap of less than half a second but that one; it may
  stay after the speech for as long as it takes to read. Reading speeds are in its guides for languages: 17 to
  20 characters a second in most, 9 in Chinese (whose characters are two columns each).
- The BBC's Subtitle Guidelines: break at the ends of sentences and clauses; lines of about the same length; a
  new subtitle for a new speaker and after a pause.
- W3C, WebVTT: The Web Video Text Tracks Format, sections 4 and 6 (escapes, voice spans). SubRip has no
  standard: what is written is what every player reads, plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Any

from servers.speech import Segment, Word
from servers.text.cue_breaks import GAP_MS, MOST_MS, Cue, reading_ms, spoken_cues
from servers.text.line_breaks import break_costs, columns, is_ideographic, pieces

CLOSED_MS = 500
"""A gap below this is made GAP_MS."""
BRIEFEST_MS = 84
"""A cue whose next one begins sooner than that delays it."""

CONTENT_TYPES = {"srt": "application/x-subrip; charset=utf-8", "vtt": "text/vtt; charset=utf-8"}


def cues(words: Iterable[Word], text: str | None = None, language: str | None = None) -> list[Cue]:
    """The words in cues: each once and in order, none cut, and no two cues at the same time.

    A line is wider than 42 columns only if it is a single word. `text` is what the words are of, as written:
    it has the spaces between them. `language` is a tag, and says which words lean on the next one.
    """
    return _timed(_spoken(words, text, language))


def cues_of_segments(segments: Iterable[Segment], language: str | None = None) -> list[Cue]:
    """The segments' texts in cues, none of two segments, for a transcript without the times of its words.

    A word's share of its segment's time is its share of the columns.
    """
    each = (_spoken(_words(segment), segment.text, language) for segment in segments)
    return _timed(list(chain.from_iterable(each)))


def cues_of_transcript(transcript: Mapping[str, Any]) -> list[Cue]:
    """Of a transcript or an alignment as the servers answer it."""
    language = transcript["language"]
    if words := transcript["words"]:
        return cues(map(_word, words), transcript["text"], language)
    return cues_of_segments(map(_segment, transcript["segments"]), language)


def subtitles(transcript: Mapping[str, Any], format: str) -> str:
    """A server's answer in one of the formats of CONTENT_TYPES."""
    return {"srt": srt, "vtt": vtt}[format](cues_of_transcript(transcript))


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: it has no speakers and no escapes, so an arrow in the text is written as one character."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "".join(f"{each.replace('-->', '→')}\n" for each in cue.lines)
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT: & < > are escaped, and a speaker is its cue's voice."""
    return "\n".join(["WEBVTT\n", *map(_vtt_block, cues)])


def _vtt_block(cue: Cue) -> str:
    text = "\n".join(map(_escaped, cue.lines))
    if cue.speaker:
        text = f"<v {_escaped(' '.join(cue.speaker.split()))}>{text}</v>"
    return f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


# when they are shown


def _spoken(words: Iterable[Word], text: str | None, language: str | None) -> list[Cue]:
    parts = pieces(words, text)
    return list(spoken_cues(parts, break_costs(parts, language)))


def _timed(spoken: Sequence[Cue]) -> list[Cue]:
    """The same, each shown for as long as it takes to read, if the next one leaves it the time."""
    shown: list[Cue] = []
    for cue, after in zip_longest(spoken, spoken[1:]):
        start_ms = max(cue.start_ms, shown[-1].end_ms) if shown else cue.start_ms
        end_ms = _end_ms(start_ms, cue, None if after is None else after.start_ms)
        shown.append(replace(cue, start_ms=start_ms, end_ms=end_ms))
    return shown


def _end_ms(start_ms: int, cue: Cue, next_ms: int | None) -> int:
    """1. Not before it is said and can be read, 2. but GAP_MS before the next one, and no less than CLOSED_MS
    if not that; 3. without a gap where the next one is too near for it; 4. never after MOST_MS.
    """
    end_ms = max(cue.end_ms, start_ms + round(reading_ms(sum(map(columns, cue.lines)))))  # 1
    if next_ms is not None:
        if end_ms > next_ms - CLOSED_MS:
            end_ms = next_ms - GAP_MS  # 2
        if end_ms < start_ms + BRIEFEST_MS:
            end_ms = max(next_ms, start_ms + BRIEFEST_MS)  # 3
    return min(end_ms, start_ms + MOST_MS)  # 4


# from what the servers answer


def _word(said: Mapping[str, Any]) -> Word:
    return Word(
        word=said["word"],
        start=said["start"],
        end=said["end"],
        interpolated=said.get("interpolated", False),
        speaker=said.get("speaker"),
    )


def _segment(said: Mapping[str, Any]) -> Segment:
    return Segment(start=said["start"], end=said["end"], text=said["text"], speaker=said.get("speaker"))


def _words(segment: Segment) -> Iterator[Word]:
    """Its text's words, or ideographs, with times in proportion to their columns."""
    said = _split(segment.text)
    per_column = (segment.end - segment.start) / max(1, sum(map(columns, said)))
    start = segment.start
    for each in said:
        end = start + columns(each) * per_column
        yield Word(word=each, start=start, end=end, interpolated=True, speaker=segment.speaker)
        start = end


def _split(text: str) -> list[str]:
    found: list[str] = []
    for unbroken in text.split():
        begin = 0
        for place in range(1, len(unbroken)):
            if is_ideographic(unbroken[place - 1]) or is_ideographic(unbroken[place]):
                found.append(unbroken[begin:place])
                begin = place
        found.append(unbroken[begin:])
    return found
