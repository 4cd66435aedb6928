#!/usr/bin/env python3
"""The small language beside Python: what runs to its end in ours prints the same in CPython, byte for byte, and what
fails there fails here after the same output. Programs are made at random, most of them with sense."""
import contextlib
import io
import os
import random
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import tap                                                                     # noqa: E402
import unittest                                                                # noqa: E402

COUNT = 100000 if os.environ.get('FATHOM_SOAK') else 300 if tap.SANITIZED else 3000


# Failures that are ours alone (docs/program.md names them).
REFUSED = ('64 bits', 'only += and a list', 'has no .index', 'cannot be shown', 'chr()')


class Server:
    """Our interpreter, program after program."""

    def __init__(self):
        self.child = subprocess.Popen([os.path.join(tap.BUILD, 'tests', 'rl', 'program_server')], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)

    def run(self, text, given=''):
        text, given = text.encode(), given.encode()
        self.child.stdin.write(b'%d %d\n%s%s' % (len(text), len(given), text, given))
        self.child.stdin.flush()
        end, line, steps, size = self.child.stdout.readline().split()
        message = self.child.stdout.readline().decode().strip()
        return end.decode(), int(line), message, self.child.stdout.read(int(size)).decode()

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()


def python(text, given=''):
    """(finished, output) in CPython; finished is None for what is no program."""
    out, lines = io.StringIO(), given.split('\n')
    if lines and not lines[-1]:
        lines.pop()

    def read():
        if not lines:
            raise EOFError
        return lines.pop(0)
    try:
        code = compile(text, 'program', 'exec')
    except SyntaxError:
        return None, ''
    finished = True
    with contextlib.redirect_stdout(out):
        try:
            exec(code, {'input': read})
        except Exception:
            finished = False
    return finished, out.getvalue()


class Maker:
    """A program at random: loops are bounded, names mostly have values, and one thing in fifty makes no sense."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines, self.functions = [], []
        self.names = {'int': ['a', 'b'], 'list': ['p'], 'text': ['s']}
        self.counter = 0

    def pick(self, kind):
        return self.r.choice(self.names[kind])

    def integer(self, depth=0):
        r, pick = self.r, self.r.random()
        if pick < 0.02:
            return self.any(depth)
        if depth > 3 or pick < 0.25:
            return str(r.choice([0, 1, 2, 3, 5, 7, 10, 12, 100, 999, r.randrange(10 ** r.randrange(1, 19))]))
        if pick < 0.5:
            return self.pick('int')
        if pick < 0.75:
            op = r.choice(['+', '-', '*', '//', '%', '+', '-'])
            return r.choice(['%s %s %s', '(%s %s %s)']) % (self.integer(depth + 1), op, self.integer(depth + 1))
        if pick < 0.78:
            return '%s ** %d' % (self.integer(depth + 1), r.randrange(0, 5))
        if pick < 0.82:
            return r.choice(['-', '+', '--', '-']) + self.integer(depth + 1)
        if pick < 0.86:
            return 'len(%s)' % self.sequence(depth + 1)
        if pick < 0.9:
            return '%s[%s]' % (self.pick('list'), r.choice(['0', '-1', '1', self.integer(depth + 2)]))
        if pick < 0.93:
            form = r.choice(['abs(%s)', 'int(%s)', 'int(str(%s))', 'max(%s, 3)', 'min(0, %s)'])
            return form % self.integer(depth + 1)
        if pick < 0.95:
            return r.choice(['sum(%s)', 'max(%s)', 'min(%s)', '%s.count(1)', '%s.index(1)', '%s.pop()', '%s.pop(0)']) \
                % self.pick('list')
        if pick < 0.97 and self.functions:
            name, n = r.choice(self.functions)
            return '%s(%s)' % (name, ', '.join(self.integer(depth + 1) for _ in range(n)))
        return 'ord(%s)' % self.text(depth + 1) if pick < 0.98 else self.truth(depth + 1)

    def sequence(self, depth=0):
        return self.list(depth) if self.r.random() < 0.6 else self.text(depth)

    def list(self, depth=0):
        r, pick = self.r, self.r.random()
        if pick < 0.02:
            return self.any(depth)
        if depth > 3 or pick < 0.4:
            return self.pick('list')
        if pick < 0.6:
            return '[%s]' % ', '.join(self.integer(depth + 1) for _ in range(r.randrange(5)))
        if pick < 0.7:
            return '%s + %s' % (self.list(depth + 1), self.list(depth + 1))
        if pick < 0.76:
            return r.choice(['%s * %d', '%d * %s'][:1]) % (self.list(depth + 1), r.randrange(-1, 4))
        if pick < 0.88:
            return '%s[%s]' % (self.pick('list'), self.slice(depth))
        if pick < 0.96:
            return r.choice(['sorted(%s)', 'list(%s)']) % self.sequence(depth + 1)
        return 'list(range(%d, %d, %d))' % (r.randrange(-9, 9), r.randrange(-9, 9), r.choice([-3, -2, -1, 1, 2, 3]))

    def slice(self, depth):
        part = [self.r.choice(['', '', '0', '1', '2', '-1', '-2', '9', '-9', self.pick('int')]) for _ in range(3)]
        return ':'.join(part[:self.r.choice([2, 2, 3])])

    def text(self, depth=0):
        r, pick = self.r, self.r.random()
        if pick < 0.02:
            return self.any(depth)
        if depth > 3 or pick < 0.35:
            return self.pick('text')
        if pick < 0.6:
            return r.choice(["'abc'", '"it\'s"', "''", "'a b  c'", r"'x\ny\t\\'", '"q"', "'\"'", "'12'", "' -7 '"])
        if pick < 0.7:
            return '%s + %s' % (self.text(depth + 1), self.text(depth + 1))
        if pick < 0.75:
            return '%s * %d' % (self.text(depth + 1), r.randrange(-1, 4))
        if pick < 0.85:
            return '%s[%s]' % (self.pick('text'), self.slice(depth))
        if pick < 0.9:
            return 'str(%s)' % self.any(depth + 1)
        if pick < 0.94:
            return '%s%s' % (self.pick('text'), r.choice(['.upper()', '.lower()', '[0]', '[-1]']))
        if pick < 0.97:
            return "'-'.join(%s.split(%s))" % (self.pick('text'), r.choice(['', "'b'", "' '", "'ab'"]))
        return 'chr(%s %% 128)' % self.integer(depth + 1)

    def truth(self, depth=0):
        r, pick = self.r, self.r.random()
        relation = r.choice(['<', '<=', '>', '>=', '==', '!='])
        if depth > 3 or pick < 0.5:
            return '%s %s %s' % (self.integer(depth + 1), relation, self.integer(depth + 1))
        if pick < 0.6:
            return '%s %s %s %s %s' % (self.integer(depth + 1), relation, self.integer(depth + 1),
                                       r.choice(['<', '==', '>=']), self.integer(depth + 1))
        if pick < 0.7:
            return '(%s) %s (%s)' % (self.truth(depth + 1), r.choice(['and', 'or']), self.truth(depth + 1))
        if pick < 0.75:
            return 'not %s' % self.truth(depth + 1)
        if pick < 0.85:
            return '%s %s %s' % (self.integer(depth + 1), r.choice(['in', 'not in']), self.list(depth + 1))
        if pick < 0.9:
            between = r.choice(['in', 'not in', '<', '==', '>='])
            return '%s %s %s' % (self.text(depth + 1), between, self.text(depth + 1))
        if pick < 0.95:
            return '%s %s %s' % (self.list(depth + 1), relation, self.list(depth + 1))
        return r.choice(['True', 'False', 'None', self.any(depth + 1)])

    def any(self, depth=0):
        kinds = [self.integer, self.list, self.text, self.truth]
        return self.r.choice(kinds)(depth + 1) if depth < 4 else self.r.choice(['None', '0', "'z'", '[]', '[[1], []]'])

    def put(self, indent, text):
        self.lines.append('    ' * indent + text)

    def block(self, indent, in_loop, in_function):
        for _ in range(self.r.randrange(1, 4)):
            self.statement(indent, in_loop, in_function)

    def assign(self, indent):
        r, kind = self.r, self.r.choice(['int', 'int', 'list', 'text'])
        made = {'int': self.integer, 'list': self.list, 'text': self.text}[kind]
        pick = r.random()
        if pick < 0.55:
            self.put(indent, '%s = %s' % (self.pick(kind), made()))
        elif pick < 0.75:
            op = {'int': r.choice(['+=', '-=', '*=', '//=', '%=']), 'list': '+=', 'text': r.choice(['+=', '*='])}[kind]
            self.put(indent, '%s %s %s' % (self.pick(kind), op, '2' if op == '*=' else made()))
        elif pick < 0.85:
            self.put(indent, '%s, %s = %s, %s' % (self.pick(kind), self.pick(kind), made(), made()))
        elif pick < 0.93:
            self.put(indent, '%s[%s] %s %s' % (self.pick('list'), r.choice(['0', '-1', self.integer(2)]),
                                               r.choice(['=', '+=', '-=']), self.integer()))
        else:
            self.put(indent, self.pick('list') + r.choice(['.append(%s)' % self.integer(), '.sort()', '.reverse()']))

    def statement(self, indent, in_loop, in_function):
        r, pick = self.r, self.r.random()
        if indent > 3 or pick < 0.45:
            self.assign(indent)
        elif pick < 0.65:
            options = r.choice(['', '', ', end=""', ', sep="-"', r', end=";\n", sep=""'])
            self.put(indent, 'print(%s%s)' % (', '.join(self.any() for _ in range(r.randrange(1, 4))), options))
        elif pick < 0.8:
            self.put(indent, 'if %s:' % self.truth())
            self.block(indent + 1, in_loop, in_function)
            if r.random() < 0.3:
                self.put(indent, 'elif %s:' % self.truth())
                self.block(indent + 1, in_loop, in_function)
            if r.random() < 0.5:
                self.put(indent, 'else:')
                self.block(indent + 1, in_loop, in_function)
        elif pick < 0.9:
            self.put(indent, 'for %s in %s:' % (self.pick('int'), r.choice(
                ['range(%d)' % r.randrange(6), 'range(1, 4)', self.list(2) + '[:5]', '[1, 2, 3]'])))
            self.block(indent + 1, True, in_function)
        elif pick < 0.94:
            self.counter += 1
            name = 'k%d' % self.counter
            self.put(indent, '%s = 0' % name)
            self.put(indent, 'while %s < %d%s:' % (name, r.randrange(5), r.choice(['', ' and ' + self.truth()])))
            self.put(indent + 1, '%s += 1' % name)
            self.block(indent + 1, True, in_function)
        elif in_loop and pick < 0.97:
            self.put(indent, r.choice(['break', 'continue']))
        elif in_function:
            self.put(indent, 'return ' + r.choice([self.integer(), self.any()]))
        else:
            self.put(indent, 'pass')

    def function(self):
        name, n = 'f%d' % len(self.functions), self.r.randrange(0, 3)
        self.put(0, 'def %s(%s):' % (name, ', '.join('ab'[:n])))
        for line in ('b = 1',) * (n < 2) + ('a = 2',) * (n < 1) + ('p = [1, 2, 3]', "s = 'abc'"):
            if self.r.random() < 0.9:
                self.put(1, line)
        self.block(1, False, True)
        self.put(1, 'return ' + self.integer())
        self.functions.append((name, n))

    def program(self):
        for line in ('a = 3', 'b = 10', 'p = [4, 1, 3, 1]', "s = 'hello'"):
            self.put(0, line)
        for _ in range(self.r.randrange(8)):
            self.function() if self.r.random() < 0.15 else self.statement(0, False, False)
        self.put(0, 'print(a, b, p, s)')
        return '\n'.join(self.lines) + '\n'


class BesidePython(unittest.TestCase):
    def setUp(self):
        warnings.simplefilter('ignore', SyntaxWarning)
        self.server = Server()
        self.addCleanup(self.server.close)

    def test_what_runs_to_its_end_prints_what_python_prints(self):
        ends = {}
        for seed in range(COUNT):
            text = Maker(seed).program()
            end, line, message, out = self.server.run(text)
            ends[end] = ends.get(end, 0) + 1
            # Where ours stops and Python would go on, Python might go on for ever.
            if end not in ('done', 'failed', 'syntax') or any(words in message for words in REFUSED):
                continue
            finished, expected = python(text)
            good = finished == {'done': True, 'failed': False, 'syntax': None}[end] and out == expected
            self.assertTrue(good, '%s\nours: %s in line %d (%s)\n%s\nPython:\n%s' % (
                text, end, line, message, out, expected))
        self.assertGreater(ends['done'], COUNT * 0.5)
        self.assertGreater(ends['failed'], COUNT * 0.05)

    def test_input_is_read_as_python_reads_it(self):
        text = 'n = int(input())\nfor i in range(n):\n    print(input().split(), end="|")\nprint(input())\n'
        for given in ('2\na b\n c  d \nlast', '0\n\n', '1\n\nx\n', '3\na\n', '', ' 1 \n\n\n'):
            end, _, _, out = self.server.run(text, given)
            finished, expected = python(text, given)
            self.assertEqual((end == 'done', out), (finished, expected), given)


if __name__ == '__main__':
    tap.main()
