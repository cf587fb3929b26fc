# SPDX-License-Identifier: GPL-2.0-only
"""What a session wants of an emulator, whichever it is."""
import ctypes
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Emulator:
    """start() starts the process and sets the file descriptors: output (from the serial line; None:
    it never came to that), input (to it) and messages (what the emulator itself says).

    reads_terminal: an interactive emulator reads the user's terminal by itself."""
    reads_terminal = True
    process = output = input = messages = None

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def said(self, line):
        """One line of the emulator's own: what of it the user is to see now, or ""."""
        raise NotImplementedError

    def must_stop(self):
        """Whether by what it said the machine is at its end, though the emulator would go on."""
        return False

    def ended(self, code, heard):
        """It has ended with this code, after these last bytes of the serial line: (status, sentence)
        if that is all there is to say; None if the end is the guest's or Plinth's."""
        raise NotImplementedError

    def bare_status(self, code):
        """What the guest's own end is worth where no Plinth tells it."""
        raise NotImplementedError
