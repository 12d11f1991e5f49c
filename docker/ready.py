"""Exit status 0 when /readyz says so: the containers' health check, run as `python -IS` to be cheap."""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping, Sequence

ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104
"""The address to ask where the service listens on all; `::` takes IPv4 too."""
OPTIONS = ("host", "port", "tls-certificate", "tls-key", "tls-client-ca")


def given(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of OPTIONS, empty where they are not given.

    command: the command line of the service, whose flags win, as in `serve --host ::1 --port 9000`. environment:
    variables, SNELLEN_HOST and SNELLEN_PORT among them.
    """
    variables = {name.upper(): value for name, value in environment.items()}
    found = {name: variables.get(f"SNELLEN_{name.upper().replace('-', '_')}", "") for name in OPTIONS}
    for word, following in zip(command, [*command[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        if flag.startswith("--") and flag[2:] in found:
            found[flag[2:]] = value if equals else following
    return found


def served_address(options: Mapping[str, str]) -> tuple[str, int]:
    """Return the address and port to ask.

    In Kubernetes SNELLEN_PORT may be the URL of a Service called snellen, which the service ignores too.
    """
    host = options["host"] or "127.0.0.1"
    return ANY.get(host, host), int(options["port"]) if options["port"].isdecimal() else 8000


def connection_to(host: str, port: int, options: Mapping[str, str]) -> http.client.HTTPConnection:
    """Return a connection that is not open yet.

    With TLS the certificate is not verified: it is made out to the public name and not to the address that is asked
    here, an expired one is no reason to end a container, and nothing secret is sent. Where the service asks clients for
    a certificate, its own is shown. Raises OSError.
    """
    if not options["tls-certificate"]:
        return http.client.HTTPConnection(host, port, timeout=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if options["tls-client-ca"]:
        context.load_cert_chain(options["tls-certificate"], options["tls-key"] or None)
    return http.client.HTTPSConnection(host, port, timeout=2, context=context)


def service_command() -> list[str]:
    """Return the command line of the container's first process: the service, or an init with the service's behind."""
    try:
        with open("/proc/1/cmdline", encoding="utf-8", errors="replace") as command:  # pathlib is slow
            return command.read().split("\0")
    except OSError:
        return []


def main() -> None:
    """Ask, print the answer, and end."""
    options = given(service_command(), os.environ)
    host, port = served_address(options)
    try:
        connection = connection_to(host, port, options)
        connection.request("GET", "/readyz", headers={"Host": "localhost"})  # which --allowed-hosts never refuses
        answer = connection.getresponse()
    except OSError as error:
        sys.exit(f"/readyz at {host} port {port}: {error}")
    print(answer.status, answer.read(200).decode(errors="replace"))
    sys.exit(answer.status != 200)


if __name__ == "__main__":
    main()
