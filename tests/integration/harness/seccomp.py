# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program under a seccomp filter that refuses io_uring.

    python3 seccomp.py errno|kill|trap PROGRAM ARGUMENT...

The filter is written out by hand: the tests need no library for it. errno
answers EPERM, as the profiles of container engines do; kill ends the process
and trap sends SIGSYS.
"""
import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
ACTIONS = {"errno": 0x00050000 | 1, "kill": 0x80000000, "trap": 0x00030000}
ALLOW = 0x7fff0000
# Syscalls above 424 have one number on all architectures.
SETUP, ENTER, REGISTER = 425, 426, 427
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06


def instruction(code, k, true=0, false=0):
    return struct.pack("HBBI", code, true, false, k)


def install(action):
    program = [instruction(LOAD, 0)]
    calls = (SETUP, ENTER, REGISTER)
    for n, call in enumerate(calls):
        program.append(instruction(EQUAL, call, len(calls) - n, 0))
    program.append(instruction(RETURN, ALLOW))
    program.append(instruction(RETURN, ACTIONS[action]))
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, MODE_FILTER,
                       ctypes.create_string_buffer(fprog, len(fprog))) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    assert platform.machine() in ("x86_64", "aarch64")
    install(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
