"""A terminal with a program in it, as a person at a keyboard has one."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import agentctl as host


class Terminal:
    """Starts argv as an account's foreground job on a new pty; leaving the `with` closes the terminal."""

    def __init__(self, account, argv, columns=80, lines=24, **options):
        self.screen = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.fchown(slave, account.uid, account.gid)

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = account.popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                     preexec_fn=take_terminal, **options)
        os.close(slave)

    @property
    def plain(self):
        """The screen without colours and other escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.screen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """As when the window is closed: the kernel sends SIGHUP to the foreground jobs."""
        if self.master is None:
            return
        os.close(self.master)
        self.master = None
        try:
            self.process.wait(15)
        except Exception:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, timeout):
        """Adds to the screen what has come; False when nobody holds the terminal any more."""
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has it open
            return False
        self.screen += chunk.decode(errors="replace")
        return bool(chunk)

    def expect(self, text, deadline=5.0):
        """Waits until the text is on the screen."""
        end = time.monotonic() + deadline
        while text not in self.plain:
            left = end - time.monotonic()
            assert left > 0 and self.read(left), f"{text!r} is not on the screen: {host.shorten(self.screen)!r}"

    def finish(self, deadline=10.0):
        """Reads to the end; returns the exit status."""
        end = time.monotonic() + deadline
        while self.read(max(0.0, end - time.monotonic())):
            assert time.monotonic() < end, f"it does not end: {host.shorten(self.screen)!r}"
        return self.process.wait(15)
