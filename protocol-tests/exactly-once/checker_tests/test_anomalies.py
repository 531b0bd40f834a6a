"""Each anomaly, planted into a history that is good otherwise: it is found, and under its name."""

import unittest

from checker_tests.story import Story


def written(story=None, *, name="w", places=("in-0", "in-1")):
    """A story with one committed transaction."""
    story = story or Story()
    writer = story.worker(name).init()
    writer.begin()
    for place in places:
        writer.send(place)
    writer.commit()
    return story, writer


def looped(offset=2, outputs=2):
    """Two records, and a loop's transaction that makes outputs of some of them and moves the group."""
    story, _ = written(places=("in-0", "in-0"))
    loop = story.worker("l").init()
    loop.position(committed=True, in_0=0)
    loop.poll("in-0", 0, 1)
    loop.begin()
    for source in range(outputs):
        loop.send("out-0", source=f"in-0@{source}")
    loop.move(in_0=offset)
    loop.commit()
    return story, loop


class Planted(unittest.TestCase):
    def finds(self, story, *kinds, final=None):
        self.assertEqual(story.kinds(final), set(kinds))

    # Transactions and the logs ------------------------------------------------------------------

    def test_lost_write(self):
        story, writer = written()
        story.shown.remove(writer.values[1])
        self.finds(story, "lost-write")

    def test_lost_write_of_everything(self):
        story, writer = written()
        story.shown.difference_update(writer.values)
        self.finds(story, "lost-write")

    def test_acknowledged_record_gone_from_the_log(self):
        story, writer = written()
        writer.begin()
        writer.send("in-0")
        writer.abort()
        final = story.final()
        final.uncommitted["in-0"] = final.uncommitted["in-0"][:1]
        self.finds(story, "vanished", final=final)

    def test_aborted_record_visible_at_the_end(self):
        story, writer = written()
        writer.begin()
        story.shown.add(writer.send("in-0"))
        writer.abort()
        self.finds(story, "aborted-read")

    def test_record_of_a_killed_producer_visible_at_the_end(self):
        story, writer = written()
        writer.begin()
        story.shown.add(writer.send("in-0", acked=False))
        writer.take_effect(commit=False)
        self.finds(story, "aborted-read")

    def test_aborted_record_polled(self):
        story, writer = written()
        writer.begin()
        writer.send("in-0")
        writer.abort()
        reader = story.worker("r")
        reader.position(in_0=2)
        reader.poll("in-0", 2)
        self.finds(story, "aborted-read")

    def test_polled_and_aborted_after_all(self):
        story, writer = written()
        writer.begin()
        writer.send("in-0")
        writer.commit_unanswered(True)
        reader = story.worker("r")
        reader.position(in_0=2)
        reader.poll("in-0", 2)
        story.shown.difference_update(writer.values)
        self.finds(story, "aborted-read")

    def test_read_before_the_commit(self):
        story = Story()
        writer = story.worker("w").init()
        writer.begin()
        writer.send("in-0")
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 0)
        writer.commit()
        self.finds(story, "early-read")

    def test_torn(self):
        story, writer = written()
        writer.begin()
        writer.send("in-0")
        writer.send("in-1")
        writer.commit_unanswered(True)
        story.shown.remove(writer.values[0])
        self.finds(story, "torn")

    def test_duplicate(self):
        story, writer = written()
        story.log("in-0").append(writer.values[0])
        self.finds(story, "duplicate", "inconsistent-offset")

    def test_duplicate_without_an_acknowledgement(self):
        story, writer = written()
        writer.begin()
        value = writer.send("in-0", acked=False)
        story.log("in-0").append(value)
        writer.abort()
        self.finds(story, "duplicate", "inconsistent-offset")

    def test_phantom(self):
        story, _ = written()
        story.log("in-0").append("nobody.1.1.0")
        self.finds(story, "phantom")

    # Offsets and polls --------------------------------------------------------------------------

    def test_two_values_at_one_offset(self):
        story, writer = written()
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.say("poll", asked=story.time, records=[["in-0", 0, writer.values[1]]])
        self.finds(story, "inconsistent-offset")

    def test_acknowledged_at_another_offset(self):
        story, writer = written()
        writer.begin()
        value = writer.send("in-0", acked=False)
        writer.say("acked", txn=writer.txn, value=value, place="in-0", offset=7)
        writer.commit()
        self.finds(story, "inconsistent-offset")

    def test_skipped_poll(self):
        story, _ = written(places=("in-0",) * 3)
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 0, 2)
        self.finds(story, "skipped-poll")

    def test_skipped_after_the_position(self):
        story, _ = written(places=("in-0",) * 3)
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 1, 2)
        self.finds(story, "skipped-poll")

    def test_skipped_uncommitted_record(self):
        story, writer = written(places=("in-0",) * 2)
        writer.begin()
        writer.send("in-0")
        writer.abort()
        writer.begin()
        writer.send("in-0")
        writer.commit()
        reader = story.worker("r", isolation="read_uncommitted")
        reader.position(in_0=0)
        reader.poll("in-0", 0, 1, 5)
        self.finds(story, "skipped-poll")

    def test_reordered_poll(self):
        story, _ = written(places=("in-0",) * 3)
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 0, 1)
        reader.poll("in-0", 1, 2)
        self.finds(story, "reordered-poll")

    def test_polled_record_gone(self):
        story, _ = written(places=("in-0",) * 3)
        reader = story.worker("r", isolation="read_uncommitted")
        reader.position(in_0=0)
        reader.poll("in-0", 0, 1, 2)
        final = story.final()
        del final.committed["in-0"][2], final.uncommitted["in-0"][2]
        self.finds(story, "vanished", "lost-write", final=final)

    # Order --------------------------------------------------------------------------------------

    def test_write_behind_one_that_came_later(self):
        story = Story()
        first, second = story.worker("a").init(), story.worker("b").init()
        first.begin()
        second.begin()
        first.send("in-0")
        second.send("in-0")
        rows = story.log("in-0").rows
        rows[0], rows[1] = rows[1], rows[0]
        for event in story.events:
            if event["e"] == "acked":
                event["offset"] = 1 - event["offset"]
        first.commit()
        second.commit()
        self.finds(story, "reordered-write")

    def test_a_producers_records_out_of_turn(self):
        story = Story()
        writer = story.worker("a").init()
        writer.begin()
        writer.send("in-0", acked=False)
        writer.send("in-0", acked=False)
        rows = story.log("in-0").rows
        rows[0], rows[1] = rows[1], rows[0]
        writer.commit()
        self.finds(story, "reordered-write")

    # Open transactions --------------------------------------------------------------------------

    def test_read_beyond_an_open_transaction(self):
        story = Story()
        slow, quick = story.worker("s").init(), story.worker("q").init()
        slow.begin()
        slow.send("in-0")
        quick.begin()
        quick.send("in-0")
        quick.commit()
        reader = story.worker("r")
        reader.position(in_0=1)
        reader.poll("in-0", 1)
        slow.commit()
        self.finds(story, "read-beyond-open")

    def test_read_beyond_a_transaction_of_a_killed_producer_without_an_heir(self):
        story = Story()
        killed, quick = story.worker("k").init(), story.worker("q").init()
        killed.begin()
        killed.send("in-0")
        quick.begin()
        quick.send("in-0")
        quick.commit()
        reader = story.worker("r")
        reader.position(in_0=0)
        reader.poll("in-0", 1)
        killed.take_effect(commit=False)
        story.worker("k", run=2).init()
        self.finds(story, "read-beyond-open")

    def test_hanging_transaction(self):
        story, writer = written()
        writer.begin()
        writer.send("in-0")
        story.stable["in-0"] = 2
        self.finds(story, "hanging")

    def test_offsets_that_stay_pending(self):
        story, _ = written()
        story.group = None
        self.finds(story, "hanging")

    def test_transaction_that_the_coordinator_never_ends(self):
        story, _ = written()
        story.open.append("w in PrepareCommit")
        self.finds(story, "hanging")

    # Fencing ------------------------------------------------------------------------------------

    def test_zombie_that_commits(self):
        story = Story()
        zombie = story.worker("a").init()
        zombie.begin()
        zombie.send("in-0")
        story.worker("a", run=2).init()
        zombie.commit()
        self.finds(story, "zombie")

    def test_zombie_that_writes(self):
        story = Story()
        zombie = story.worker("a").init()
        zombie.begin()
        story.worker("a", run=2).init()
        zombie.send("in-0")
        zombie.take_effect(commit=False)
        self.finds(story, "zombie")

    # Consume, transform, produce ----------------------------------------------------------------

    def test_processed_twice(self):
        story, loop = looped()
        loop.begin()
        loop.send("out-0", source="in-0@1")
        loop.commit()
        self.finds(story, "processed-twice")

    def test_processed_twice_by_a_group_whose_offsets_hang(self):
        story, loop = looped()
        loop.begin()
        loop.send("out-0", source="in-0@1")
        loop.commit()
        story.group = None
        self.finds(story, "processed-twice", "hanging")

    def test_offset_without_output(self):
        story, _ = looped(outputs=1)
        self.finds(story, "offset-without-output")

    def test_output_without_offset(self):
        story, _ = looped()
        story.group["in-0"] = 1
        self.finds(story, "output-without-offset")

    def test_output_of_an_aborted_record(self):
        story, writer = written(places=("in-0",))
        writer.begin()
        writer.send("in-0")
        writer.abort()
        loop = story.worker("l").init()
        loop.begin()
        loop.send("out-0", source="in-0@0")
        loop.send("out-0", source="in-0@2")
        loop.move(in_0=3)
        loop.commit()
        self.finds(story, "output-of-nothing")

    def test_left_behind(self):
        story, _ = looped(offset=1, outputs=1)
        self.finds(story, "left-behind")

    def test_offsets_gone_back(self):
        story, _ = looped()
        story.worker("m").position(committed=True, in_0=0)
        self.finds(story, "offsets-gone-back")

    def test_offsets_of_an_aborted_transaction(self):
        story, loop = looped(offset=1, outputs=1)
        loop.begin()
        loop.send("out-0", source="in-0@1")
        loop.move(in_0=2)
        loop.abort()
        story.worker("m").position(committed=True, in_0=2)
        self.finds(story, "aborted-offsets", "left-behind")

    # Cycles -------------------------------------------------------------------------------------

    def test_two_transactions_that_have_read_from_each_other(self):
        story = Story()
        first, second = story.worker("a").init(), story.worker("b").init()
        first.position(in_0=0, in_1=0)
        second.position(in_0=0, in_1=0)
        first.begin()
        second.begin()
        first.send("in-0")
        second.send("in-1")
        first.poll("in-1", 0)
        second.poll("in-0", 0)
        first.commit()
        second.commit()
        self.assertIn("cycle", story.kinds())

    def test_groups_offsets_that_go_in_a_circle(self):
        story = Story()
        first, second = story.worker("a").init(), story.worker("b").init()
        for loop, offsets in ((first, {"in_0": 5, "in_1": 2}), (second, {"in_0": 3, "in_1": 4})):
            loop.begin()
            loop.send("out-0")
            loop.move(**offsets)
            loop.commit()
        self.finds(story, "cycle")


if __name__ == "__main__":
    unittest.main()
