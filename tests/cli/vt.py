"""The screen that a terminal would show: as much of a VT100 with xterm's manners as Fathom and libedit use.
An escape sequence that is not known here is an error, so that nothing is overlooked."""
import re
import unicodedata

SEQUENCE = re.compile(r'\x1b(?:\[([?>]?)([0-9;]*)([@-~])|([=>78]))')


def cells(c):
    if unicodedata.combining(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in 'WF' else 1


class Screen:
    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.lines = [self._blank() for _ in range(rows)]
        self.row = self.column = 0
        self.pending = ''       # the beginning of an escape sequence
        self.above = []         # what scrolled off
        self.modes = set()
        self.ink = ''
        self.dim = set()        # of the cells written dim: (row counted from the very first, column)

    def _blank(self):
        return [' '] * self.columns

    def text(self):
        """The screen's lines, without what is blank at the end."""
        return '\n'.join(''.join(l).rstrip() for l in self.lines).rstrip()

    def everything(self):
        return '\n'.join([''.join(l).rstrip() for l in self.above] + [self.text()])

    def is_dim(self, word):
        """Whether every cell of the last line that holds `word` was written dim there."""
        for y in reversed(range(self.rows)):
            x = ''.join(self.lines[y]).find(word)
            if x >= 0:
                return all((len(self.above) + y, x + i) in self.dim for i in range(len(word)))
        raise AssertionError('no %r on the screen:\n%s' % (word, self.text()))

    def resize(self, columns, rows):
        """As xterm does: nothing is broken anew, the rest of a narrower line is gone."""
        self.lines = [(l + [' '] * columns)[:columns] for l in self.lines]
        while len(self.lines) > rows:
            if self.row < len(self.lines) - 1:
                self.lines.pop()
            else:
                self.above.append(self.lines.pop(0))
                self.row -= 1
        self.columns, self.rows = columns, rows
        while len(self.lines) < rows:
            self.lines.append(self._blank())
        self.column = min(self.column, columns - 1)

    def feed(self, text):
        text, self.pending = self.pending + text, ''
        i = 0
        while i < len(text):
            c = text[i]
            if c != '\x1b':
                self._put(c)
                i += 1
                continue
            found = SEQUENCE.match(text, i)
            if not found:
                if len(text) - i > 32:
                    raise AssertionError('unknown escape sequence %r' % text[i:i + 32])
                self.pending = text[i:]
                return
            i = found.end()
            if found.group(3):
                self._obey(found.group(1), found.group(2), found.group(3))

    def _put(self, c):
        if c == '\r':
            self.column = 0
        elif c == '\n':
            self._down()
        elif c == '\b':
            self.column = max(0, min(self.column, self.columns - 1) - 1)
        elif c == '\t':
            self.column = min(self.columns - 1, self.column // 8 * 8 + 8)
        elif c == '\a':
            pass
        elif ord(c) < 32:
            raise AssertionError('control character %r' % c)
        else:
            self._write(c)

    def _down(self):
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.above.append(self.lines.pop(0))
            self.lines.append(self._blank())

    def _write(self, c):
        width = cells(c)
        if width == 0:
            self.lines[self.row][max(0, self.column - 1)] += c
            return
        if self.column + width > self.columns:
            self.column = 0
            self._down()
        self.lines[self.row][self.column] = c
        place = (len(self.above) + self.row, self.column)
        self.dim.discard(place)
        if self.ink == 'dim':
            self.dim.add(place)
        if width == 2:
            self.lines[self.row][self.column + 1] = ''
        self.column += width

    def _obey(self, private, parameters, final):
        n = [int(p or 0) for p in parameters.split(';')] if parameters else [0]
        one = max(1, n[0])
        line = self.lines[self.row]
        at = min(self.column, self.columns - 1)
        if private == '?' and final in 'hl':
            (self.modes.add if final == 'h' else self.modes.discard)(n[0])
        elif final == 'm':
            for code in n:
                self.ink = {0: '', 2: 'dim'}.get(code, self.ink)
        elif final == 'A':
            self.row = max(0, self.row - one)
        elif final == 'B':
            self.row = min(self.rows - 1, self.row + one)
        elif final == 'C':
            self.column = min(self.columns - 1, at + one)
        elif final == 'D':
            self.column = max(0, at - one)
        elif final == 'G':
            self.column = one - 1
        elif final == 'H':
            self.row, self.column = one - 1, max(1, n[1] if len(n) > 1 else 1) - 1
        elif final == 'K':
            start, end = {0: (at, self.columns), 1: (0, at + 1), 2: (0, self.columns)}[n[0]]
            line[start:end] = [' '] * (end - start)
        elif final == 'J':
            if n[0] == 0:
                line[at:] = [' '] * (self.columns - at)
                for y in range(self.row + 1, self.rows):
                    self.lines[y] = self._blank()
            elif n[0] in (2, 3):
                self.lines = [self._blank() for _ in range(self.rows)]
            else:
                raise AssertionError('CSI %d J' % n[0])
        elif final == '@':
            line[at:at] = [' '] * one
            del line[self.columns:]
        elif final == 'P':
            del line[at:at + one]
            line.extend([' '] * (self.columns - len(line)))
        elif final == 'L':
            for _ in range(one):
                self.lines.insert(self.row, self._blank())
                self.lines.pop()
        elif final == 'M':
            for _ in range(one):
                self.lines.pop(self.row)
                self.lines.append(self._blank())
        else:
            raise AssertionError('unknown escape sequence CSI %s%s%s' % (private, parameters, final))
