"""A suite of our own: all services in one process, on ports that it picks, ended with this program."""

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading

SERVICES = ("account", "room", "stage", "notifier", "media", "gateway")
ADDRESS = re.compile(rf"^({'|'.join(SERVICES)})\s+https?://(\S+?)/?$")
# Seconds that the suite has to print its addresses, and to end.
PATIENCE = 20


class Suite:
    """Starts on entering, ends on leaving. `addresses` is `{"room": "127.0.0.1:40001", …}`.

    `settings` are variables beside the addresses.
    """

    def __init__(self, program, settings=None):
        self.addresses = {}
        self._log = tempfile.TemporaryFile()
        listens = [f"GOCHAT_{name.upper()}_{kind}" for name in SERVICES for kind in ("LISTEN", "ADMIN_LISTEN")]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GOCHAT_")}
        environment.update({name: "127.0.0.1:0" for name in [*listens, "GOCHAT_MEDIA_UDP_LISTEN"]})
        environment.update(settings or {})
        self._process = subprocess.Popen(
            [program, "serve", "--ephemeral"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self):
        try:
            self._read_addresses()
        except BaseException:
            self._end()
            self.show_log()
            raise
        return self

    def __exit__(self, kind, error, trace):
        self._end()
        if error is not None:
            self.show_log()

    def stop(self):
        """Asks the suite to end; gives its exit code, or None if it has not ended in time."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def _read_addresses(self):
        found = queue.Queue(len(SERVICES))
        threading.Thread(target=self._read, args=(found,), daemon=True).start()
        while len(self.addresses) < len(SERVICES):
            try:
                line = found.get(timeout=PATIENCE)
            except queue.Empty:
                raise TimeoutError(f"after {PATIENCE} s only {sorted(self.addresses)} have an address") from None
            if line is None:
                raise EOFError("the suite ended before it had printed its addresses")
            self.addresses[line[0]] = line[1]

    def _read(self, found):
        """Hands on each address once, and reads whatever else is printed, so that no pipe fills."""
        known = set()
        for line in self._process.stdout:
            match = ADDRESS.match(line.strip())
            if match and match[1] not in known:
                known.add(match[1])
                found.put(match.groups())
        if len(known) < len(SERVICES):
            found.put(None)

    def _end(self):
        if self._process.poll() is None and self.stop() is None:
            self._process.kill()
            self._process.wait()

    def show_log(self):
        """Prints the end of what the suite wrote to its log."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        print("\n".join(["the suite's last words:", *lines[-40:]]), file=sys.stderr)
