"""Everything that is deployed: manifests, images, Compose, Redis's users, against the programs themselves.

    run.py --programs target/debug [--only rights]
"""

import argparse
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "python"))

import cluster  # noqa: E402
import compose  # noqa: E402
import image  # noqa: E402
import manifests  # noqa: E402
import rights  # noqa: E402
from stranger import Report, TooLate, too_late  # noqa: E402

# Seconds that all of it may take.
TIME_LIMIT = 170
PARTS = {"image": image.check, "compose": compose.check, "manifests": manifests.check,
         "cluster": cluster.check, "rights": rights.check}


def main():
    """Runs the parts; the exit code says whether all of it held."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--programs", required=True, help="the folder with the six programs")
    arguments.add_argument("--only", choices=PARTS, help="one part")
    given = arguments.parse_args()
    signal.signal(signal.SIGALRM, too_late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    signal.alarm(TIME_LIMIT)
    report = Report()
    try:
        for name, check in PARTS.items():
            if given.only in (None, name):
                began = time.monotonic()
                with report.part(name):
                    check(report, given.programs)
                print(f"        {name}: {time.monotonic() - began:.0f} s", flush=True)
    except TooLate as error:
        report.check("all is done in time", False, error)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
