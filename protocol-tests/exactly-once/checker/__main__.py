"""python3 -m checker DIRECTORY: judges histories that were kept, with the `final.json` beside them."""

import os
import sys

from . import judge, load_events, load_final


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    judgement = judge(load_events(sys.argv[1]), load_final(os.path.join(sys.argv[1], "final.json")))
    for anomaly in judgement.anomalies:
        print(anomaly)
    print(", ".join(f"{count} {name}" for name, count in judgement.figures.items()))
    print(f"{len(judgement.anomalies)} anomalies {dict(judgement.kinds)}")
    return 1 if judgement.anomalies else 0


sys.exit(main())
