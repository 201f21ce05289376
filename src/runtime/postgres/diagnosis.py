"""What PostgreSQL's log says of a start that failed, in a line."""

from runtime.postgres.places import Home

# PostgreSQL's words in its log → what we say.
DIAGNOSES = (
    ("No space left on device", "the disk is full"),
    ("Permission denied", "a permission is missing"),
    ("cannot be run as root", "PostgreSQL refuses to run as root, and neither a user namespace nor the user nobody served"),
    ("database files are incompatible with server", "the data directory is of another version"),
    ("could not create shared memory", "the system has too little shared memory"),
)


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
