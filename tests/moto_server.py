"""moto as a server on loopback, one caller at a time. As a program, it says its URL, and serves
until its input is closed."""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

from tests.moto_turns import take_turns

take_turns(DomainDispatcherApplication, "__call__")


def start_moto() -> tuple[ThreadedMotoServer, str]:
    """The server, to be stopped, and its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    return server, "http://{}:{}".format(*server.get_host_and_port())


if __name__ == "__main__":
    print(start_moto()[1], flush=True)
    sys.stdin.read()
