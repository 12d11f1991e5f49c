"""Measure what a limit of images per second adds to a request: microseconds of CPU time of its check alone.

    python -m benchmarks.micro.rate_check [--clients 1000] [--rounds 9]

Printed for a request of a client with a key and of one with an address: the shortest of the rounds, of which each has
20,000 requests of many clients in turn. Measured on 2 cores with AMX, 2026-11-29, while the machine had other work: 2.0
us with 1,000 clients, 6.0 us with 10,000 addresses.
"""

import argparse
import time
from itertools import cycle, islice

from service.access.api_keys import ApiKey, Scope, new_key
from service.access.client_identity import identity_of
from service.access.rate_limit import RateLimit
from service.access.rate_limiter import RateLimiter
from service.access.rate_table import RateTable

_REQUESTS = 20_000
_LIMIT = RateLimit(1_000_000, 1_000_000)
"""So high that no request is refused."""

Sender = tuple[ApiKey | None, str]
"""The key and the address of a client."""


def microseconds(limiter: RateLimiter, senders: list[Sender]) -> float:
    """Return the CPU time of one check, the mean of _REQUESTS."""
    requests = list(islice(cycle(senders), _REQUESTS))
    begun = time.process_time()
    for key, address in requests:
        limiter.take(key, identity_of(key, address), 1)
    return (time.process_time() - begun) / _REQUESTS * 1e6


def measure(clients: int, rounds: int) -> tuple[float, float]:
    """Return the microseconds for a request with a key and for one without, the shortest of the rounds."""
    limiter = RateLimiter(RateTable.of_this_process(), of_keys=_LIMIT, of_addresses=_LIMIT)
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(clients)]
    keyed: list[Sender] = [(new_key("client", frozenset({Scope.CLASSIFY}))[1], address) for address in addresses]
    bare: list[Sender] = [(None, address) for address in addresses]
    times = [(microseconds(limiter, keyed), microseconds(limiter, bare)) for _ in range(rounds)]
    return min(with_key for with_key, _ in times), min(without for _, without in times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000, help="clients that take turns")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of which the shortest counts")
    options = parser.parse_args()
    with_key, without = measure(options.clients, options.rounds)
    print(f"{with_key:.1f} us for a request with a key, {without:.1f} us without; {options.clients} clients")


if __name__ == "__main__":
    main()
