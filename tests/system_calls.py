"""What a unit of systemd lets a process ask of the kernel: the filter of its system calls, put into force without systemd.

systemd makes the filter by libseccomp too, after it has set what the unit says of priorities and limits.
"""

import ctypes
import ctypes.util
import errno
import re
import shutil
import subprocess
from pathlib import Path

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
"""Actions of libseccomp: seccomp_init(3)."""
_ALWAYS = ["@default", "execve"]
"""What systemd itself adds to a list of what is allowed: systemd.exec(5), at SystemCallFilter=."""
LIBRARY = ctypes.util.find_library("seccomp")
IS_POSSIBLE = LIBRARY is not None and shutil.which("systemd-analyze") is not None


def restrict(unit: Path) -> None:
    """Let this thread, and what it starts from now on, make only the system calls that a unit allows."""
    assert LIBRARY is not None
    seccomp = ctypes.CDLL(LIBRARY)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    for name in sorted(allowed_by(unit.read_text())):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        # Negative numbers are calls of other architectures.
        if number >= 0:
            assert seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0
    assert seccomp.seccomp_load(context) == 0


def allowed_by(unit: str) -> set[str]:
    """Return the names of the system calls that the lines SystemCallFilter= of a unit leave."""
    allowed = {call for name in _ALWAYS for call in _calls(name)}
    for sign, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit, re.MULTILINE):
        calls = {call for name in names.split() for call in _calls(name)}
        allowed = allowed - calls if sign else allowed | calls
    return allowed


def _calls(name: str) -> set[str]:
    """Return the system calls of a set, such as `@system-service`; another name is that of a call."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in listed.splitlines()[1:]]
    return {call for each in names if each and not each.startswith("#") for call in _calls(each)}
