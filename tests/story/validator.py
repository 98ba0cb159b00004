"""Agave's test validator on a fixed port, which can be killed; its ledger outlives it.

MU_TEST_VALIDATOR names a script that starts and stops one (`up DIR PORT -- OPTIONS`, `down DIR`).
"""

import os
import select
import signal
import subprocess
from pathlib import Path

import contract
from contract.addresses import PROGRAM_ID

SCRIPT = os.environ.get("MU_TEST_VALIDATOR", "")
PROGRAM = Path(contract.__file__).parent / "marketplace.so"
PORT = 28899
START_SECONDS = 90


class Validator:
    """A validator with the committed program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        options = ["--bpf-program", str(PROGRAM_ID), str(PROGRAM)]
        subprocess.run(
            [SCRIPT, "up", str(self._folder), str(PORT), "--", *options], check=True, timeout=START_SECONDS
        )

    def kill(self) -> None:
        process = os.pidfd_open(int((self._folder / "validator.pid").read_text()))
        signal.pidfd_send_signal(process, signal.SIGKILL)
        # readable when the process is gone, and with it its lock on the ledger
        select.select([process], [], [], START_SECONDS)
        os.close(process)

    def stop(self) -> None:
        subprocess.run([SCRIPT, "down", str(self._folder)], check=True, timeout=START_SECONDS)
