"""Who is woken by what."""

from __future__ import annotations

from servers.jobs.bulletin import Bulletin


def test_a_publisher_wakes_the_subscribers_of_its_topic_only():
    bulletin = Bulletin()
    a, b = bulletin.subscribe("a"), bulletin.subscribe("b")
    with a as first, bulletin.subscribe("a") as second, b as other:
        bulletin.publish("a")
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)


def test_publish_all_wakes_everyone():
    bulletin = Bulletin()
    with bulletin.subscribe("a") as first, bulletin.subscribe("b") as other:
        bulletin.publish_all()
        assert first.is_set()
        assert other.is_set()


def test_what_is_published_with_nobody_there_is_forgotten():
    bulletin = Bulletin()
    with bulletin.subscribe("a"):
        pass
    bulletin.publish("a")
    with bulletin.subscribe("a") as bell:
        assert not bell.is_set()
