"""The one error of the public boundary."""


class InputError(ValueError):
    """What a person gave cannot be used: the message says what was expected, what came, and what to do.

    Commands print the message alone, without a traceback, and end with exit code 2.
    """
