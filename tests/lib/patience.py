"""How long tests wait for what must come: as long as a machine that does much else may take."""

import os
import subprocess

WAIT_S = float(os.environ.get('PATIENCE', '30')) * (3 if 'san' in os.environ.get('BUILD', '') else 1)


def end_process(process, seconds=15):
    """Ends a child by SIGTERM, or, where it takes longer than that, by SIGKILL."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
