"""How heavy a regular expression is: about the states of the automaton that runs it, which its time may grow with."""

import re

HEAVIEST = 10**9
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\{(\d{1,9})(?:,(\d{0,9}))?\}|.", re.DOTALL)
_WIDE = 4  # of what stands for any character: it is several bytes long


def regex_weight(pattern: str) -> int:
    """An estimate from above, in time linear in the pattern, sound or not."""
    open_groups, total, last = [], 0, 0
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text == "(":
            open_groups.append(total + last)
            total = last = 0
        elif text == ")" and open_groups:
            total, last = open_groups.pop(), total + last
        elif token[1] is not None:
            last *= max(int(token[1]), int(token[2] or 0), 1)
        elif text not in "*+?|":
            total, last = total + last, _WIDE if text == "." or text.startswith("[^") or "\\" in text else 1
        if total + last > HEAVIEST:
            return HEAVIEST
    return total + last + sum(open_groups)
