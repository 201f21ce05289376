"""ISO 8601 durations of fixed length: weeks, days, hours, minutes, seconds. Months and years have none and are refused."""

import re
from datetime import timedelta

from engine.invalid import InvalidValue

_DURATION = re.compile(
    r"(?P<sign>-?)P(?=[\dT])(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
LONGEST = timedelta(days=36_525)


def duration(text: object) -> timedelta:
    """ "P1DT12H" → 36 hours. Raises InvalidValue, also for a negative duration and one beyond a hundred years."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidValue(f"{text!r} is not an ISO 8601 duration such as P3D or PT30M")
    if match["sign"]:
        raise InvalidValue(f"{text} is negative")
    parts = {name: float(value) for name, value in match.groupdict(default="0").items() if name != "sign"}
    found = timedelta(**parts)
    if found > LONGEST:
        raise InvalidValue(f"{text} is longer than a hundred years")
    return found
