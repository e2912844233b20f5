"""The one error of the public boundary."""


class InputError(ValueError):
    """An input cannot be used; the message names what was expected, what was received, and what to do.

    Commands print the message alone, without a traceback, and end with exit code 2.
    """
