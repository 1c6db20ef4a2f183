"""What a process that reads hostile files is left with: its binary, its libraries, the descriptors that it is handed.

Landlock closes all other files to it, seccomp the network, other processes and every change to a file. Both work
without privileges, in containers too. Where the kernel lacks one, `missing` says so, and /health and the log do.
"""

from __future__ import annotations

import errno
import logging
import marshal
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from gateway.processes import confine

NOBODY = 65534
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/dev/urandom")
CLONE_THREAD = 0x00010000
UNKNOWN = -1  # __NR_SCMP_ERROR: a system call that this libseccomp has never heard of
TRY_SECONDS = 30.0  # for a binary to say its version

# System calls by what they reach.
NETWORK = "socket socketpair bind connect listen accept accept4"
FILES = (
    "creat unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mkdir mkdirat rmdir mknod mknodat "
    "truncate ftruncate chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat "
    "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr openat2 open_by_handle_at name_to_handle_at"
)
PROCESSES = (
    "fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd ptrace "
    "process_vm_readv process_vm_writev process_madvise kcmp setpriority ioprio_set sched_setaffinity "
    "sched_setscheduler sched_setparam sched_setattr migrate_pages move_pages shmget shmat shmctl semget semctl msgget "
    "msgsnd msgrcv msgctl mq_open mq_unlink"
)
KERNEL = (
    "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key mount "
    "umount2 pivot_root chroot unshare setns memfd_create memfd_secret init_module finit_module kexec_load syslog "
    "personality"
)
DENIED = f"{NETWORK} {FILES} {PROCESSES} {KERNEL}".split()
WRITING = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)  # flags of open that it may not have

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Everything that this machine can take away from a process."""

    user: int = 0  # that it runs as; 0: the service's own
    landlock: int = 0  # version; 0: none
    filter: bytes = b""  # of system calls, as BPF

    @classmethod
    def find(cls) -> Sandbox:
        return cls(NOBODY if os.geteuid() == 0 else 0, confine.landlock_version(), system_call_filter())

    @property
    def missing(self) -> list[str]:
        """What does not confine it here, by name."""
        return [name for name, there in (("landlock", self.landlock), ("seccomp", self.filter)) if not there]

    def command(self, binary: Path, limits: dict[str, int]) -> list[str]:
        """What to start, followed by the binary's own arguments.

        limits: name of a limit in `resource`, and its value
        """
        return [sys.executable, "-I", "-S", confine.__file__, marshal.dumps(self.rules(limits)).hex(), str(binary)]

    def rules(self, limits: dict[str, int]) -> dict[str, object]:
        """What confine.py takes."""
        return {
            "parent": os.getpid(),
            "user": self.user,
            "limits": limits,
            "landlock": self.landlock,
            "readable": LIBRARIES,
            "filter": self.filter,
        }

    def fitting(self, binary: Path, *arguments: str) -> Sandbox:
        """This one, or the strictest part of it in which the binary ends with 0. Says in the log what it left away."""
        for each in (self, replace(self, filter=b""), replace(self, landlock=0), Sandbox(self.user), Sandbox()):
            tried = subprocess.run(
                [*each.command(binary, {}), *arguments], capture_output=True, check=False, timeout=TRY_SECONDS
            )
            if tried.returncode == 0:
                if each.missing:
                    _log.warning("%s is not confined by %s", binary.name, " and ".join(each.missing))
                return each
            _log.warning("%s does not start in %s: %s", binary.name, each.missing or "its sandbox", tried.stderr[-500:])
        return Sandbox()


@cache
def system_call_filter() -> bytes:
    """BPF, 8 bytes an instruction, that refuses DENIED, opening for writing, and new processes; threads are allowed.

    Empty where libseccomp is missing.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError) as problem:
        _log.warning("system calls cannot be filtered: %s (`apt-get install libseccomp2` brings it)", problem)
        return b""
    filter = seccomp.SyscallFilter(seccomp.ALLOW)
    refused = seccomp.ERRNO(errno.EPERM)
    for name in DENIED:
        if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) != UNKNOWN:
            filter.add_rule(refused, name)
    for flag in WRITING:
        mask = os.O_ACCMODE if flag in (os.O_WRONLY, os.O_RDWR) else flag
        filter.add_rule(refused, "open", seccomp.Arg(1, seccomp.MASKED_EQ, mask, flag))
        filter.add_rule(refused, "openat", seccomp.Arg(2, seccomp.MASKED_EQ, mask, flag))
    filter.add_rule(refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
    filter.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags lie in memory: the C library falls back to clone
    filter.add_rule(refused, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    with tempfile.TemporaryFile() as exported:
        filter.export_bpf(exported)
        exported.seek(0)
        return exported.read()
