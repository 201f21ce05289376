"""What the demo tells: titles, what happened and when, and what a command or a query shows."""

import time

from rich.console import Console


class Telling:
    def __init__(self) -> None:
        self._console = Console()
        self._begun = time.monotonic()

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]", highlight=False)

    def say(self, text: str) -> None:
        """With the seconds since the beginning."""
        self._console.print(f"{time.monotonic() - self._begun:7.2f} s  {text}", highlight=False, soft_wrap=True, markup=False)

    def show(self, text: str) -> None:
        self._console.print(text.rstrip(), highlight=False, soft_wrap=True, markup=False)
