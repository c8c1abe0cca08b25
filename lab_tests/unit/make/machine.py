"""A machine as the make scripts see it: a checkout, a `docker` that answers as told, /proc and /sys of our own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
ROUTE_HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script wrote and how it ended."""

    status: int
    said: str
    errors: tuple[str, ...]


@dataclass(slots=True)
class Machine:
    """Docker is up, nothing is running, no port is taken; tests change what they are about."""

    folder: Path
    environment: dict[str, str]
    _answers: dict[str, tuple[str, int]] = field(default_factory=dict)

    def docker_answers(self, command: str, answer: str = "", status: int = 0) -> None:
        """For command lines that match the shell pattern, the latest first; any other fails: no such object."""
        self._answers.pop(command, None)
        self._answers[command] = (answer, status)
        log = self.folder / "docker.log"
        reads_input = 'case "$1" in build | import) cat >/dev/null ;; esac'
        lines = ["#!/bin/sh", f'echo "$*" >>{log}', reads_input, 'case "$*" in']
        for pattern, (text, code) in reversed(self._answers.items()):
            words = pattern.replace(" ", "\\ ")
            lines.append(f"{words}) printf %s {shlex.quote(text)}{'' if code == 0 else ' >&2'}; exit {code} ;;")
        self.program("docker", "\n".join([*lines, "esac", "echo 'Error: No such object' >&2", "exit 1", ""]))

    def docker_was_told(self) -> list[str]:
        log = self.folder / "docker.log"
        return log.read_text().splitlines() if log.exists() else []

    def program(self, name: str, script: str) -> None:
        """Put a program first on the PATH."""
        path = self.folder / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def path_without(self, *names: str) -> str:
        """A PATH that leads to the system's programs but for these."""
        folder = self.folder / "few"
        folder.mkdir()
        for directory in ("/bin", "/usr/bin"):
            for program in Path(directory).iterdir():
                if program.name not in names and not os.path.lexists(folder / program.name):
                    (folder / program.name).symlink_to(program)
        return str(folder)

    def routes(self, *lines: str) -> None:
        """Lines of /proc/net/route: interface, destination and mask in the kernel's little-endian hexadecimal."""
        table = ROUTE_HEADER
        for line in lines:
            interface, destination, mask = line.split()
            table += f"{interface}\t{destination}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n"
        (self.folder / "proc/net/route").write_text(table)

    def listens(self, address: str, table: str = "tcp") -> None:
        """A listening socket in /proc/net/tcp; `address` as the kernel writes it, 0100007F:1F8D for 127.0.0.1:8077."""
        row = f"  sl local rem st\n   0: {address} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n"
        (self.folder / "proc/net" / table).write_text(row)

    def interface(self, name: str) -> None:
        (self.folder / "sys/class/net" / name).mkdir(parents=True)

    def run(self, script: str, *arguments: str, **environment: str) -> Outcome:
        """Run a script of services/base/make with Docker's answers."""
        return self.command("sh", f"services/base/make/{script}", *arguments, **environment)

    def command(self, *words: str, **environment: str) -> Outcome:
        done = subprocess.run(
            words,
            cwd=self.folder / "lab",
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, tuple(done.stderr.splitlines()))


def make_machine(folder: Path) -> Machine:
    """A checkout in `folder`/lab and a Docker that has just been installed."""
    lab = folder / "lab"
    (lab / "services/base").mkdir(parents=True)
    shutil.copytree(CHECKOUT / "services/base/make", lab / "services/base/make")
    for name in ("compose.yaml", "Makefile", ".env"):
        if (CHECKOUT / name).exists():
            shutil.copy(CHECKOUT / name, lab / name)
    if not (lab / ".env").exists():
        (lab / ".env").write_text("LAB=eightsteps\nLAB_NET=10.77\n")
    for name in ("bin", "proc/net", "proc/sys/net/ipv6", "sys/class/net"):
        (folder / name).mkdir(parents=True)
    machine = Machine(
        folder,
        {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PROC": str(folder / "proc"),
            "SYS": str(folder / "sys"),
            "LAB": "eightsteps",
            "LAB_NET": "10.77",
            "LAB_PORT": "8077",
            "MONITOR_PORT": "7077",
            "LAB_UID": str(os.getuid()),
            "LAB_GID": str(os.getgid()),
        },
    )
    machine.routes("eth0 00000000 00000000")
    machine.docker_answers("info *", f"[name=seccomp,profile=default]|{folder}\n")
    machine.docker_answers("compose version*", "Docker Compose version v2.26.1\n")
    machine.docker_answers("ps *")
    machine.docker_answers("network ls *")
    machine.docker_answers("image ls *", "0123456789ab\n")
    return machine
