"""Exit status 0 when /readyz says so: the containers' health check, run as `python -IS` to be cheap."""

import http.client
import os
import sys
from collections.abc import Mapping, Sequence

ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104
"""The address to ask where the service listens on all; `::` takes IPv4 too."""


def served_address(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """Return the address and port to ask.

    command: the command line of the service, whose flags win, as in `serve --host ::1 --port 9000`. environment:
    variables, SNELLEN_HOST and SNELLEN_PORT among them. In Kubernetes SNELLEN_PORT may be the URL of a Service called
    snellen, which the service ignores too.
    """
    variables = {name.upper(): value for name, value in environment.items()}
    found = {"host": variables.get("SNELLEN_HOST", "127.0.0.1"), "port": variables.get("SNELLEN_PORT", "")}
    for word, following in zip(command, [*command[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        if flag in ("--host", "--port"):
            found[flag[2:]] = value if equals else following
    return ANY.get(found["host"], found["host"]), int(found["port"]) if found["port"].isdecimal() else 8000


def service_command() -> list[str]:
    """Return the command line of the container's first process: the service, or an init with the service's behind."""
    try:
        with open("/proc/1/cmdline", encoding="utf-8", errors="replace") as command:  # pathlib is slow
            return command.read().split("\0")
    except OSError:
        return []


def main() -> None:
    """Ask, print the answer, and end."""
    host, port = served_address(service_command(), os.environ)
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})  # which --allowed-hosts never refuses
        answer = connection.getresponse()
    except OSError as error:
        sys.exit(f"/readyz at {host} port {port}: {error}")
    print(answer.status, answer.read(200).decode(errors="replace"))
    sys.exit(answer.status != 200)


if __name__ == "__main__":
    main()
