"""SIGTERM in the middle of a flood: the broker ends within its time, with status 0."""

from functools import partial

from .answers import describe_all_configs, many_topics
from .arena import Flood
from .compression import pipelined, text, topics
from .crowd import many_addresses
from .held import CLAIM, empty_topic, half_a_frame, long_poll
from .readers import fetch_much, sixty_four_mebibytes
from .resets import many_produces, stormy_topic
from .visits import ask_without_end, never_read, send_and_hold, send_and_reset

FLOODS = [
    Flood("SIGTERM while 200 do not read 60 MiB",
          partial(never_read, make=fetch_much, connections=200), sixty_four_mebibytes,
          terminate_after=1.5),
    Flood("SIGTERM while 4 read the configurations of 1,000 topics",
          partial(ask_without_end, make=describe_all_configs, connections=4), many_topics, terminate_after=1.5, long=True),
    Flood("SIGTERM while produces come and connections are reset",
          partial(send_and_reset, make=many_produces, connections=10, source=many_addresses),
          stormy_topic, terminate_after=1.5),
    Flood("SIGTERM while 50 connections compress with zstd 22",
          partial(pipelined, topic="dear", make=text, times=4, connections=50), topics, terminate_after=1.5),
    Flood("SIGTERM while polls in frames of 89 MB wait",
          partial(send_and_hold, make=long_poll, connections=3), empty_topic, terminate_after=1.5, long=True),
    Flood("SIGTERM while 1,000 frames are half sent",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 60_000), connections=1000),
          terminate_after=1.5, long=True),
]
