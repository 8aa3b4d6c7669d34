"""What every backend promises, once: a test module subclasses `BackendContract`, or `SpeakingContract`.

The subclass names its `kind` and gives fixtures: `backend`, loaded; `about`, what `load` returned; `good`,
two requests or more for each of its tasks; and `bad`, requests with the errors that concern them alone. One
whose batches others may join subclasses `ArrivalsContract` too, and gives `same`: requests of a joinable task
that yield the same each time. Its `good` ones take three steps or more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from servers.backends.base import About, Arrivals, Backend, default_task, ignored_fields
from servers.errors import SkylarkError, UnknownVoice
from servers.speech import Alignment, Chunk, Noun, Progress, Segment, Speech, Transcript, Utterance, Word

Good = Mapping[str, Sequence[Noun]]
Bad = Sequence[tuple[str, Noun, type[SkylarkError], str | None]]
Same = Sequence[Noun]
"""Requests that yield the same each time."""
GIVEN = {
    "voice": "x",
    "language": "en",
    "instruct": "whisper",
    "seed": 7,
    "speed": 1.5,
    "prompt": "Skylark",
    "temperature": 0.5,
}
"""What a client may give with a request that a backend does not act on."""


def run(backend: Backend, task: str, requests: Sequence[Noun]) -> Iterator[tuple[int, Any]]:
    return getattr(backend, task)(requests)


def items(backend: Backend, task: str, request: Noun) -> list[Any]:
    """Everything that one request yields."""
    return [item for _, item in run(backend, task, [request])]


def result(backend: Backend, task: str, request: Noun) -> Any:
    """What one request ends with; an error is raised."""
    last = items(backend, task, request)[-1]
    if isinstance(last, SkylarkError):
        raise last
    return last


class Timetable:
    """Arrivals that come when they are asked for the n-th time, and cancellations as they are made."""

    def __init__(self, joining: Mapping[int, Sequence[Noun]]) -> None:
        self._joining = dict(joining)
        self.asked = 0
        self.gone: set[int] = set()

    def joined(self) -> Sequence[Noun]:
        self.asked += 1
        return self._joining.pop(self.asked, ())

    def cancelled(self) -> Collection[int]:
        return self.gone

    def notify(self, call: Callable[[], None]) -> None:
        """Whoever asks between any two items has no need of it."""


def joined_by(
    backend: Backend, task: str, requests: Sequence[Noun], arrivals: Arrivals
) -> Iterator[tuple[int, Any]]:
    return getattr(backend, task)(requests, arrivals)


def by_index(yielded: Iterator[tuple[int, Any]]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for index, item in yielded:
        found.setdefault(index, []).append(item)
    return found


def is_end(item: object) -> bool:
    return isinstance(item, SkylarkError) or not isinstance(item, Chunk | Progress | Segment)


class BackendContract:
    """What holds for every task of every backend. A test that takes `task` runs for each task of the kind."""

    kind: ClassVar[type[Backend]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "task" in metafunc.fixturenames:
            metafunc.parametrize("task", list(self.kind.requests))
        if "joinable" in metafunc.fixturenames:
            metafunc.parametrize("joinable", sorted(self.kind.takes_arrivals))

    @pytest.fixture
    def bad(self) -> Bad:
        return ()

    def test_every_task_has_good_requests_of_its_own_type(self, backend: Backend, good: Good) -> None:
        assert default_task(backend) in backend.requests
        assert set(good) == set(backend.requests)
        for task, requests in good.items():
            assert len(requests) >= 2
            assert all(isinstance(request, backend.requests[task]) for request in requests)

    def test_what_it_says_that_it_acts_on_are_optional_fields_of_its_requests(self) -> None:
        known = [set(kind.model_fields) for kind in self.kind.requests.values()]
        assert self.kind.honours <= set().union(*known)
        assert not self.kind.honours & {"task", "text", "audio_path"}

    def test_a_field_that_it_does_not_act_on_does_no_harm(
        self, backend: Backend, task: str, good: Good
    ) -> None:
        given = {name: GIVEN[name] for name in ignored_fields(self.kind, task)}
        request = good[task][0].model_copy(update=given)
        assert not isinstance(items(backend, task, request)[-1], SkylarkError)

    def test_an_option_that_it_does_not_know_refuses_to_start(self, backend: Backend) -> None:
        with pytest.raises(ValidationError):
            backend.options.model_validate({"no_such_option": 1})

    def test_about_survives_the_way_through_json(self, about: About) -> None:
        assert About.model_validate_json(about.model_dump_json()) == about
        assert about.device

    def test_an_empty_batch_yields_nothing(self, backend: Backend, task: str) -> None:
        assert list(run(backend, task, [])) == []

    def test_every_index_ends_with_exactly_one_result_and_nothing_after_it(
        self, backend: Backend, task: str, good: Good
    ) -> None:
        check_served(by_index(run(backend, task, good[task])), range(len(good[task])))

    def test_results_survive_the_way_through_json(self, backend: Backend, task: str, good: Good) -> None:
        ended = result(backend, task, good[task][0])
        assert type(ended).model_validate_json(ended.model_dump_json()) == ended

    def test_progress_never_goes_back(self, backend: Backend, task: str, good: Good) -> None:
        fractions = [
            item.fraction for item in items(backend, task, good[task][0]) if isinstance(item, Progress)
        ]
        assert all(0 <= fraction <= 1 for fraction in fractions)
        assert fractions == sorted(fractions)

    def test_the_segments_that_it_tells_are_the_first_of_its_transcript_but_for_who_speaks(
        self, backend: Backend, task: str, good: Good
    ) -> None:
        for request in good[task]:
            yielded = items(backend, task, request)
            told = [item for item in yielded if isinstance(item, Segment)]
            ended = yielded[-1]
            of_end = ended.segments if isinstance(ended, Transcript) and task == "transcribe" else ()
            assert told == [nobody_s(segment) for segment in of_end[: len(told)]]

    def test_words_are_in_order_and_inside_the_audio(self, backend: Backend, task: str, good: Good) -> None:
        yielded = items(backend, task, good[task][0])
        ended = yielded[-1]
        if isinstance(ended, Transcript):
            assert isinstance(ended, Alignment) is (task == "align")
            check_words(ended.words, ended.duration_s)
            assert [word for segment in ended.segments for word in segment.words] == list(ended.words)
            for segment in ended.segments:
                check_words(segment.words, ended.duration_s)
                assert segment.start <= segment.end
        elif isinstance(ended, Speech):
            check_words(ended.words, sum(item.duration_s for item in yielded if isinstance(item, Chunk)))

    def test_an_error_in_one_request_leaves_the_others(self, backend: Backend, good: Good, bad: Bad) -> None:
        for task, request, error, param in bad:
            ends = {
                index: item
                for index, item in run(backend, task, [good[task][0], request, good[task][1]])
                if is_end(item)
            }
            assert type(ends[1]) is error
            assert ends[1].param == param
            assert not isinstance(ends[0], SkylarkError)
            assert not isinstance(ends[2], SkylarkError)

    def test_closing_midway_leaves_it_ready_for_the_next(
        self, backend: Backend, task: str, good: Good
    ) -> None:
        for _ in range(3):
            generator = run(backend, task, good[task])
            next(generator)
            generator.close()  # type: ignore[attr-defined]
        assert not isinstance(items(backend, task, good[task][0])[-1], SkylarkError)


class ArrivalsContract(BackendContract):
    """What else holds for the tasks whose running batch others may join: `joinable` is each of them."""

    def test_it_says_which_of_its_tasks_others_may_join(self) -> None:
        assert self.kind.takes_arrivals
        assert self.kind.takes_arrivals <= set(self.kind.requests)

    @pytest.mark.parametrize(("batch", "when"), [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (2, 4)])
    def test_whoever_arrives_is_served_once_and_counted_on(
        self, backend: Backend, joinable: str, good: Good, batch: int, when: int
    ) -> None:
        first, second = good[joinable][:2]
        arrivals = Timetable({when: [second, first]})
        found = by_index(joined_by(backend, joinable, [first] * batch, arrivals))
        check_served(found, range(batch + 2))

    def test_whoever_arrives_at_the_very_end_is_served(
        self, backend: Backend, joinable: str, good: Good
    ) -> None:
        first, second = good[joinable][:2]
        alone = Timetable({})
        check_served(by_index(joined_by(backend, joinable, [first], alone)), range(1))
        last = Timetable({alone.asked: [second]})
        check_served(by_index(joined_by(backend, joinable, [first], last)), range(2))
        assert last.asked > alone.asked

    def test_whoever_arrives_with_an_error_has_it_alone(
        self, backend: Backend, joinable: str, good: Good, bad: Bad
    ) -> None:
        first, second = good[joinable][:2]
        for task, request, error, param in bad:
            if task == joinable:
                found = by_index(joined_by(backend, task, [first], Timetable({2: [request, second]})))
                check_served({index: items for index, items in found.items() if index != 1}, (0, 2))
                (item,) = found[1]
                assert type(item) is error
                assert item.param == param

    def test_a_batch_that_nobody_joins_is_a_plain_one(
        self, backend: Backend, joinable: str, same: Same
    ) -> None:
        plain = by_index(run(backend, joinable, same))
        asked = by_index(joined_by(backend, joinable, same, Timetable({})))
        assert asked.keys() == plain.keys()
        for index, items in plain.items():
            assert list(map(comparable, asked[index])) == list(map(comparable, items))

    @pytest.mark.parametrize("cancelled", [0, 1, 2])
    def test_whoever_is_cancelled_yields_nothing_more_and_leaves_the_others(
        self, backend: Backend, joinable: str, good: Good, cancelled: int
    ) -> None:
        first, second = good[joinable][:2]
        arrivals = Timetable({2: [first]})
        items = joined_by(backend, joinable, [first, second], arrivals)
        found = {0: [], 1: [], 2: []}  # type: dict[int, list[Any]]
        while arrivals.asked < 3:
            index, item = next(items)
            found[index].append(item)
        arrivals.gone.add(cancelled)
        before = len(found[cancelled])
        asked = arrivals.asked
        for index, item in items:
            found[index].append(item)
            if arrivals.asked == asked:
                before = len(found[cancelled])  # until it asks again it cannot know
        assert len(found[cancelled]) == before
        assert not any(map(is_end, found[cancelled]))
        check_served(
            {index: each for index, each in found.items() if index != cancelled}, {0, 1, 2} - {cancelled}
        )

    def test_whoever_is_cancelled_before_it_is_begun_yields_nothing(
        self, backend: Backend, joinable: str, good: Good
    ) -> None:
        first, second = good[joinable][:2]
        arrivals = Timetable({2: [first]})
        arrivals.gone.add(2)
        check_served(by_index(joined_by(backend, joinable, [first, second], arrivals)), range(2))


class SpeakingContract(BackendContract):
    """What else holds for a backend that synthesizes."""

    def test_a_speaking_model_says_who_speaks_and_at_what_rate(self, about: About) -> None:
        assert about.sample_rate
        names = [voice.name for voice in about.voices]
        assert len(names) == len(set(names))
        assert about.default_voice is None or about.default_voice in names

    def test_chunks_are_mono_at_the_models_rate_and_come_before_the_result(
        self, backend: Backend, about: About, good: Good
    ) -> None:
        *chunks, speech = items(backend, "synthesize", good["synthesize"][0])
        sound = [chunk for chunk in chunks if isinstance(chunk, Chunk)]
        assert sound
        assert isinstance(speech, Speech)
        assert {chunk.sample_rate for chunk in sound} == {about.sample_rate}
        assert all(chunk.samples.ndim == 1 and len(chunk.samples) for chunk in sound)
        assert {str(chunk.samples.dtype) for chunk in sound} <= {"int16", "float32"}

    def test_the_words_of_chunks_are_the_first_of_all_words_each_once(
        self, backend: Backend, good: Good
    ) -> None:
        for request in good["synthesize"]:
            *chunks, speech = items(backend, "synthesize", request)
            heard_s, words = 0.0, []
            for chunk in (item for item in chunks if isinstance(item, Chunk)):
                heard_s += chunk.duration_s
                words += chunk.words
                assert all(word.end <= heard_s for word in chunk.words)
            assert isinstance(speech, Speech)
            assert list(speech.words[: len(words)]) == words

    def test_an_unknown_voice_is_an_error_that_lists_known_ones(
        self, backend: Backend, about: About, good: Good
    ) -> None:
        if not about.voices:
            pytest.skip("it has no named voices")
        utterance = good["synthesize"][0]
        assert isinstance(utterance, Utterance)
        unknown = utterance.model_copy(update={"voice": "nobody at all"})
        (error,) = items(backend, "synthesize", unknown)
        assert isinstance(error, UnknownVoice)
        assert error.param == "voice"
        assert any(voice.name in error.message for voice in about.voices)


def nobody_s(segment: Segment) -> Segment:
    """The same, without who says it."""
    words = tuple(word.model_copy(update={"speaker": None}) for word in segment.words)
    return segment.model_copy(update={"words": words, "speaker": None})


def check_words(words: Sequence[Word], duration_s: float) -> None:
    assert all(0 <= word.start <= word.end <= duration_s + 0.02 for word in words)
    assert all(before.start <= after.start for before, after in pairwise(words))
    assert all(word.score is None or 0 <= word.score <= 1 for word in words)


def check_served(found: Mapping[int, Sequence[Any]], indexes: Collection[int]) -> None:
    """Each of these, and nobody else, ends with one result after what is none."""
    assert sorted(found) == sorted(indexes)
    for yielded in found.values():
        assert [is_end(item) for item in yielded] == [False] * (len(yielded) - 1) + [True]
        assert not isinstance(yielded[-1], SkylarkError)


def comparable(item: Any) -> Any:
    """A chunk as something that has an equality."""
    return (item.samples.tobytes(), item.sample_rate, item.words) if isinstance(item, Chunk) else item
