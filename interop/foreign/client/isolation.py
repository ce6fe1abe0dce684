"""A network of our own: loopback where nobody else listens, and from where nobody else can be reached."""

import ctypes
import fcntl
import os
import pathlib
import socket
import struct

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def isolate():
    """Moves this process, which must not have threads yet, into such a network; whether that is possible here."""
    user, group = os.getuid(), os.getgid()
    if not unshare(CLONE_NEWNET):
        if not unshare(CLONE_NEWUSER | CLONE_NEWNET):
            return False
        this = pathlib.Path("/proc/self")
        (this / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        (this / "setgroups").write_text("deny", encoding="ascii")
        (this / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
    return True


def unshare(flags):
    """The system call; whether it succeeded."""
    try:
        return ctypes.CDLL(None).unshare(flags) == 0
    except (AttributeError, OSError):
        return False
