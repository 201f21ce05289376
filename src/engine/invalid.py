"""What a node says of a value that it cannot use."""


class InvalidValue(Exception):
    """A configured expression gave a value that the node cannot use: the node's error `invalid_value`."""
