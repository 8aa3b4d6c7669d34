"""Who is woken by what, and when a watch ends."""

from __future__ import annotations

import threading
from itertools import islice

import pytest

from servers.engine.news import News


class Ticks:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def news():
    return News()


def woken(news: News, topic: str, publish: str, every_s: float = 0.05) -> bool:
    """Whether a watcher of `topic` finds news when `publish` has some, between its first two looks."""
    watch = news.watch(topic, every_s=every_s)
    assert next(watch)
    news.publish(publish)
    return next(watch)


def test_a_watcher_looks_at_once_before_there_is_any_news(news):
    assert next(news.watch("a"))


def test_news_wakes_those_who_watch_its_topic_only(news):
    assert woken(news, "a", "a", every_s=30)
    assert not woken(news, "a", "b")


def test_news_wakes_everybody_who_watches_its_topic(news):
    watches = [news.watch("a", every_s=30) for _ in range(3)]
    for watch in watches:
        next(watch)
    news.publish("a")
    assert all(next(watch) for watch in watches)


def test_news_between_two_looks_is_not_missed(news):
    watch = news.watch("a", every_s=30)
    next(watch)
    news.publish("a")
    news.publish("a")
    assert next(watch)


def test_without_news_a_watcher_looks_again_after_a_while(news):
    assert list(islice(news.watch("a", every_s=0.001), 3)) == [True, False, False]


def test_a_watch_ends_at_its_time_after_a_last_look():
    ticks = Ticks()
    watch = News(ticks).watch("a", until=100.001, every_s=30)
    assert next(watch)
    ticks.now = 99.9999
    assert not next(watch)
    ticks.now = 100.001
    assert list(watch) == []


def test_a_watch_whose_time_is_up_looks_once(news):
    assert list(news.watch("a", until=0.0)) == [True]


def test_a_watch_ends_when_nobody_wants_it_any_more(news):
    wanted = [True, False]
    assert len(list(news.watch("a", wanted=lambda: wanted.pop(0), every_s=0.001))) == 2


def test_closing_ends_every_watch_after_a_last_look(news):
    watch = news.watch("a", every_s=30)
    next(watch)
    news.close()
    assert list(watch) == [True]
    assert list(news.watch("b")) == [True]


def test_a_thread_that_waits_is_woken_from_another_one(news):
    looked = threading.Event()
    found = []

    def wait() -> None:
        for fresh in news.watch("a", every_s=30):
            found.append(fresh)
            looked.set()
            if len(found) == 2:
                return

    thread = threading.Thread(target=wait)
    thread.start()
    assert looked.wait(10)
    news.publish("a")
    thread.join(10)
    assert found == [True, True]


def test_a_topic_that_nobody_watches_any_more_is_forgotten(news):
    watch = news.watch("a")
    next(watch)
    watch.close()
    assert not news._bells
    news.publish("a")
