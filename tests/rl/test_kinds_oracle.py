#!/usr/bin/env python3
"""Logic, polynomials, sorting, counting, strings, tracing and stories, solved a second time by Python from the facts,
and every answer that is a slip away from the right one checked by both.

make test takes 2,000 problems of each kind, make soak 100,000.
"""
import contextlib
import io
import itertools
import json
import random
import re
import tempfile
import unittest

import tap
from drawn_problems import EACH, SPLITS, sample, shares


# ---- logic: Python's own operators on its own parse ----------------------------------------------

class Formula:
    """not > and > or > xor > -> > <->, read by recursive descent."""

    def __init__(self, text):
        self.words = re.findall(r'<->|->|[()]|\w+', text)
        assert ''.join(self.words) == text.replace(' ', ''), text
        self.signs = set(self.words) - set('()') - {w for w in self.words if len(w) == 1}
        self.value = self.binary(0)
        assert not self.words, text

    LEVELS = ('<->', '->', 'xor', 'or', 'and')

    def binary(self, level):
        if level == len(self.LEVELS):
            return self.single()
        left, sign = self.binary(level + 1), self.LEVELS[level]
        while self.words and self.words[0] == sign:
            self.words.pop(0)
            left = self.joined(sign, left, self.binary(level if sign == '->' else level + 1))
        return left

    def joined(self, sign, a, b):
        return {'and': lambda v: a(v) and b(v), 'or': lambda v: a(v) or b(v), 'xor': lambda v: a(v) != b(v),
                '->': lambda v: not a(v) or b(v), '<->': lambda v: a(v) == b(v)}[sign]

    def single(self):
        word = self.words.pop(0)
        if word == 'not':
            inner = self.single()
            return lambda v: not inner(v)
        if word == '(':
            inner = self.binary(0)
            assert self.words.pop(0) == ')'
            return inner
        if word in 'TF':
            return lambda v: word == 'T'
        assert len(word) == 1 and word.islower()
        return lambda v: v[word]

    def table(self, names):
        rows = itertools.product('TF', repeat=len(names))
        return {''.join(row): self.value({n: x == 'T' for n, x in zip(names, row)}) for row in rows}


def items(answer):
    """A list as an answer: commas or blanks between; None where it is no list."""
    answer = answer.strip()
    if answer.startswith('[') and answer.endswith(']'):
        answer = answer[1:-1]
    if not answer.strip() or re.search(r'^\s*,|,\s*,|,\s*$', answer):
        return None
    return re.split(r'\s*,\s*|\s+', answer.strip())


def logic(f, answer):
    names, table = f['names'], Formula(f['formula']).table(f['names'])
    if f['asked'] > 1:
        try:
            if set(re.findall(r'\b[a-z]\b', answer)) - set(names):
                return False
            given = Formula(answer)
            allowed = [{'and', 'or', 'not'}, {'and', 'not'}, {'or', 'not'}][f['asked'] - 2]
            return given.signs <= allowed and given.table(names) == table
        except (AssertionError, IndexError, KeyError):
            return False
    wanted = {row for row, value in table.items() if value == (f['asked'] == 0)}
    if answer in ('none', 'None', 'NONE'):
        return not wanted
    rows = items(answer)
    if rows is None:
        return False
    rows = [r.translate(str.maketrans('tf10', 'TFTF')) for r in rows]
    return bool(rows) and len(set(rows)) == len(rows) and set(rows) == wanted


# ---- polynomials: values at more points than the degree has -------------------------------------

def parts_of(f):
    c, out = list(f['coefficients']), []
    for n in f['lengths']:
        out.append(c[:n])
        c = c[n:]
    return out


def at(c, x):
    return sum(a * x**i for i, a in enumerate(c))


def as_python(answer, unknown):
    """The text with signs of multiplication where they are left out; None for what is no polynomial."""
    if re.search(r'[^\d\s()+*^-]', answer.replace(unknown, '')) or re.search(r'\d\s+\d|[\dx)]\s*\d{0}\.', answer):
        return None
    text = re.sub(r'\s+', ' ', answer.replace(unknown, 'x'))
    if re.search(r'(?<!\d)\d{16}|[+*-] ?[+-]', text) or re.search(r'x ?\d|\) ?\d|x ?\^ ?[^\d ]|\^ ?\d+ ?\^', text):
        return None
    text = re.sub(r'([\dx)]) ?(?=[x(])', r'\1*', text)
    return re.sub(r'\^', '**', text)


TERM = r'(\d+\*?)?x(\^\d+)?|\d+'


def polynomials(f, answer):
    parts, x = parts_of(f), f['unknown']
    if f['asked'] == 0:
        return re.fullmatch(r'[+-]?\d+\.?0*', answer) is not None and float(answer) == at(parts[0], f['at'])
    text = as_python(answer, x)
    try:
        given = eval('lambda x: ' + text)
        points = [given(i) for i in range(-8, 9)]
    except (SyntaxError, TypeError, OverflowError, ValueError):
        return False

    def wanted(i):
        values = [at(p, i) for p in parts]
        if f['asked'] == 4:
            return at([k * a for k, a in enumerate(parts[0])][1:], i)
        if f['asked'] == 2:
            return values[0] - values[1]
        if f['asked'] == 3:
            product = 1
            for v in values:
                product *= v
            return product
        return sum(values)
    if points != [wanted(i) for i in range(-8, 9)]:
        return False
    plain = answer.replace(x, 'x').replace(' ', '')
    if f['asked'] == 5:                                   # a product of linear factors
        linear = r'(\(([+-]?(%s))([+-](%s))*\)(\^\d+)?|x(\^\d+)?|\d+)' % (r'\d*\*?x|\d+', r'\d*\*?x|\d+')
        return re.fullmatch(r'[+-]?%s(\*?%s)*' % (linear, linear), plain) is not None
    if f['asked'] == 4:
        return True
    terms = re.findall(r'[+-]?[^+-]+', plain)             # a sum of terms with different powers
    powers = [re.sub(r'^\d*\*?', '', t.lstrip('+-')) for t in terms]
    powers = ['0' if not p else re.sub(r'^x$', 'x^1', p) for p in powers]
    powers = ['0' if p == 'x^0' or t.lstrip('+-') == '0' else p for p, t in zip(powers, terms)]
    return all(re.fullmatch(r'[+-]?(%s)' % TERM, t) for t in terms) and len(set(powers)) == len(powers)


# ---- lists, counts, texts -----------------------------------------------------------------------

def integer(answer):
    match = re.fullmatch(r'[+-]?(\d+|\d{1,3}(,\d{3})+)(\.0*)?', answer)
    return int(match.group(0).replace(',', '').split('.')[0]) if match else None


def sorting(f, answer):
    if f['order'] == 2:
        return items(answer) == sorted(f['words'].split())
    in_order = sorted(f['numbers'], reverse=f['order'] in (1, 4))
    if f['k']:
        return integer(answer) == in_order[f['k'] - 1]
    given = items(answer)
    return given is not None and all(re.fullmatch(r'-?\d+', x) for x in given) and [int(x) for x in given] == in_order


def counting(f, answer):
    text, numbers, by = f['text'], f['numbers'], f['by']
    return integer(answer) == [
        lambda: text.count(chr(97 + by)), lambda: len(re.findall('[aeiou]', text)),
        lambda: sum(x > by for x in numbers), lambda: sum(x < by for x in numbers),
        lambda: sum(x % 2 == 0 for x in numbers), lambda: sum(x % by == 0 for x in numbers),
        lambda: len(set(numbers)), lambda: text.count(str(by))][f['what']]()


def shifted(s, by):
    return ''.join(chr((ord(c.lower()) - 97 + by) % 26 + 97 - 32 * c.isupper()) for c in s)


def replaced(s, by):
    a, b = chr(97 + by // 26), chr(97 + by % 26)
    return s.replace(a, b).replace(a.upper(), b.upper())


ACTIONS = [
    lambda s, n: s[::-1], lambda s, n: s.upper(), lambda s, n: re.sub('[aeiouAEIOU]', '', s),
    lambda s, n: s[n:] + s[:n], lambda s, n: s[-n:] + s[:-n], shifted, lambda s, n: s[::2], replaced,
    lambda s, n: ''.join(c + c for c in s), lambda s, n: ''.join(sorted(s)), lambda s, n: s[:n], lambda s, n: s[-n:],
    lambda s, n: s.replace(chr(97 + n), '').replace(chr(65 + n), '')]


def strings(f, answer):
    s = f['text']
    for action, by in zip(f['steps'][::2], f['steps'][1::2]):
        s = ACTIONS[action](s, by)
    return answer in (s, '"%s"' % s, "'%s'" % s)


# ---- programs: CPython --------------------------------------------------------------------------

def tracing(f, answer):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(f['program'], {})

    def plain(s):
        return re.sub(r' ?([,\[\]]) ?', r'\1', re.sub('[ \t]+', ' ', s.strip(' \t')))
    return plain(out.getvalue().rstrip('\n')) == plain(answer)


# ---- stories: what each family comes to, read off the texts by a person ----------------------------

STORIES = {
    'buy_boxes': lambda boxes, each, has: has + boxes * each,
    'give_away': lambda has, gift, lost: has - gift - lost,
    'share': lambda friends, all_, has: has + all_ // friends,
    'two_days': lambda monday, more: 2 * monday + more,
    'change': lambda books, price, paid: paid - books * price,
    'rows': lambda rows, seats, taken: rows * seats - taken,
    'reading': lambda pages, days, daily: pages - days * daily,
    'times_as_many': lambda has, times, finds: has * (times + 1) + finds,
    'savings': lambda weekly, weeks, aunt, jacket: weekly * weeks + aunt - jacket,
    'bakery': lambda bag, white, brown, sold: (white + brown) // bag - sold,
    'trip': lambda speed, hours, speed2, hours2: speed * hours + speed2 * hours2,
    'orchard': lambda rows, trees, cut, new: (rows - cut) * trees + new,
    'two_shops': lambda baskets, a, crates, b, times: (baskets * a + crates * b) * (times + 1),
    'wages': lambda hourly, hours, days, bus, food: hourly * hours * days - bus - food,
    'aquarium': lambda litres, per, minutes, leak, later: litres + per * minutes - leak * later,
    'garden': lambda long, wide, path, plants, died: long * (wide - path) * plants - died,
    'ages': lambda age, times, years: age * times + years,
    'school_trip': lambda children, teachers, ticket, bus: (children + teachers) * ticket + bus,
    'socks': lambda socks, lost, each: (socks - lost) * each,
    'stairs': lambda floors, steps, climbed: floors * steps - climbed,
    'recipe': lambda eggs, cakes, had: had - eggs * cakes,
    'teams': lambda teams, players, watch: teams * players + watch,
    'candles': lambda hourly, hours, broken, price: (hourly * hours - broken) * price,
    'library': lambda novels, atlases, parcels, each: novels + atlases + parcels * each,
    'relay': lambda a, metres, b, metres2, less: a * metres + b * metres2 - less,
    'greenhouse': lambda beds, seeds, beds2, fail, more: beds * seeds - fail + beds2 * (seeds + more),
}


def stories(f, answer):
    return integer(answer) == STORIES[f['family']](*f['numbers'])


ORACLES = {'logic': logic, 'polynomials': polynomials, 'sorting': sorting, 'counting': counting, 'strings': strings,
           'tracing': tracing, 'stories': stories}


def slips(answer, r):
    """Answers a slip away: a letter changed, left out, doubled, exchanged with the next; a piece left out."""
    i = r.randrange(len(answer))
    c = answer[i]
    turned = {'T': 'F', 'F': 'T', '+': '-', '-': '+'}
    near = str((int(c) + r.randrange(1, 10)) % 10) if c.isdigit() else turned.get(c, 'e')
    yield answer[:i] + near + answer[i + 1:]
    yield answer[:i] + answer[i + 1:]
    yield answer[:i] + c + answer[i:]
    yield answer[:i] + answer[i + 1:i + 2] + c + answer[i + 2:]
    words = answer.split(' ')
    k = r.randrange(len(words))
    yield ' '.join(words[:k] + words[k + 1:])
    yield ' '.join(words[:k] + words[k:k + 1] * 2 + words[k + 1:])
    yield '-' + answer


def same_problem(kind, f):
    """What makes two problems one, found without the program's keys; None: not known here."""
    if kind == 'sorting':
        return (tuple(sorted(f['numbers'])), tuple(sorted(f['words'].split())), f['k'] > 0)
    if kind == 'counting':
        return f['what'], f['by'], tuple(sorted(f['numbers'])), ''.join(sorted(f['text'].replace(' ', '')))
    if kind == 'stories':
        return f['family'], tuple(f['numbers'])
    if kind == 'polynomials' and f['asked'] in (3, 5):
        points = []
        for i in range(-8, 9):
            product = 1
            for p in parts_of(f):
                product *= at(p, i)
            points.append(product)
        return tuple(points)
    if kind == 'strings':
        return json.dumps(f, sort_keys=True)
    return None


class Oracle(unittest.TestCase):
    def test_answers_are_those_that_python_finds(self):
        for kind, solves in ORACLES.items():
            with self.subTest(kind):
                for split, n, seed in shares():
                    for p in sample(kind, split, n, seed):
                        if not solves(p['facts'], p['answer']):
                            self.fail(json.dumps(p))

    def test_no_problem_is_in_two_splits(self):
        for kind in ORACLES:
            with self.subTest(kind):
                where, keys = {}, {}
                for split, n, seed in shares():
                    for p in sample(kind, split, n, seed):
                        self.assertEqual(where.setdefault(p['key'], split), split, p['key'])
                        same = same_problem(kind, p['facts'])
                        if same is not None:
                            self.assertEqual(keys.setdefault(same, p['key']), p['key'], p)

    def test_stories_held_out_are_told_in_the_test_split_alone(self):
        told = {split: {p['facts']['family'] for p in sample('stories', split, 1000, 3)} for split in SPLITS}
        self.assertEqual(told['train'], told['validation'])
        self.assertTrue(told['train'] < told['test'])
        self.assertGreaterEqual(len(told['test'] - told['train']), 8)
        for p in sample('stories', 'test', 1000, 3):
            self.assertEqual(p['held_out'], p['facts']['family'] not in told['train'])

    def test_the_program_and_python_agree_on_answers_that_are_a_slip_away(self):
        r = random.Random(5)
        for kind, solves in ORACLES.items():
            with self.subTest(kind), tempfile.NamedTemporaryFile('w+', suffix='.jsonl') as f:
                expected = []
                for p in sample(kind, 'test', EACH // 4, 5):
                    for given in [p['answer'], *slips(p['answer'], r)]:
                        right = bool(given.strip()) and solves(p['facts'], given.strip())
                        expected.append('right' if right else 'wrong')
                        f.write(json.dumps(dict(p, given=given)) + '\n')
                f.flush()
                ran = tap.fathom('tasks', 'check', f.name, '--json', timeout=3000)
                self.assertEqual((ran.code, ran.err), (1, ''))
                f.seek(0)
                for verdict, asked, wanted in zip(ran.out.splitlines(), f, expected, strict=True):
                    if json.loads(verdict)['verdict'] != wanted:
                        self.fail('%s\n%sbut Python says %s' % (verdict, asked, wanted))
                self.assertGreater(expected.count('wrong'), len(expected) // 2)


if __name__ == '__main__':
    tap.main()
