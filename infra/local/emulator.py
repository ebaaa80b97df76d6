"""MiniStack on loopback with IAM enforced: ready when it is returned, ended without a rest."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3

from infra.local import supervisor
from infra.local.failure import LocalRunFailed
from infra.local.ministack import STATE_DIR, install_ministack

ACCOUNT = "000000000000"
REGION = "us-east-1"
READY_S = 30.0
STOP_S = 60.0
# The cap bounds memory.
SETTINGS = {
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_ACCOUNT_ID": ACCOUNT,
    "MINISTACK_REGION": REGION,
    "LAMBDA_ACCOUNT_CONCURRENCY": "32",
    "LAMBDA_WARM_TTL_SECONDS": "120",
    "PYTHONUNBUFFERED": "1",
}
# Functions inherit the emulator's environment, so it holds nothing of the caller's but these.
PASSED_ON = ("PATH", "LANG", "HTTPS_PROXY", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Emulator:
    port: int
    pid: int
    """Of the supervisor: a signal to it ends everything."""
    workdir: Path
    """TMPDIR of the emulator and its functions; gone once all of them are."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open_client(self, service: str) -> Any:
        """A boto3 client with the rights of the account's root user."""
        session = boto3.session.Session("test", "test", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    @property
    def credentials(self) -> dict[str, str]:
        """The same rights for another process, by its environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


@contextmanager
def run_emulator(
    log: Path, port: int | None = None, *, enforce_iam: bool = True
) -> Iterator[Emulator]:
    """An emulator while the block runs and this process lives; on a free port if none is given."""
    emulator, process = start_emulator(log, port, "owned", enforce_iam=enforce_iam)
    try:
        yield emulator
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()


def start_emulator(
    log: Path, port: int | None, lifetime: Literal["owned", "kept"], *, enforce_iam: bool = True
) -> tuple[Emulator, subprocess.Popen[bytes]]:
    """A ready emulator and its supervisor, whose stdin an `owned` one ends with."""
    pythons = install_ministack()
    port = reserve_port(port)
    workdir = Path(tempfile.mkdtemp(prefix=f"emulator-{port}-", dir=STATE_DIR))
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    settings = {**SETTINGS, "AUTH": str(enforce_iam).lower(), "GATEWAY_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [pythons.emulator, supervisor.__file__, workdir, pythons.functions, lifetime],
            env={**environment, **settings},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    emulator = Emulator(port, process.pid, workdir)
    try:
        wait_until_ready(emulator, process, log)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return emulator, process


def read_port(variables: Mapping[str, str], default: int | None) -> int | None:
    """What PORT says; raises LocalRunFailed if that is no port."""
    text = variables.get("PORT", "")
    if not text:
        return default
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise LocalRunFailed(f"PORT={text} is not a port from 1 to 65535")
    return int(text)


def reserve_port(port: int | None) -> int:
    """The given port if it is free, or one that is; raises LocalRunFailed."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError as error:
            raise LocalRunFailed(
                f"port {port} cannot be had ({error.strerror}): stop what uses it, or choose "
                "another with PORT=…"
            ) from error
        return int(probe.getsockname()[1])


def wait_until_ready(emulator: Emulator, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + READY_S
    while not answers(emulator):
        if process.poll() is not None or time.monotonic() > give_up:
            last = (log.read_text().strip().splitlines() or ["no output"])[-1]
            raise LocalRunFailed(f"the emulator did not start: {last} (more in {log})")
        time.sleep(0.05)


def answers(emulator: Emulator) -> bool:
    try:
        with urllib.request.urlopen(f"{emulator.endpoint}/_ministack/health", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def is_running(emulator: Emulator) -> bool:
    """Whether its supervisor lives. Its lock knows: another process can have got its number."""
    try:
        with (emulator.workdir / supervisor.ALIVE).open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop_emulator(emulator: Emulator) -> None:
    """Ends an emulator that another process started; raises LocalRunFailed if it does not end."""
    if is_running(emulator):
        os.kill(emulator.pid, signal.SIGTERM)
    give_up = time.monotonic() + STOP_S
    while is_running(emulator):
        if time.monotonic() > give_up:
            raise LocalRunFailed(f"the emulator (process {emulator.pid}) does not end")
        time.sleep(0.05)
    shutil.rmtree(emulator.workdir, ignore_errors=True)
