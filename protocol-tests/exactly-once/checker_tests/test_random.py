"""Random runs of a broker that does everything right pass; with one thing wrong in them they do not."""

import copy
import random
import unittest

from checker import judge
from checker_tests.story import Story

INPUTS = ("in-0", "in-1", "in-2")
OUTPUT = "out-0"
SEEDS = 60
STEPS = 150


class RandomRun:
    """Writers, a loop and a reader take turns by chance; what is read committed ends at the first open transaction."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.story = Story()
        self.writers = [self.story.worker(name).init() for name in ("a", "b", "c")]
        # Worker -> place -> the first offset of its open transaction.
        self.firsts = {}
        self.loop = self.story.worker("loop").init()
        self.loop.position(committed=True, in_0=0, in_1=0, in_2=0)
        self.following = dict.fromkeys(INPUTS, 0)
        self.reader = self.story.worker("reader")
        self.reader.position(in_0=0, in_1=0, in_2=0)
        self.read = dict.fromkeys(INPUTS, 0)
        for _ in range(STEPS):
            self.chance.choice((self.write, self.write, self.write, self.poll, self.process))()
        for writer in self.writers:
            if writer.inside:
                self.end(writer, writer.abort)
        while self.process():
            pass
        for place in INPUTS:
            self.poll(place)

    def write(self):
        number = self.chance.randrange(len(self.writers))
        writer = self.writers[number]
        if not writer.inside:
            writer.begin()
        deed = self.chance.random()
        if deed < 0.65:
            place = self.chance.choice(INPUTS)
            writer.send(place, acked=self.chance.random() < 0.8)
            self.firsts.setdefault(writer, {}).setdefault(place, len(self.story.log(place).rows) - 1)
        elif deed < 0.8:
            self.end(writer, writer.commit)
        elif deed < 0.9:
            self.end(writer, writer.abort)
        else:
            # Dies, before or after it has asked for the commit, and has a successor.
            if self.chance.random() < 0.5:
                self.end(writer, lambda: writer.take_effect(commit=False))
            else:
                self.end(writer, lambda: writer.commit_unanswered(self.chance.random() < 0.5))
            self.writers[number] = self.story.worker(writer.name, writer.run + 1).init()

    def end(self, writer, how):
        how()
        self.firsts.pop(writer, None)

    def readable(self, place, begin):
        rows = self.story.log(place).rows
        stable = min((firsts[place] for firsts in self.firsts.values() if place in firsts), default=len(rows))
        return [offset for offset in range(begin, stable) if rows[offset] in self.story.shown]

    def poll(self, place=None):
        chosen = place or self.chance.choice(INPUTS)
        offsets = self.readable(chosen, self.read[chosen])
        if offsets and place is None:
            offsets = offsets[:self.chance.randint(1, len(offsets))]
        if offsets:
            self.reader.poll(chosen, *offsets)
            self.read[chosen] = offsets[-1] + 1

    def process(self):
        """One transaction of the loop, if there is something to be processed."""
        found = {place: self.readable(place, self.following[place])[:4] for place in INPUTS}
        if not any(found.values()):
            return False
        for place, offsets in found.items():
            if offsets:
                self.loop.poll(place, *offsets)
        self.loop.begin()
        for place, offsets in found.items():
            for offset in offsets:
                self.loop.send(OUTPUT, source=f"{place}@{offset}")
        moved = {place: offsets[-1] + 1 for place, offsets in found.items() if offsets}
        self.loop.move(**{place.replace("-", "_"): offset for place, offset in moved.items()})
        if self.chance.random() < 0.8:
            self.loop.commit()
            self.following.update(moved)
        else:
            self.loop.abort()
            self.loop.position(committed=True, **{place.replace("-", "_"): offset for place, offset in self.following.items()})
        return True


class Randomly(unittest.TestCase):
    def test_good_runs_pass(self):
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                self.assertEqual([str(anomaly) for anomaly in RandomRun(seed).story.judge().anomalies], [])

    def found_when(self, harm):
        """What is found in every run after `harm` has changed its events and its end; None: there was nothing to harm."""
        harmed = 0
        for seed in range(SEEDS):
            run = RandomRun(seed)
            events, final = copy.deepcopy(run.story.events), run.story.final()
            final.group = dict(final.group)
            if harm(random.Random(seed), events, final) is None:
                continue
            harmed += 1
            with self.subTest(seed=seed):
                self.assertNotEqual(judge(events, final).anomalies, [])
        self.assertGreater(harmed, SEEDS / 2)

    def test_a_visible_record_gone(self):
        def harm(chance, events, final):
            place = chance.choice([place for place, rows in final.committed.items() if rows])
            return final.committed[place].pop(chance.randrange(len(final.committed[place])))

        self.found_when(harm)

    def test_an_aborted_record_visible(self):
        def harm(chance, events, final):
            hidden = [(place, row) for place, rows in final.uncommitted.items() for row in rows if row not in final.committed[place]]
            # Without those of unknown outcome, which may be either as a whole.
            asked = {f"{e['worker']}.{e['run']}.{e['txn']}" for e in events if e["e"] == "commit"}
            hidden = [(place, row) for place, row in hidden if row[1].partition("<")[0].rsplit(".", 1)[0] not in asked]
            if not hidden:
                return None
            place, row = chance.choice(hidden)
            final.committed[place] = sorted([*final.committed[place], row])
            return row

        self.found_when(harm)

    def test_a_poll_that_leaves_out_a_record(self):
        def harm(chance, events, final):
            polls = [event for event in events if event["e"] == "poll" and len(event["records"]) > 1]
            if not polls:
                return None
            return chance.choice(polls)["records"].pop(0)

        self.found_when(harm)

    def test_a_group_that_has_gone_back(self):
        def harm(chance, events, final):
            moved = [place for place, offset in final.group.items()
                     if any(row[0] == offset - 1 for row in final.committed.get(place, []))]
            if not moved:
                return None
            final.group[chance.choice(moved)] -= 1
            return True

        self.found_when(harm)

    def test_a_record_twice_in_the_log(self):
        def harm(chance, events, final):
            place = chance.choice([place for place, rows in final.uncommitted.items() if rows])
            value = chance.choice(final.uncommitted[place])[1]
            final.uncommitted[place].append((final.end[place], value))
            final.end[place] += 1
            final.stable[place] += 1
            return value

        self.found_when(harm)


if __name__ == "__main__":
    unittest.main()
