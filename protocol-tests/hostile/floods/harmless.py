"""As much work as a flood is, and none of it hostile: what the honest client measures then is what the measure costs."""

from functools import partial

from .arena import Flood
from .crowd import until_the_end
from .requests import request
from .visits import ask_without_end


def versions():
    return request("ApiVersions", 0, {})


async def nothing(crowd):
    await crowd.begin()
    await until_the_end()


FLOODS = [
    Flood("nothing at all", nothing, seconds=2),
    Flood("100 connections ask for the versions again and again",
          partial(ask_without_end, make=versions, connections=100), seconds=3),
]
