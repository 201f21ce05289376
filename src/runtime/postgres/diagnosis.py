"""What PostgreSQL's log says of a start that failed, in a line; and what keeps a server down that ran."""

import shutil

from runtime.postgres.data_directory import Home, running_server

# PostgreSQL's words in its log → what we say.
DIAGNOSES = (
    ("No space left on device", "the disk is full"),
    ("Permission denied", "a permission is missing"),
    ("cannot be run as root", "PostgreSQL refuses to run as root, and neither a user namespace nor the user nobody served"),
    ("database files are incompatible with server", "the data directory is of another version"),
    ("could not create shared memory", "the system has too little shared memory"),
)
FULL_BYTES = 1 << 20
"""With less than that free the disk counts as full: the log can perhaps not even say so."""
TAIL_BYTES = 16 * 1024


def diagnose(home: Home, mark: int) -> str:
    """The telling line of what was logged after byte ``mark``."""
    with home.log.open(errors="replace") as file:
        file.seek(mark)
        said = [line.strip() for line in file if line.strip()]
    for phrase, meaning in DIAGNOSES:
        for line in said:
            if phrase in line:
                return f"PostgreSQL does not start: {meaning} ({line}). See {home.log}."
    telling = [line for line in said if "FATAL" in line or "error" in line.lower()] or said or ["it said nothing"]
    return f"PostgreSQL does not start: {telling[-1]} (see {home.log})"


def trouble(home: Home) -> str:
    """Why a server that was in use does not serve now, in words that name no path: they are for everybody to see."""
    if shutil.disk_usage(home.path).free < FULL_BYTES:
        return "the disk is full"
    running = running_server(home)
    if running is not None:
        return "it is ready" if running.ready else f"it is {running.status}"
    try:
        with home.log.open("rb") as file:
            file.seek(max(home.log.stat().st_size - TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in reversed(lines):
        if "database system is ready" in line:
            break
        for phrase, meaning in DIAGNOSES:
            if phrase in line:
                return f"it does not start: {meaning}"
    return "it ended, and is started again"
