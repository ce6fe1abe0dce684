"""One line a check, and a closing line."""

import contextlib
import sys
import time
import traceback


class Report:
    """Counts what held and what did not."""

    def __init__(self):
        self.started = time.monotonic()
        self.passed = self.failed = 0

    def section(self, title):
        """Announces what the next checks are about."""
        print(f"{title} ({time.monotonic() - self.started:.1f} s)", flush=True)

    @contextlib.contextmanager
    def check(self, what):
        """A check: it holds if the block under it raises nothing."""
        try:
            yield
        except Exception as error:  # pylint: disable=broad-except
            self._fail(what, error)
        else:
            self.passed += 1
            print(f"  ok   {what}", flush=True)

    @contextlib.contextmanager
    def everything(self):
        """Around all checks: what follows a failed one may be impossible."""
        try:
            yield
        except Exception as error:  # pylint: disable=broad-except
            self._fail("cannot go on, the remaining checks are left out", error)

    def _fail(self, what, error):
        self.failed += 1
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        reason = str(error) or "no reason given"
        print(f"  FAIL {what}: {reason} ({type(error).__name__}, {place.name}:{place.lineno})", flush=True)

    def close(self):
        """The closing line; whether all held."""
        seconds = time.monotonic() - self.started
        print(f"{self.passed} passed, {self.failed} failed, in {seconds:.1f} s", flush=True)
        return self.failed == 0 and self.passed > 0
