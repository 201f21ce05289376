"""Openings: the spans of time in which people work, as a calendar had them when they were looked up.

They are recorded with what is due by them. So a moment is the same whenever it is reckoned, whatever has become of the
calendar or of a time zone's rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Opening:
    """In UTC: its first moment, and the first one after it."""

    opens: datetime
    closes: datetime


def pass_through(openings: Sequence[Opening], duration: timedelta, start: datetime) -> datetime:
    """The first moment before which so much time within the openings has passed since `start`. They are in order.

    Where they do not reach so far, their end.
    """
    left, moment = duration, start
    if left <= timedelta(0):
        return start
    for one in openings:
        if one.closes <= start:
            continue
        begins = max(one.opens, start)
        if one.closes - begins >= left:
            return begins + left
        left -= one.closes - begins
        moment = one.closes
    return moment


def pass_back(openings: Sequence[Opening], duration: timedelta, end: datetime) -> datetime:
    """The last moment after which so much time within the openings passes until `end`. They are in order.

    Where they do not reach so far back, their beginning.
    """
    left, moment = duration, end
    if left <= timedelta(0):
        return end
    for one in reversed(openings):
        if one.opens >= end:
            continue
        closes = min(one.closes, end)
        if closes - one.opens >= left:
            return closes - left
        left -= closes - one.opens
        moment = one.opens
    return moment
