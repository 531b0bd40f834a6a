"""What happens to the broker and to its clients while they work, by chance and by plan."""

import heapq
import itertools
import json
import os
import signal
import subprocess
import time
from collections import Counter


class BrokerFailure(Exception):
    """The broker did not obey, which is never part of the trouble."""


def order(word):
    result = subprocess.run([os.environ["BROKER_CONTROL"], word], capture_output=True, text=True)
    if result.returncode != 0:
        raise BrokerFailure(f"{word}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


class Trouble:
    def __init__(self, chance, crews, seconds_between_broker_kills, say):
        self.chance = chance
        self.crews = [crew for crew in crews if crew.can_be_killed]
        self.between = seconds_between_broker_kills
        self.say = say
        self.done = Counter()
        self._agenda = []
        self._turn = itertools.count()

    def make(self, seconds):
        """Makes trouble for so long."""
        end = time.monotonic() + seconds
        self._later(self.chance.uniform(0.5, 1) * self.between, self.kill_broker)
        self._later(self.chance.uniform(1, 4), self.trouble_client)
        while time.monotonic() < end:
            for crew in self.crews:
                if crew.has_crashed():
                    self.done["crashed clients"] += 1
                    self.say(f"{crew.name}.{crew.runs} has crashed")
                    crew.start()
            if self._agenda and self._agenda[0][0] <= time.monotonic():
                heapq.heappop(self._agenda)[2]()
            else:
                time.sleep(0.02)
        for crew in self.crews:
            for zombie in list(crew.zombies):
                crew.end(zombie)

    def _later(self, seconds, deed):
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._turn), deed))

    def kill_broker(self):
        """Mostly by SIGKILL, now and then as an operator would stop it; sometimes a client dies meanwhile."""
        if self.chance.random() < 0.2:
            self.done["broker stops"] += 1
            order("stop")
        else:
            self.done["broker kills"] += 1
            order("kill9")
        if self.chance.random() < 0.3:
            self._kill_client()
        time.sleep(self.chance.choice((0, 0, 0.3, 1.5)))
        seconds = order("start")["seconds"]
        self.say(f"the broker was killed, and ready after {seconds:.1f} s")
        self._later(self.chance.uniform(0.5, 1.5) * self.between, self.kill_broker)

    def trouble_client(self):
        (self._kill_client if self.chance.random() < 0.7 else self._pause_client)()
        self._later(self.chance.uniform(1.5, 6), self.trouble_client)

    def _kill_client(self):
        crew = self.chance.choice(self.crews)
        self.done["client kills"] += 1
        self.say(f"{crew.name}.{crew.runs} is killed")
        crew.kill()
        crew.start()

    def _pause_client(self):
        """A zombie: a process that goes on after another has taken over its transactional ids."""
        crew = self.chance.choice(self.crews)
        self.done["client pauses"] += 1
        self.say(f"{crew.name}.{crew.runs} is paused")
        zombie = crew.pause()

        def awaken():
            if zombie in crew.zombies:
                zombie.send_signal(signal.SIGCONT)
                self._later(self.chance.uniform(0.5, 3), bury)

        def bury():
            if zombie in crew.zombies:
                crew.end(zombie)

        self._later(self.chance.uniform(1, 5), awaken)
