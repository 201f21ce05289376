"""Execute a PostgreSQL program as somebody it agrees to run as, and tie its life to its parent's.

``python drop_privileges.py IDENTITY PROGRAM ARGUMENTS…``, where IDENTITY is one of

* ``self``: as we are;
* ``namespace``: in a user namespace that shows root to itself as *nobody*. The files stay root's, and nothing is chowned;
* ``UID:GID``: as that user (we are root).

PostgreSQL refuses to run as root. Executed by path, so standard library only and no imports from this package.
"""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
NOT_PERMITTED = 77


def enter_namespace() -> None:
    """Map our user and group to *nobody* in a namespace of our own. Raises OSError where the kernel forbids it."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise OSError("this system has no user namespaces")
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int) -> None:
    """Ask Linux for SIGINT (PostgreSQL's *fast shutdown*) when the parent ends. To be asked after any change of identity."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)


def main(identity: str, *command: str) -> None:
    parent = os.getppid()
    try:
        if identity == "namespace":
            enter_namespace()
        elif identity != "self":
            uid, gid = identity.split(":")
            become(int(uid), int(gid))
    except OSError as error:
        sys.stderr.write(f"cannot change identity ({identity}): {error}\n")
        sys.exit(NOT_PERMITTED)
    if command:
        die_with_parent(parent)
        os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
