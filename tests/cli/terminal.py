"""Runs the program at a terminal, as a person would see it."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import tempfile
import termios
import time

import tap
import vt

ESCAPE = re.compile(r'\x1b\[[0-9;?]*[@-~]')


class Terminal:
    """A program whose standard streams are one terminal of the given size."""

    def __init__(self, *arguments, columns=80, rows=24, env=None, program=None):
        self.screen = vt.Screen(columns, rows)
        self.seen = ''  # everything, with escape sequences
        self.at = 0     # in what is plain of it: behind the last text waited for
        self.state = tempfile.TemporaryDirectory() # nobody's history but this program's own
        environment = {**os.environ, 'TERM': 'xterm-256color', 'XDG_STATE_HOME': self.state.name,
                       'FATHOM_HOME': '', **(env or {})}
        if not env or 'NO_COLOR' not in env:
            environment.pop('NO_COLOR', None)
        self.decoder = codecs.getincrementaldecoder('utf-8')('replace')
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._size(columns, rows, 0) # before anybody can look
            program = program or tap.FATHOM
            os.execve(program, [program] + [str(a) for a in arguments], environment)

    def _size(self, columns, rows, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def resize(self, columns, rows):
        """The window's size changes; the program hears of it."""
        self.screen.resize(columns, rows)
        self._size(columns, rows, self.fd)

    def send(self, text):
        os.write(self.fd, text.encode())

    def interrupt(self):
        self.send('\x03')

    def _read(self, seconds):
        """One piece of output, or None at the end of it."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return ''
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return None
        if not data:
            return None
        text = self.decoder.decode(data)
        self.screen.feed(text)
        return text

    def settle(self, quiet=0.3):
        """Reads until nothing more comes for a while; returns the screen's text."""
        while True:
            piece = self._read(quiet)
            if not piece:
                return self.screen.text()
            self.seen += piece

    def wait_for(self, text, seconds=60):
        """Reads until `text` comes, behind where the last one was; returns what came up to it."""
        end = time.time() + seconds
        while True:
            shown = plain(self.seen)
            found = shown.find(text, self.at)
            if found >= 0:
                if text.startswith('›'):
                    self._wait_for_editor()
                start, self.at = self.at, found + len(text)
                return shown[start:self.at]
            piece = self._read(0.2)
            if piece is None or time.time() > end:
                raise AssertionError('no %r in:\n%s' % (text, shown[self.at:]))
            self.seen += piece

    def _wait_for_editor(self):
        """The prompt is drawn a moment before the line editor takes the terminal over; what a program
        types in between, no person being that fast, is read by the terminal's own rules."""
        end = time.time() + 10
        while termios.tcgetattr(self.fd)[3] & termios.ICANON and time.time() < end:
            time.sleep(0.001)

    def finish(self, seconds=60, at_prompt=False):
        """Reads to the end; returns the exit code. At a prompt: an end of file that was typed a moment
        too early is a NUL in the line that is then edited; after a while without a word the line is
        given up and the end typed again, as a person would."""
        end = time.time() + seconds
        while True:
            piece = self._read(4)
            if piece is None:
                break
            self.seen += piece
            if not piece and at_prompt:
                self.interrupt()
                time.sleep(0.5)
                self.send('\x04')
            if time.time() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError('still running:\n' + self.seen)
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def plain(text):
    """Without escape sequences and carriage returns."""
    return ESCAPE.sub('', text).replace('\r', '')
