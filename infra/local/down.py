"""`make down`: ends what `make up` started."""

import sys

from infra.local.command import run_command
from infra.local.emulator import stop_emulator
from infra.local.standing import find_standing, forget_standing


def main() -> None:
    standing = find_standing()
    if standing:
        stop_emulator(standing)
    forget_standing()
    print("quarterdeck: stopped" if standing else "quarterdeck: nothing runs")


if __name__ == "__main__":
    sys.exit(run_command(main))
