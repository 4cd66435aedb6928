"""Problems of every kind, solved a second time by Python from what was asked, and checked by the program.

make test takes 2,000 problems of each kind, make soak 100,000.
"""
import ast
import collections
import datetime
import fractions
import json
import math
import re
import tempfile
import unittest

import tap
from drawn_problems import EACH, SPLITS, sample, shares

F = fractions.Fraction
WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

# What one of each unit is, in units of its dimension; written down apart from the program's table.
UNITS = {
    'mm': F(1, 1000), 'cm': F(1, 100), 'm': F(1), 'km': F(1000), 'in': F(254, 10000), 'ft': F(3048, 10000),
    'yd': F(9144, 10000), 'mi': F(1609344, 1000), 'mg': F(1, 10**6), 'g': F(1, 1000), 'kg': F(1), 't': F(1000),
    'oz': F(1, 16), 'lb': F(1), 'st': F(14), 's': F(1), 'min': F(60), 'h': F(60 * 60), 'd': F(24 * 60 * 60),
    'wk': F(7 * 24 * 60 * 60), 'ml': F(1, 1000), 'cl': F(1, 100), 'l': F(1), 'hl': F(100), 'fl oz': F(1, 8),
    'cup': F(1), 'pt': F(2), 'qt': F(4), 'gal': F(16), 'cm^2': F(1, 10**4), 'm^2': F(1), 'ha': F(10**4),
    'km^2': F(10**6), 'm/s': F(1), 'km/h': F(1000, 3600), 'B': F(1), 'kB': F(10**3), 'MB': F(10**6), 'GB': F(10**9)}


def number(text):
    """The exact value of an answer that is a number."""
    return F(text.replace(' ', ''))


def digits_value(text, base):
    return int(text, base)


def calculated(node):
    """The value of a syntax tree of + - * / over whole numbers, and the numbers in it."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return F(node.value), [node.value]
    assert isinstance(node, ast.BinOp), ast.dump(node)
    (a, used), (b, more) = calculated(node.left), calculated(node.right)
    value = {ast.Add: lambda: a + b, ast.Sub: lambda: a - b, ast.Mult: lambda: a * b,
             ast.Div: lambda: a / b}[type(node.op)]()
    return value, used + more


def date(f, to=''):
    return datetime.date(*(f[to + name] for name in ('year', 'month', 'day')))


def addition(f, answer):
    return int(answer) == sum(f['numbers'])


def subtraction(f, answer):
    return int(answer) == f['a'] - f['b']


def multiplication(f, answer):
    return int(answer) == f['a'] * f['b']


def division(f, answer):
    quotient, rest = re.fullmatch(r'(\d+) remainder (\d+)', answer).groups()
    return divmod(f['a'], f['b']) == (int(quotient), int(rest))


def fraction(f, answer):
    a, c = F(f['a'], f['b']), F(f['c'], f['d'])
    value = [lambda: a, lambda: a + c, lambda: a - c, lambda: a * c, lambda: a / c][f['operation']]()
    return str(value) == answer


def gcd(f, answer):
    return int(answer) == math.gcd(*f['numbers'])


def lcm(f, answer):
    return int(answer) == math.lcm(*f['numbers'])


def modulo(f, answer):
    a, b, m = f['a'], f['b'], f['m']
    return int(answer) == [lambda: a % m, lambda: a * b % m, lambda: pow(a, b, m)][f['form']]()


def bases(f, answer):
    return digits_value(answer, f['to']) == f['value'] and answer == answer.upper()


def equations(f, answer):
    x = number(answer)
    return f['a'] * (x + f['p']) + f['b'] == f['c'] * (x + f['q']) + f['d']


def conversion(f, answer):
    return number(answer) == F(f['amount'], 10**f['decimals']) * UNITS[f['from']] / UNITS[f['to']]


def calendar(f, answer):
    if f['asks'] == 0:
        return WEEKDAYS.index(answer) == (f['weekday'] + f['days']) % 7
    if f['asks'] == 1:
        return int(answer) == (date(f, 'to_') - date(f)).days
    if f['asks'] == 2:
        then = date(f) + datetime.timedelta(days=f['days'])
        return answer == '%d %s %d' % (then.day, then.strftime('%B'), then.year)
    return date(f).weekday() == f['weekday'] and WEEKDAYS[date(f, 'to_').weekday()] == answer


def sequences(f, answer):
    t = f['terms'] + [int(answer)]
    d = [b - a for a, b in zip(t, t[1:])]
    return [lambda: len(set(d)) == 1, lambda: len({F(b, a) for a, b in zip(t, t[1:])}) == 1,
            lambda: len({b - a for a, b in zip(d, d[1:])}) == 1,
            lambda: all(a + b == c for a, b, c in zip(t, t[1:], t[2:])),
            lambda: all(len({b - a for a, b in zip(u, u[1:])}) == 1 for u in (t[::2], t[1::2]))][f['rule']]()


def countdown(f, answer):
    value, used = calculated(ast.parse(answer, mode='eval').body)
    return value == f['target'] and sorted(used) == sorted(f['numbers'])


ORACLES = {'addition': addition, 'subtraction': subtraction, 'multiplication': multiplication, 'division': division,
           'fractions': fraction, 'gcd': gcd, 'lcm': lcm, 'modulo': modulo, 'bases': bases, 'equations': equations,
           'conversion': conversion, 'calendar': calendar, 'sequences': sequences, 'countdown': countdown}


def same_problem(kind, f):
    """What makes two problems one, found without the program's keys."""
    if kind in ('addition', 'gcd', 'lcm'):
        return tuple(sorted(f['numbers']))
    if kind == 'multiplication':
        return tuple(sorted((f['a'], f['b'])))
    if kind == 'countdown':
        return tuple(sorted(f['numbers'])), f['target']
    if kind == 'equations':
        return tuple(sorted([(f['a'], f['p'], f['b']), (f['c'], f['q'], f['d'])]))
    if kind == 'fractions':
        parts = [(f['a'], f['b']), (f['c'], f['d'])]
        return f['operation'], tuple(sorted(parts) if f['operation'] in (1, 3) else parts)
    if kind == 'modulo' and f['form'] == 1:
        return tuple(sorted((f['a'], f['b']))), f['m'], 1
    if kind == 'sequences':
        return tuple(f['terms'])
    return json.dumps(f, sort_keys=True)


class Oracle(unittest.TestCase):
    def test_answers_are_those_that_python_finds(self):
        for kind, solves in ORACLES.items():
            with self.subTest(kind):
                for split, n, seed in shares():
                    for p in sample(kind, split, n, seed):
                        if not solves(p['facts'], p['answer']):
                            self.fail(json.dumps(p))

    def test_prompts_say_what_the_facts_say(self):
        """Every number of the facts that a prompt needs stands in it, as often as it is needed."""
        for kind in ('addition', 'subtraction', 'multiplication', 'division', 'gcd', 'lcm', 'countdown', 'sequences'):
            with self.subTest(kind):
                for p in sample(kind, 'test', EACH // 10, 3):
                    f = p['facts']
                    wanted = f.get('numbers') or f.get('terms') or [f['a'], f['b']]
                    wanted = collections.Counter(wanted + ([f['target']] if 'target' in f else []))
                    said = collections.Counter(int(x) for x in re.findall(r'(?<![\d.])-?\d+', p['prompt']))
                    said += collections.Counter(-x for x in said.elements() if x < 0 and kind == 'subtraction')
                    self.assertFalse(wanted - said, p)

    def test_no_problem_is_in_two_splits(self):
        for kind in ORACLES:
            with self.subTest(kind):
                where, keys = {}, {}
                for split, n, seed in shares():
                    for p in sample(kind, split, n, seed):
                        same = same_problem(kind, p['facts'])
                        self.assertEqual(where.setdefault(p['key'], split), split, p['key'])
                        self.assertEqual(keys.setdefault(same, p['key']), p['key'], p)
                self.assertEqual(len(keys), len(where))

    def test_phrasings_held_out_are_asked_in_the_test_split_alone(self):
        for kind in ORACLES:
            with self.subTest(kind):
                held = {split: sum(p['held_out'] for p in sample(kind, split, 200, 4)) for split in SPLITS}
                self.assertEqual((held['train'], held['validation']), (0, 0))
                self.assertGreater(held['test'], 10)

    def test_the_program_takes_right_answers_and_refuses_those_of_other_problems(self):
        """Each problem with its own answer, and with the one of the problem before it."""
        with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as f:
            expected = []
            for kind, solves in ORACLES.items():
                before = None
                for p in sample(kind, 'test', EACH // 4, 5):
                    for given in (p['answer'], before):
                        if given is None:
                            continue
                        try:
                            right = given == p['answer'] or solves(p['facts'], given)
                        except (ValueError, AttributeError):
                            right = False
                        expected.append('right' if right else 'wrong')
                        f.write(json.dumps(dict(p, given=given)) + '\n')
                    before = p['answer']
            f.flush()
            ran = tap.fathom('tasks', 'check', f.name, '--json')
            self.assertEqual((ran.code, ran.err), (1, ''))
            for line, wanted in zip(ran.out.splitlines(), expected, strict=True):
                verdict = json.loads(line)
                if verdict['verdict'] != wanted:
                    self.fail('%s, but Python says %s' % (line, wanted))


if __name__ == '__main__':
    tap.main()
