"""Histories of a broker that does everything right: nothing is found, whatever the clients go through."""

import unittest

from checker_tests.story import Story


class Good(unittest.TestCase):
    def passes(self, story):
        self.assertEqual([str(anomaly) for anomaly in story.judge().anomalies], [])

    def test_commits_and_aborts_side_by_side(self):
        story = Story()
        first, second = story.worker("a").init(), story.worker("b").init()
        first.begin()
        second.begin()
        first.send("in-0")
        second.send("in-0")
        second.send("in-1")
        first.send("in-1")
        first.commit()
        second.abort()
        reader = story.worker("r")
        reader.position(in_0=0, in_1=0)
        reader.poll("in-0", 0)
        reader.poll("in-1", 1)
        self.passes(story)

    def test_killed_before_the_commit(self):
        story = Story()
        killed = story.worker("a").init()
        killed.begin()
        killed.send("in-0", acked=False)
        heir = story.worker("a", run=2)
        killed.take_effect(commit=False)
        heir.init()
        heir.begin()
        heir.send("in-0")
        heir.commit()
        self.passes(story)

    def test_a_commit_without_an_answer_may_or_may_not_have_happened(self):
        for effect in (False, True):
            story = Story()
            writer = story.worker("a").init()
            writer.begin()
            writer.send("in-0")
            writer.send("in-1")
            writer.commit_unanswered(effect)
            self.passes(story)
            self.assertEqual(story.judge().figures["unknown"], 1)

    def test_a_loop(self):
        story = Story()
        writer, loop = story.worker("w").init(), story.worker("l").init()
        writer.begin()
        writer.send("in-0")
        writer.send("in-0")
        writer.commit()
        loop.position(committed=True, in_0=0)
        records = loop.poll("in-0", 0, 1)
        loop.begin()
        for place, offset, _ in records:
            loop.send("out-0", source=f"{place}@{offset}")
        loop.move(in_0=2)
        loop.abort()
        loop.position(committed=True, in_0=0)
        loop.poll("in-0", 0, 1)
        loop.begin()
        for place, offset, _ in records:
            loop.send("out-0", source=f"{place}@{offset}")
        loop.move(in_0=2)
        loop.commit()
        story.worker("m").position(committed=True, in_0=2)
        self.passes(story)

    def test_readers_of_uncommitted_records_see_all(self):
        story = Story()
        writer = story.worker("w").init()
        writer.begin()
        writer.send("in-0")
        reader = story.worker("r", isolation="read_uncommitted")
        reader.position(in_0=0)
        reader.poll("in-0", 0)
        writer.abort()
        writer.begin()
        writer.send("in-0")
        writer.commit()
        reader.poll("in-0", 2)
        self.passes(story)

    def test_a_timeout_ends_a_transaction_that_its_client_holds_to_be_open(self):
        story = Story(timeout_ms=0)
        sleeper, other = story.worker("s").init(), story.worker("o").init()
        sleeper.begin()
        sleeper.send("in-0")
        sleeper.take_effect(commit=False)
        other.begin()
        other.send("in-0")
        other.commit()
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 2)
        sleeper.ask_commit()
        sleeper.say("commit-failed", txn=1, error="fenced")
        self.passes(story)

    def test_write_cycles_are_allowed_and_counted(self):
        story = Story()
        first, second = story.worker("a").init(), story.worker("b").init()
        first.begin()
        second.begin()
        first.send("in-0")
        second.send("in-0")
        second.send("in-1")
        first.send("in-1")
        first.commit()
        second.commit()
        self.passes(story)
        self.assertEqual(story.judge().figures["G0 cycles"], 1)

    def test_a_position_that_skips_is_not_a_skipped_poll(self):
        story = Story()
        writer = story.worker("w").init()
        writer.begin()
        for _ in range(3):
            writer.send("in-0")
        writer.commit()
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 0)
        reader.position(in_0=2)
        reader.poll("in-0", 2)
        self.passes(story)
