"""make soak: every run of this directory, one after the other; exits 1 if one of them failed.

    python -m tests.soak [NAME...]     only some: slow_attacks slow_readers uploads idle mixed

Each run can be started alone as well (python tests/soak/NAME.py --help).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

RUNS: dict[str, list[str]] = {
    "slow_attacks": [],
    "slow_readers": [],
    "uploads": [],
    "idle": [],
    "mixed": ["-n", "1000000"],
}
SECONDS_MAX = 1800


def main() -> int:
    """The command."""
    chosen = sys.argv[1:] or list(RUNS)
    unknown = [name for name in chosen if name not in RUNS]
    if unknown:
        print(f"no such run: {' '.join(unknown)}; there are: {' '.join(RUNS)}", file=sys.stderr)
        return 2
    results = {}
    for name in chosen:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        script = Path(__file__).with_name(f"{name}.py")
        process = subprocess.Popen([sys.executable, str(script), *RUNS[name]])
        try:
            status = process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it ends what it has started
            process.wait()
            status = 124
        results[name] = status
        print(f"== {name}: {'passed' if status == 0 else f'failed ({status})'}", end="")
        print(f", {time.monotonic() - started:.0f} s\n", flush=True)
    return int(any(results.values()))


if __name__ == "__main__":
    sys.exit(main())
