"""`make bench`: measures the suite, from processes of its own. `run.py --help` tells what can be chosen."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    root = str(Path(__file__).resolve().parents[2])
    # The benchmark is a package, and so are the processes that it starts: all of them must find it from any folder.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]])
