"""Whether those who see a request see each other's names: who is asked, who has claimed it, who decided what."""

OPEN = ("pending", "with_requester")


def names_shown(visibility: str | None, status: str) -> bool:
    """`visibility`: what the request says; None, as `names`: to everybody who sees it."""
    return visibility in (None, "names") or (visibility == "after_resolution" and status not in OPEN)
