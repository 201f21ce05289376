"""What every process of Gesta sets up before it works."""

import gc


def tune() -> None:
    """Folding makes many small objects and no cycles: looking for those every 700 objects took a third of an append's time
    in Python, and half of a bulk read's."""
    gc.set_threshold(50_000, 20, 50)
