"""As much work for the machine as a flood is, and none of it hostile: what the honest client measures then is the measure's own."""

from .arena import Flood
from .requests import request

VERSIONS = request("ApiVersions", 0, {})


async def ask_for_versions(crowd):
    async def visitor(line):
        while True:
            await line.ask(VERSIONS)

    await crowd.begin()
    await crowd.visit(100, visitor)


async def nothing(crowd):
    await crowd.begin()
    await crowd.visit(1, idle)


async def idle(line):
    await line.receive(1)


FLOODS = [
    Flood("nothing at all", nothing, seconds=2),
    Flood("100 connections ask for the versions again and again", ask_for_versions, seconds=3),
]
