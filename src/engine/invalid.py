"""What a node says of a value that it cannot use."""

LONGEST = 240
"""Characters of a message: it may cite a value of any size, and is recorded."""


class InvalidValue(Exception):
    """A configured expression gave a value that the node cannot use: the node's error `invalid_value`."""

    def __init__(self, message: str, path: str = "") -> None:
        """`path`: JSON pointer into what was configured, where it is known which part of it that is."""
        super().__init__(shortened(message))
        self.path = path


def shortened(message: str) -> str:
    """The beginning and the end of what is too long: before and behind a value that is cited stands what is wrong with it."""
    half = LONGEST // 2
    return message if len(message) <= LONGEST else f"{message[:half]} … {message[-half:]}"
