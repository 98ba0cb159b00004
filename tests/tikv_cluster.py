"""A cluster of a test's own, whose parts it may kill: where `MU_TEST_TIKV` names a script that starts and stops one
(`SCRIPT up FOLDER PD_PORT STORE_PORT PEER_PORT`, `SCRIPT down FOLDER`).
"""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

SCRIPT = os.environ.get("MU_TEST_TIKV", "")


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.ports = [str(port) for port in free_ports(3)]
        self.address = f"127.0.0.1:{self.ports[0]}"
        subprocess.run([SCRIPT, "up", str(folder), *self.ports], check=True, timeout=60)

    def pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def kill(self, name):
        """Kill it at once, and return the command that starts it again."""
        pid = self.pid(name)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        return command

    def start(self, name, command):
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        # Killed again, it would otherwise stay as a zombie, which the script takes for alive.
        threading.Thread(target=process.wait).start()
        (self.folder / f"{name}.pid").write_text(f"{process.pid}\n")

    def stop(self):
        for name in ("store", "pd"):
            os.kill(self.pid(name), signal.SIGCONT)
        subprocess.run([SCRIPT, "down", str(self.folder)], check=True, timeout=60)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
