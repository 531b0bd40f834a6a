"""Who goes first on a machine with too few processors: the honest client, then the broker, then the attackers.

What is measured is then the broker, and neither Python nor whatever else the machine does.
"""

import os

# As root everybody is lifted above the rest of the machine; others may only step back.
LIFT = 0 if os.geteuid() == 0 else 10
HONEST = LIFT - 10
BROKER = LIFT - 5
ATTACKERS = LIFT


def take(nice):
    """Gives this process, in a session of its own, such a niceness; leaves it where it is when the system will not."""
    try:
        os.setsid()
    except OSError:
        # It leads a session already.
        pass
    give(os.getpid(), nice)


def give(process, nice):
    """The same for another process, which leads a session."""
    try:
        os.setpriority(os.PRIO_PROCESS, process, nice)
        # Linux may share processors between sessions first, and only then look at the niceness within each.
        with open(f"/proc/{process}/autogroup", "w") as file:
            file.write(str(nice))
    except OSError:
        pass
