"""worker.py ROLE:WORKER:RUN ...: runs librdkafka's workers in this process, until standard input says stop."""

import os
import sys
import threading
import traceback

import loop
import reader
import writer
from history import History
from settings import HISTORIES
from transactions import Stop

ROLES = {"writer": writer.run, "loop": loop.run, "reader": reader.run}


def work(role, worker, number, stop):
    history = History(HISTORIES, worker, number)
    try:
        ROLES[role](worker, number, history, stop)
    except BaseException as error:
        history.write("died", error=str(error))
        traceback.print_exc()
        os._exit(1)
    history.write("end")


def main():
    stop = Stop()
    stop.listen(sys.stdin)
    threads = []
    for argument in sys.argv[1:]:
        role, worker, number = argument.split(":")
        threads.append(threading.Thread(target=work, args=(role, worker, int(number), stop)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Clients that are closed in the middle of a broker's restart take their time.
    sys.stdout.flush()
    os._exit(0)


main()
