"""Becomes a command that can reach nothing: `python -I -S confine.py RULES COMMAND ARGUMENT…`.

Run as a file, not imported, by `Sandbox`: what confines a process cannot be set from outside, and between fork and exec
no Python is safe beside threads. It starts with every file that is decoded, so it imports only what it cannot do
without. RULES is what `Sandbox.command` marshals, in hexadecimal.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SIGKILL = 9
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # on every architecture
LANDLOCK_RULE_PATH_BENEATH = 1
LANDLOCK_CREATE_RULESET_VERSION = 1  # flag: returns the version, makes nothing
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Rights that each version of Landlock can take away: of files (by version), TCP from 4, signals and sockets from 6.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
TCP_RIGHTS, TCP_VERSION = 0b11, 4
SCOPES, SCOPES_VERSION = 0b11, 6

_libc = ctypes.CDLL(None, use_errno=True)


def main(rules: dict[str, Any], command: list[str]) -> None:
    """Replaces this process by the command. raises: OSError if the kernel refuses a rule"""
    binary = os.open(command[0], os.O_RDONLY | os.O_CLOEXEC)
    readable = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in rules["readable"] if os.path.exists(path)]
    with open("/proc/self/oom_score_adj", "w") as adjustment:
        adjustment.write("1000")  # when memory ends, this process does, not the gateway
    for name, most in rules["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    if rules["user"]:
        os.setgroups([])
        os.setresgid(rules["user"], rules["user"], rules["user"])
        os.setresuid(rules["user"], rules["user"], rules["user"])
    # As launcher.py does it, which this cannot run through: the signal is lost with a change of user.
    _prctl(PR_SET_PDEATHSIG, SIGKILL)  # after the change of user, which clears it
    if os.getppid() != rules["parent"]:  # it died before the call above
        sys.exit(1)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if rules["landlock"]:
        _restrict_files(rules["landlock"], [binary, *readable])
    if rules["filter"]:
        _filter_system_calls(rules["filter"])
    os.execve(binary, command, {"LC_ALL": "C"})  # by descriptor: its folder may be closed to the new user


def landlock_version() -> int:
    """Of the running kernel; 0 where it has none, or forbids it."""
    return max(0, int(_libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)))


def _restrict_files(version: int, readable: Sequence[int]) -> None:
    """From now on nothing but these files, and what lies in these folders, is opened, and only to be read or run."""
    handled = sum(rights for since, rights in FILE_RIGHTS.items() if version >= since)
    tcp, scopes = TCP_RIGHTS * (version >= TCP_VERSION), SCOPES * (version >= SCOPES_VERSION)
    attributes = struct.pack("=QQQ", handled, tcp, scopes)
    made = _libc.syscall(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    ruleset = _checked(made, "landlock_create_ruleset")
    for place in readable:
        rights = EXECUTE | READ_FILE | (READ_DIR if os.path.isdir(f"/proc/self/fd/{place}") else 0)
        rule = struct.pack("=Qi", rights, place)
        added = _libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
        _checked(added, "landlock_add_rule")
    _checked(_libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")


def _filter_system_calls(program: bytes) -> None:
    """program: instructions of a BPF filter, 8 bytes each"""
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: unsigned short, padding to a pointer's place, pointer
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header))


def _prctl(option: int, *arguments: Any) -> None:
    filled = [*arguments, 0, 0, 0][:4]
    numbers = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in filled]
    _checked(_libc.prctl(option, *numbers), f"prctl({option})")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


if __name__ == "__main__":
    main(marshal.loads(bytes.fromhex(sys.argv[1])), sys.argv[2:])
