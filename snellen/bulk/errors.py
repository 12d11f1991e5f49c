"""Why a run does not begin, or does not go on. Each message is one sentence that says what to change."""


class Refused(Exception):
    """The arguments or the output folder have to be changed first; nothing was written."""


class Stopped(Exception):
    """The run cannot go on. The parts that are whole stay, and the same command goes on after them."""
