"""Generated calls of every documented operation, from the document of a gateway that runs.

    run.py --gochat target/debug/gochat
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "python"))

from suite import Suite  # noqa: E402

# Small rooms, so that they fill; long leases, since nobody's heart beats; as many calls as can be made.
SETTINGS = {
    "GOCHAT_MEMBER_LIMIT": "4",
    "GOCHAT_SEAT_LIMIT": "1",
    "GOCHAT_LEASE": "10m",
    "GOCHAT_SESSION": "20m",
    "GOCHAT_GATEWAY_RATE": "0",
}
# Invalid parameters and strangers are answered with HTTP status 200 and a code of their own.
NOT_ASKED = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "ignored_auth",
    "object_level_authorization",
    "use_after_free",
    "ensure_resource_availability",
)
# Seconds that all of it may take.
TIME_LIMIT = 170


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gochat", required=True, help="the program that runs all services")
    arguments.add_argument("--examples", default="110", help="generated calls of each operation")
    given = arguments.parse_args()
    with Suite(given.gochat, SETTINGS) as suite, tempfile.TemporaryDirectory() as scratch:
        gateway = f"http://{suite.addresses['gateway']}"
        command = [
            pathlib.Path(sys.executable).parent / "st",
            *("run", f"{gateway}/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", given.examples),
            *("--checks", "all", "--exclude-checks", ",".join(NOT_ASKED)),
            *("--exclude-path", "/chat_room/events", "--exclude-path", "/chat_room/media"),
            *("--continue-on-failure", "--no-shrink", "--generation-database", "none", "--seed", "7"),
            *("--request-timeout", "10", "--warnings", "off"),
        ]
        ours = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "GATEWAY": gateway}
        environment = {**os.environ, **ours, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, env=environment, cwd=scratch, timeout=TIME_LIMIT).returncode


if __name__ == "__main__":
    sys.exit(main())
