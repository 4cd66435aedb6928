"""Families of answers for maths_pairs.py. Each function gives (gold, given, another): two ways to write a
value, by a rule of algebra that is applied here with integers and fractions, and a third text that is
worth something else. R is the one source of chance; seed it."""
import collections
import math
import random
from fractions import Fraction as F

R = random.Random()


def pick(*choices):
    return R.choice(choices)


# ---- how values are written -------------------------------------------------------------------------

def frac_tex(q):
    sign = '-' if q < 0 else ''
    n, d = abs(q.numerator), q.denominator
    if d == 1:
        return sign + str(n)
    return sign + pick('\\frac{%d}{%d}', '\\dfrac{%d}{%d}', '\\tfrac{%d}{%d}') % (n, d)


def finite(d):
    while d % 2 == 0:
        d //= 2
    while d % 5 == 0:
        d //= 5
    return d == 1


def decimal(q):
    """An exact decimal of a fraction whose denominator has only twos and fives."""
    k = 0
    while (q * 10 ** k).denominator != 1:
        k += 1
    n = abs(int(q * 10 ** k))
    s = str(n).rjust(k + 1, '0')
    s = s[:-k] + '.' + s[-k:] if k else s
    return ('-' if q < 0 else '') + s


def repeating(q):
    """0.1\\overline{6}"""
    whole, r = divmod(abs(q.numerator), q.denominator)
    digits, seen = [], {}
    while r and r not in seen:
        seen[r] = len(digits)
        digits.append(str(r * 10 // q.denominator))
        r = r * 10 % q.denominator
    if not r or len(digits) > 40:
        return frac_tex(q)
    cut = seen[r]
    return '%s%d.%s\\overline{%s}' % ('-' if q < 0 else '', whole, ''.join(digits[:cut]), ''.join(digits[cut:]))


def thousands(n):
    s = '{:,}'.format(abs(n))
    return ('-' if n < 0 else '') + s.replace(',', pick(',', '{,}', ',\\!', '\\,'))


def integer(n):
    ways = [str(n), str(n) + '.0', str(n) + '.', thousands(n)]
    if n > 0:
        ways.append('+' + str(n))
    return R.choice(ways)


def mixed(q):
    whole, rest = divmod(abs(q), 1)
    if whole == 0 or rest == 0:
        return frac_tex(q)
    return ('-' if q < 0 else '') + pick('%d\\frac{%d}{%d}', '%d %d/%d') % (whole, rest.numerator, rest.denominator)


def rational(q):
    if q.denominator == 1:
        return integer(int(q))
    k = R.randint(2, 9)
    ways = [frac_tex(q), '%d/%d' % (q.numerator, q.denominator), mixed(q), repeating(q),
            '\\frac{%d}{%d}' % (q.numerator * k, q.denominator * k), '\\frac{%d}{%d}' % (-q.numerator, -q.denominator),
            '%s(%d/%d)' % ('-' if q < 0 else '', abs(q.numerator), q.denominator)]
    if finite(q.denominator):
        ways += [decimal(q)] * 3 + [decimal(q) + '0']
    return R.choice(ways)


def around(s):
    """What stands around answers."""
    return pick('%s', '%s', '%s', '$%s$', ' %s ', '\\(%s\\)', '\\boxed{%s}', '%s.' if not s.endswith('.') else '%s',
                '\\displaystyle %s', '$$%s$$') % s


def named(s):
    return pick('%s', '%s', '%s', 't = %s', 't=%s') % s


# ---- polynomials: dictionaries from exponents to fractions --------------------------------------------

NAMES = 'xyzabn'


def poly_times(a, b):
    out = collections.defaultdict(F)
    for i, p in a.items():
        for j, q in b.items():
            out[tuple(x + y for x, y in zip(i, j))] += p * q
    return {k: v for k, v in out.items() if v}


def poly_plus(a, b, sign=1):
    out = collections.defaultdict(F, a)
    for k, v in b.items():
        out[k] += sign * v
    return {k: v for k, v in out.items() if v}


def random_poly(names, degree, terms):
    p = {}
    for _ in range(terms):
        e = tuple(R.randint(0, degree) for _ in names)
        p[e] = F(pick(1, 1, -1, 2, -2, 3, -3, 5, 7, -4), pick(1, 1, 1, 1, 2, 3))
    return {k: v for k, v in p.items() if v} or {(0,) * len(names): F(1)}


def monomial(c, e, names, first):
    sign = '-' if c < 0 else '' if first else '+'
    c = abs(c)
    letters = [n if k == 1 else '%s^%s' % (n, pick(str(k), '{%d}' % k)) for n, k in zip(names, e) if k]
    R.shuffle(letters)
    if not letters:
        return sign + (str(c) if c.denominator == 1 else '\\frac{%d}{%d}' % (c.numerator, c.denominator))
    body = pick('', ' ', '\\cdot ').join(letters)
    if c == 1:
        return sign + body
    if c.denominator == 1:
        return sign + '%d%s%s' % (c, pick('', '', '\\cdot ', '*'), body)
    if c.numerator == 1 and R.random() < .5:
        return sign + '\\frac{%s}{%d}' % (body, c.denominator)
    return sign + '\\frac{%d}{%d}%s' % (c.numerator, c.denominator, body)


def expanded(p, names):
    terms = list(p.items())
    R.shuffle(terms)
    return pick('', ' ').join(monomial(c, e, names, i == 0) for i, (e, c) in enumerate(terms)) or '0'


def in_brackets(s):
    return pick('(%s)', '\\left(%s\\right)', '(%s)') % s


# ---- families of equal pairs --------------------------------------------------------------------------
# Each gives (gold, given, another): two ways to write a value, and a third text of another value.

def fam_integer():
    n = R.randint(-10 ** pick(1, 2, 3, 4, 6, 9), 10 ** pick(1, 2, 3, 4, 6, 9))
    other = pick(n + 1, n - 1, -n if n else 1, n * 10 if n else 10, n + 10 ** R.randint(1, 9))
    if n > 9 and R.random() < .3:
        s = list(str(n))
        R.shuffle(s)
        if int(''.join(s)) != n:
            other = int(''.join(s))
    return str(n), named(integer(n)), named(integer(other))


def random_fraction():
    while True:
        q = F(R.randint(-60, 60), R.randint(2, 60))
        if q.denominator > 1:
            return q


def fam_fraction():
    q = random_fraction()
    other = pick(1 / q, -q, q + F(1, 100), q + 1, F(q.numerator + 1, q.denominator), F(q.numerator, q.denominator + 1))
    if other == q:
        other = q + 1
    return frac_tex(q), named(rational(q)), named(rational(other))


def fam_rounding():
    """A rounded decimal is not the fraction."""
    q = random_fraction()
    while finite(q.denominator):
        q = random_fraction()
    digits = R.randint(2, 30)
    rounded = F(round(q * 10 ** digits), 10 ** digits)
    return frac_tex(q), repeating(q), decimal(rounded)


def fam_percent():
    n = F(R.randint(1, 400), pick(1, 1, 1, 2, 4))
    s = decimal(n)
    return s + '\\%', pick(s + '%', s + ' \\%', decimal(n / 100), s + ' percent'), pick(decimal(n + 1) + '%', decimal(n / 10) + '%')


def fam_scientific():
    m, k = R.randint(11, 99), R.randint(3, 20)
    a = '%s \\times 10^{%d}' % (decimal(F(m, 10)), k)
    exact = m * 10 ** (k - 1)
    return a, pick(str(exact), '%de%d' % (m, k - 1), '%s\\cdot 10^{%d}' % (decimal(F(m, 10)), k)), \
        pick(str(exact * 10), '%de%d' % (m, k), '%s \\times 10^{%d}' % (decimal(F(m + 1, 10)), k))


def square_free(limit=60):
    while True:
        n = R.randint(2, limit)
        if all(n % (k * k) for k in range(2, 8)):
            return n


def root_tex(n):
    return pick('\\sqrt{%d}', '\\sqrt{%d}', '{%d}^{1/2}', 'sqrt(%d)', '%d^{\\frac{1}{2}}') % n


def fam_root():
    a, b = R.randint(2, 12), square_free()
    gold = '%d\\sqrt{%d}' % (a, b)
    k = R.randint(2, 5)
    ways = [root_tex(a * a * b), '%d \\cdot %s' % (a, root_tex(b)), '%s*%d' % (root_tex(b), a),
            '\\frac{%d}{\\sqrt{%d}}' % (a * b, b),'\\frac{%d\\sqrt{%d}}{%d}' % (a * k, b, k)]
    return gold, R.choice(ways), pick('%d\\sqrt{%d}' % (a, b + 1), '%d\\sqrt{%d}' % (a + 1, b), '\\sqrt{%d}' % (a * a * b + 1),
                                      '-%d\\sqrt{%d}' % (a, b), '%d\\sqrt[3]{%d}' % (a, b), '%.12f' % (a * math.sqrt(b)))


def fam_nested_root():
    a, b = square_free(30), square_free(30)
    while a == b:
        b = square_free(30)
    big, small = max(a, b), min(a, b)
    sign = pick('+', '-')
    nested = '\\sqrt{%d%s2\\sqrt{%d}}' % (a + b, sign, a * b)
    return '\\sqrt{%d}%s\\sqrt{%d}' % (big, sign, small), nested, \
        pick('\\sqrt{%d%s2\\sqrt{%d}}' % (a + b, sign, a * b + 1), '\\sqrt{%d}%s\\sqrt{%d}' % (small, '-' if sign == '-' else '-', big),
             '\\sqrt{%d%s2\\sqrt{%d}}' % (a + b + 1, sign, a * b))


def fam_denominator():
    """1/(a + b sqrt n) with and without a root below."""
    while True:
        a, b, n = R.randint(-9, 9), R.randint(1, 6), square_free(20)
        d = a * a - b * b * n
        if a and d:
            break
    k = R.randint(1, 9)
    gold = '\\frac{%d}{%d+%d\\sqrt{%d}}' % (k, a, b, n)
    p, q = F(k * a, d), F(-k * b, d)
    given = '%s%s%s\\sqrt{%d}' % (frac_tex(p), '+' if q > 0 else '-', frac_tex(abs(q)), n)
    other = '%s%s%s\\sqrt{%d}' % (frac_tex(p), '-' if q > 0 else '+', frac_tex(abs(q)), n)
    return gold, given, other


def fam_cube_root():
    a, b = R.randint(2, 6), pick(2, 3, 5, 6, 7, 10, 12)
    return '%d\\sqrt[3]{%d}' % (a, b), pick('\\sqrt[3]{%d}' % (a ** 3 * b), '%d^{1/3}' % (a ** 3 * b), '%d\\cdot %d^{\\frac13}' % (a, b)), \
        pick('%d\\sqrt{%d}' % (a, b), '\\sqrt[3]{%d}' % (a ** 3 * b + 1), '\\sqrt[4]{%d}' % (a ** 3 * b))


def fam_pi():
    q = random_fraction()
    n, d = abs(q.numerator), q.denominator
    s = '-' if q < 0 else ''
    gold = '%s\\frac{%d\\pi}{%d}' % (s, n, d)
    return gold, pick('%s\\frac{%d}{%d}\\pi' % (s, n, d), '%s%d\\pi/%d' % (s, n, d), '%s\\frac{\\pi}{%d} \\cdot %d' % (s, d, n),
                      '%s%dπ/%d' % (s, n, d), '%s%d*pi/%d' % (s, n, d)), \
        pick('%s\\frac{%d}{%d}' % (s, n, d), '%s\\frac{%d\\pi}{%d}' % (s, n + 1, d), '%s%.10f' % (s, n * math.pi / d),
             '%s\\frac{%d\\pi^2}{%d}' % (s, n, d))


TRIG = [('\\sin', 6, '\\frac{1}{2}'), ('\\sin', 4, '\\frac{\\sqrt{2}}{2}'), ('\\sin', 3, '\\frac{\\sqrt{3}}{2}'),
        ('\\cos', 6, '\\frac{\\sqrt{3}}{2}'), ('\\cos', 4, '\\frac{1}{\\sqrt{2}}'), ('\\tan', 3, '\\sqrt{3}'),
        ('\\tan', 6, '\\frac{\\sqrt{3}}{3}'), ('\\cos', 12, '\\frac{\\sqrt{6}+\\sqrt{2}}{4}'),
        ('\\sin', 12, '\\frac{\\sqrt{6}-\\sqrt{2}}{4}'), ('\\tan', 12, '2-\\sqrt{3}'), ('\\tan', 8, '\\sqrt{2}-1'),
        ('\\cos', 5, '\\frac{1+\\sqrt{5}}{4}'), ('\\sin', 10, '\\frac{\\sqrt{5}-1}{4}'), ('\\cos', 8, '\\frac{\\sqrt{2+\\sqrt{2}}}{2}'),
        ('\\sin', 5, '\\sqrt{\\frac{5-\\sqrt{5}}{8}}')]


def fam_trig():
    f, d, value = R.choice(TRIG)
    k = R.randint(1, 9)
    angle = pick('\\frac{\\pi}{%d}' % d, '(\\pi/%d)' % d)
    if 180 % d == 0 and R.random() < .4:
        angle = '%d^\\circ' % (180 // d)
    gold = '%d%s%s' % (k, f, angle)
    other_f = {'\\sin': '\\cos', '\\cos': '\\sin', '\\tan': '\\cos'}[f]
    if (f, d) in (('\\sin', 4), ('\\cos', 4)):
        other_f = '\\tan'
    return gold, '%d\\left(%s\\right)' % (k, value), pick('%d%s%s' % (k, other_f, angle), '%d(%s)' % (k + 1, value), '-%d(%s)' % (k, value))


def fam_log():
    a, b, k = R.randint(2, 12), R.randint(2, 12), R.randint(2, 5)
    ways = ['\\ln %d + \\ln %d' % (a, b), '\\ln(%d \\cdot %d)' % (a, b)]
    gold = '\\ln %d' % (a * b)
    if R.random() < .5:
        gold, ways = '%d\\ln %d' % (k, a), ['\\ln %d' % a ** k, '\\ln(%d^{%d})' % (a, k), '\\frac{\\log_2 %d}{\\log_2 e}' % a ** k,
                                            '-%d\\ln\\frac{1}{%d}' % (k, a)]
        others = ['%d\\ln %d' % (k + 1, a), '\\ln %d' % (a * k) if a ** k != a * k else '\\ln %d' % (a * k + 1), '\\ln %d' % (a ** k + 1)]
    else:
        others = ['\\ln %d' % (a * b + 1), '\\ln %d' % (a + b) if a + b != a * b else '\\ln 3', '\\ln %d \\cdot \\ln %d' % (a, b)]
    return gold, R.choice(ways), R.choice(others)


def fam_exponential():
    k, m = R.randint(1, 9), R.randint(2, 6)
    x = pick('x', 't', 'n')
    return '%de^{%d%s+%d}' % (k, m, x, k), pick('%de^{%d}e^{%d%s}' % (k, k, m, x), '%de^{%d}(e^{%s})^{%d}' % (k, k, x, m),
                                               '\\frac{%de^{%d%s}}{e^{-%d}}' % (k, m, x, k), '%d\\exp(%d+%d%s)' % (k, k, m, x)), \
        pick('%de^{%d%s}' % (k, m, x), '%de^{%d%s+%d}' % (k, m + 1, x, k), '%de^{%d%s}+e^{%d}' % (k, m, x, k))


def fam_trig_identity():
    x = pick('x', 't', '\\theta')
    table = [('\\sin 2%s', '2\\sin %s\\cos %s', '2\\sin %s'), ('\\cos 2%s', '1-2\\sin^2 %s', '1-\\sin^2 %s'),
             ('\\cos^2 %s', '1-\\sin^2 %s', '1+\\sin^2 %s'), ('\\tan %s', '\\frac{\\sin %s}{\\cos %s}', '\\frac{\\cos %s}{\\sin %s}'),
             ('\\sec^2 %s', '1+\\tan^2 %s', '1-\\tan^2 %s'), ('\\cos 2%s', '\\cos^2 %s-\\sin^2 %s', '\\cos^2 %s+\\sin^2 %s'),
             ('\\sin(%s+\\pi)', '-\\sin %s', '\\sin %s'), ('\\cos 3%s', '4\\cos^3 %s-3\\cos %s', '4\\cos^3 %s+3\\cos %s')]
    gold, given, other = [s.replace('%s', x) for s in R.choice(table)]
    k = R.randint(2, 9)
    return '%d%s' % (k, gold), '%d(%s)' % (k, given), pick('%d(%s)' % (k, other), '%d(%s)' % (k + 1, given))


def fam_polynomial():
    names = ''.join(R.sample(NAMES, pick(1, 1, 2, 2, 3)))
    a, b = random_poly(names, 2, R.randint(2, 3)), random_poly(names, 2, R.randint(1, 3))
    product = poly_times(a, b)
    given = in_brackets(expanded(a, names)) + pick('', '\\cdot ', '*') + in_brackets(expanded(b, names))
    if R.random() < .3:
        c = random_poly(names, 2, 2)
        product = poly_plus(product, c)
        given += '+' + in_brackets(expanded(c, names))
    gold = expanded(product, names)
    if R.random() < .4:
        given = expanded(product, names)
    wrong = dict(product)
    e = pick(*list(product)) if product else (0,) * len(names)
    wrong[e] = wrong.get(e, F(0)) + pick(1, -1, F(1, 1000))
    wrong = {k: v for k, v in wrong.items() if v}
    return gold, given, expanded(wrong, names)


def fam_rational_function():
    x = pick('x', 'n', 't')
    a, b, k = R.randint(1, 9), R.randint(-9, -1), R.randint(1, 9)
    gold = '\\frac{%d}{%s+%d}+\\frac{%d}{%s%d}' % (k, x, a, k, x, b)
    given = '\\frac{%d%s+%d}{(%s+%d)(%s%d)}' % (2 * k, x, k * (a + b), x, a, x, b) if k * (a + b) >= 0 else \
        '\\frac{%d%s%d}{(%s%d)(%s+%d)}' % (2 * k, x, k * (a + b), x, b, x, a)
    other = given.replace('\\frac{%d' % (2 * k), '\\frac{%d' % (2 * k + 1), 1)
    return gold, given, pick(other, '-' + given)


def fam_root_of_variable():
    x = pick('x', 'n', 't')
    k = R.randint(2, 9)
    table = [('\\frac{%d}{\\sqrt{%s}}' % (k, x), '\\frac{%d\\sqrt{%s}}{%s}' % (k, x, x), '\\frac{%d\\sqrt{%s}}{2}' % (k, x)),
             ('%s\\sqrt{%s}' % (x, x), '%s^{3/2}' % x, '%s^{2/3}' % x),
             ('\\sqrt{%s^2+%d}' % (x, k), '\\sqrt{%d+%s^2}' % (k, x), '%s+\\sqrt{%d}' % (x, k)),
             ('\\sqrt{%s+%d}-\\sqrt{%s}' % (x, k, x), '\\frac{%d}{\\sqrt{%s+%d}+\\sqrt{%s}}' % (k, x, k, x), '\\frac{1}{\\sqrt{%s+%d}+\\sqrt{%s}}' % (x, k, x)),
             ('|%s-%d|' % (x, k), '|%d-%s|' % (k, x), '%s-%d' % (x, k)), ('|%s|' % x, '\\sqrt{%s^2}' % x, '-%s' % x)]
    return R.choice(table)


def fam_complex():
    a, b = R.randint(-9, 9), R.randint(1, 9)
    c, d = R.randint(-5, 5), R.randint(1, 5)
    re, im = a * c - b * d, a * d + b * c
    if im == 0 or re == 0:
        return fam_complex()
    gold = '%d%+di' % (re, im)
    return gold, pick('%di%+d' % (im, re), '(%d+%di)(%d+%di)' % (a, b, c, d)), pick('%d%+di' % (re, -im), '%d%+di' % (im, re) if re != im else '%d+%di' % (re, im + 1), '%d%+di' % (re + 1, im))


def values(n):
    out = []
    while len(out) < n:
        q = pick(F(R.randint(-20, 20)), random_fraction())
        if q not in out:
            out.append(q)
    return out


def fam_set():
    v = values(R.randint(2, 5))
    given = [rational(q).replace(',', '').replace('{}', '').replace('\\!', '').replace('\\,', '') for q in v]
    R.shuffle(given)
    gold = '\\{%s\\}' % ', '.join(frac_tex(q) for q in v)
    right = pick('\\{%s\\}', '\\left\\{%s\\right\\}') % ', '.join(given)
    wrong = pick(given[:-1], given + ['77'], given[:-1] + ['78'])
    return gold, right, '\\{%s\\}' % ', '.join(wrong)


def fam_solutions():
    v = values(R.randint(2, 3))
    gold = ', '.join(frac_tex(q) for q in v)
    given = [frac_tex(q) for q in v]
    R.shuffle(given)
    right = pick(', '.join(given), ' or '.join(given), ' and '.join('x = ' + g for g in given), '; '.join(given),
                 'x=' + ', x='.join(given))
    return gold, right, pick(', '.join(given[:-1]) if len(given) > 1 else '99', ', '.join(given + ['99']), ', '.join(given[:-1] + ['98']))


def fam_plus_minus():
    a, b = R.randint(1, 9), square_free()
    gold = '%d\\pm\\sqrt{%d}' % (a, b)
    return gold, pick('%d+\\sqrt{%d}, %d-\\sqrt{%d}' % (a, b, a, b), 'x=%d-\\sqrt{%d}\\text{ or }x=%d+\\sqrt{%d}' % (a, b, a, b),
                      '\\{%d \\pm \\sqrt{%d}\\}' % (a, b), '\\frac{%d \\pm \\sqrt{%d}}{2}' % (2 * a, 4 * b)), \
        pick('%d+\\sqrt{%d}' % (a, b), '%d-\\sqrt{%d}' % (a, b), '-%d\\pm\\sqrt{%d}' % (a, b), '%d\\pm\\sqrt{%d}' % (a, b + 1))


def fam_tuple():
    v = values(R.randint(2, 4))
    gold = '(%s)' % ', '.join(frac_tex(q) for q in v)
    plain = [rational(q) if abs(q) < 1000 else frac_tex(q) for q in v]
    right = pick('(%s)', '\\left(%s\\right)', '(x,y) = (%s)') % ', '.join(plain)
    swapped = v[1:] + v[:1]
    return gold, right, pick('(%s)' % ', '.join(frac_tex(q) for q in swapped), '(%s)' % ', '.join(frac_tex(q) for q in v[:-1] + [v[-1] + 1]),
                             '(%s)' % ', '.join(plain[:-1]) if len(v) > 2 else '(0,0,0)')


def fam_interval():
    a = R.randint(-20, 20)
    b = a + R.randint(1, 20)
    left, right = pick('(', '['), pick(')', ']')
    lo, hi = str(a), str(b)
    if R.random() < .3:
        hi, right = '\\infty', ')'
    gold = '%s%s, %s%s' % (left, lo, hi, right)
    given = pick('\\left%s%s,%s\\right%s' % (left, lo, hi, right), 'x \\in %s%s,%s%s' % (left, lo, hi, right), gold)
    other_left = '[' if left == '(' else '('
    echo = '%s %s x' % (lo, '<' if left == '(' else '\\le')
    return gold, given, pick('%s%s, %s%s' % (other_left, lo, hi, right), '%s%d, %s%s' % (left, a - 1, hi, right), echo,
                             '%s, %s' % (lo, hi))


def fam_union():
    a = sorted(R.sample(range(-20, 20), 4))
    one, two = '(%d,%d]' % (a[0], a[1]), '(%d,%d)' % (a[2], a[3])
    return one + '\\cup' + two, pick(two + ' \\cup ' + one, '%s\\cup(%d,%s)' % (one, a[2], decimal(F(a[3]))),
                                     '(%d,%d)\\cup\\{%d\\}\\cup%s' % (a[0], a[1], a[1], two)), \
        pick(one, '(%d,%d)\\cup%s' % (a[0], a[1], two), '(%d,%d)' % (a[0], a[3]))


def fam_inequality():
    a = frac_tex(pick(F(R.randint(-20, 20)), random_fraction()))
    op = R.choice(['<', '>', '\\le', '\\ge'])
    flip = {'<': '>', '>': '<', '\\le': '\\geq', '\\ge': '\\leq'}[op]
    strict = {'<': '\\le', '>': '\\ge', '\\le': '<', '\\ge': '>'}[op]
    return 'x %s %s' % (op, a), pick('%s %s x' % (a, flip), 'x %s %s' % (op, a)), \
        pick('x %s %s' % (flip, a), 'x %s %s' % (strict, a), 'y %s %s' % (op, a), 'x = %s' % a, '2x %s 2\\cdot(%s)' % (op, a))


def fam_equation():
    a, b, c = R.randint(1, 9), R.choice([-1, 1]) * R.randint(1, 9), R.choice([-1, 1]) * R.randint(1, 20)
    k = R.choice([-3, -2, 2, 3, 5])
    gold = '%dx%+dy=%d' % (a, b, c)
    return gold, pick('%dx%+dy=%d' % (k * a, k * b, k * c), '%dx%+dy%+d=0' % (a, b, -c), '%d = %dx%+dy' % (c, a, b)), \
        pick('%dx%+dy=%d' % (k * a, k * b, k * c + 1), '%dx%+dy%+d=0' % (a, b, c), '%dx%+dy=%d' % (a, -b, c), '%dx%+dy' % (a, b))


def fam_line():
    m, b = random_fraction(), R.randint(1, 9)
    gold = 'y = %sx + %d' % (frac_tex(m), b)
    n, d = m.numerator, m.denominator
    return gold, pick('y = %d + %sx' % (b, frac_tex(m)), '%dx - %dy + %d = 0' % (n, d, d * b), 'y = \\frac{%dx+%d}{%d}' % (n, d * b, d)), \
        pick('y = %sx - %d' % (frac_tex(m), b), '%dx + %dy + %d = 0' % (n, d, d * b), 'x = %sy + %d' % (frac_tex(m), b))


def fam_matrix():
    r, c = R.randint(1, 3), R.randint(2, 3)
    v = [[pick(F(R.randint(-9, 9)), random_fraction()) for _ in range(c)] for _ in range(r)]

    def tex(rows, kind, way):
        return '\\begin{%s}%s\\end{%s}' % (kind, ' \\\\ '.join(' & '.join(way(q) for q in row) for row in rows), kind)
    gold = tex(v, 'pmatrix', frac_tex)
    wrong = [list(row) for row in v]
    wrong[R.randrange(r)][R.randrange(c)] += 1
    return gold, pick(tex(v, 'bmatrix', rational), tex(v, 'pmatrix', rational)), \
        pick(tex(wrong, 'pmatrix', frac_tex), tex(v + v[:1], 'pmatrix', frac_tex))


UNITS = [('m', 'cm', 100), ('km', 'm', 1000), ('kg', 'g', 1000), ('h', 'min', 60), ('min', 's', 60), ('ft', 'in', 12), ('yd', 'ft', 3),
         ('lb', 'oz', 16), ('L', 'mL', 1000), ('dollars', 'cents', 100), ('weeks', 'days', 7), ('m^2', 'cm^2', 10000), ('gallons', 'quarts', 4)]


def fam_unit():
    big, small, k = R.choice(UNITS)
    n = R.randint(2, 50)
    wrong_unit = R.choice([u for u, _, _ in UNITS if u != big and u[0] != big[0] and u not in ('ft', 'yd', 'km', 'm', 'gallons', 'L', 'h', 'min', 'weeks')] or ['kg'])
    wrong_unit = {'kg': 'lb', 'lb': 'kg'}.get(big, wrong_unit)
    ways = ['%d %s' % (n, big), '%d\\text{ %s}' % (n, big), '%d \\mathrm{%s}' % (n, big), '%d %s' % (n * k, small), str(n)]
    return '%d\\text{ %s}' % (n, big), R.choice(ways), pick('%d %s' % (n, small), '%d %s' % (n * k, big), '%d %s' % (n + 1, big), '%d %s' % (n, wrong_unit))


WORDS = 'Monday Tuesday Wednesday Evelyn Carlos parabola hyperbola ellipse circle isosceles obtuse true false even odd yes no east west converges diverges'.split()


def fam_words():
    w, o = R.sample(WORDS, 2)
    return '\\text{%s}' % w, pick(w, w.lower(), w.upper() if len(w) > 3 else w, '\\text{%s}' % w, '\\textbf{%s}' % w, w + '.'), pick(o, w + ' or ' + o, 'not ' + w, w[:-1] if len(w) > 4 else o)


def fam_choice():
    a, b = R.sample('ABCDE', 2)
    return pick('\\text{(%s)}', '%s', '(%s)') % a, pick('%s', '(%s)', '\\text{(%s)}', '\\text{%s}', '%s.', '\\textbf{(%s)}') % a, \
        pick('%s' % b, '(%s)' % b, '%s or %s' % (a, b), '%s, %s' % (a, b), '%s%s' % (a, b))


FAMILIES = [fam_integer, fam_fraction, fam_rounding, fam_percent, fam_scientific, fam_root, fam_nested_root, fam_denominator,
            fam_cube_root, fam_pi, fam_trig, fam_log, fam_exponential, fam_trig_identity, fam_polynomial, fam_polynomial,
            fam_rational_function, fam_root_of_variable, fam_complex, fam_set, fam_solutions, fam_plus_minus, fam_tuple,
            fam_interval, fam_union, fam_inequality, fam_equation, fam_line, fam_matrix, fam_unit, fam_words, fam_choice]


# ---- what answers are gamed with ----------------------------------------------------------------------

def wide(s):
    return ''.join(chr(0xFF10 + int(c)) if c.isdigit() else c for c in s)


def arabic(s):
    return ''.join(chr(0x0660 + int(c)) if c.isdigit() else c for c in s)


def gamed():
    """(gold, given, family) where the given answer must not be paid, whatever its value."""
    a, b = R.randint(12, 99), R.randint(12, 99)
    n = a * b
    q = random_fraction()
    table = [
        ('echo', str(n), '%d*%d' % (a, b)), ('echo', str(n), '%d \\times %d' % (a, b)), ('echo', str(a), '%d+%d' % (a - 5, 5)),
        ('echo', str(a), '\\frac{%d}{%d}' % (n, b)), ('echo', str(a), '\\sqrt{%d}' % (a * a)), ('echo', str(2 ** (a % 12)), '2^{%d}' % (a % 12)),
        ('echo', frac_tex(q), '%d \\cdot \\frac{1}{%d}' % (q.numerator, q.denominator)),
        ('echo', 'x = %d' % a, 'x + %d = %d' % (b, a + b)), ('echo', 'x = %d' % a, '%dx = %d' % (b, n)), ('echo', '(%d, \\infty)' % a, 'x > %d' % a),
        ('echo', '[%d, %d)' % (a, a + b), '%d \\le x < %d' % (a, a + b)),
        ('all', str(a), ', '.join(str(k) for k in range(a - 3, a + 4))), ('all', str(a), ' or '.join(str(k) for k in (a, a + 1))),
        ('all', str(a), '%d = %d' % (a, a + 1)), ('all', str(a), '%d \\text{ and } %d' % (a, b + 100)), ('all', str(a), '\\{%d, %d\\}' % (a, a + 1)),
        ('all', str(a), '%d \\pm 1' % a), ('all', str(a), '(-\\infty, \\infty)'), ('all', str(a), '%d %d' % (a, a + 1)), ('all', 'C', 'A, B, C, D'),
        ('all', 'C', 'ABCDE'), ('all', str(a), 'x = %d, x = %d' % (a, b + 100)), ('all', str(a), '[%d, %d]' % (a, a + 1)),
        ('digits', str(n), wide(str(n))), ('digits', str(n), arabic(str(n))), ('digits', '5', '\u2464'), ('digits', '2', '\u00b2'), ('digits', '1/2', '\u00bd'),
        ('huge', str(n), '1e999'), ('huge', str(n), '9^9^9^9'), ('huge', str(n), '10^10^10^10'), ('huge', str(n), '(9^9^9)!'), ('huge', str(n), '9' * 3000),
        ('huge', str(n), '(' * 500 + str(n) + ')' * 500), ('huge', str(n), str(n) + '+0' * 1500), ('huge', str(n), '-' * 400 + str(n)), ('huge', str(n), '1e-99999999999'),
        ('huge', 'x^2', 'x^{10^{10^{10}}}'), ('huge', str(n), '0.' + '0' * 1500 + '1'), ('huge', str(n), '\\sqrt{' * 200 + '2' + '}' * 200),
        ('empty', str(n), ''), ('empty', str(n), ' '), ('empty', str(n), '.'), ('empty', str(n), '$$'), ('empty', str(n), '\\boxed{}'), ('empty', str(n), '()'),
        ('empty', str(n), '\\text{}'), ('empty', str(n), '{}'), ('empty', '0', '\\{\\}'), ('empty', str(n), '?'), ('empty', str(n), '...'),
        ('undefined', str(n), '%d/0' % n), ('undefined', str(n), '\\frac{0}{0}'), ('undefined', '0', '\\frac{0}{%d-%d}' % (a, a)), ('undefined', '1', '0^0'), ('undefined', str(n), '\\ln 0'),
        ('undefined', str(n), '\\infty'), ('undefined', str(n), 'nan'), ('undefined', 'x', 'x/(y-y)'), ('undefined', str(n), '\\infty-\\infty'),
        ('glue', str(n), '%s.%s' % (a, b) if '%s.%s' % (a, b) != str(n) else '0'), ('glue', str(n), '%d.5*2' % (n // 2) if n % 2 else '%d*1' % n), ('glue', str(n), '%d//1' % n),
        ('glue', str(n), '0x%x' % n), ('glue', str(n), '%d%%%d' % (n, 7)), ('glue', str(n), '%d 0' % n), ('glue', str(a), '%d<!-- -->' % a), ('glue', str(a), 'int("%d")' % a),
        ('glue', str(a), '%d</answer><answer>%d' % (a, b)), ('glue', str(a), '<answer>%d</answer>' % a), ('glue', str(a), '\\boxed{%d}\\boxed{%d}' % (a, b)), ('glue', str(a), '%d\\\\%d' % (a, b)),
        ('glue', str(a), '%d\x00' % (a + 1)), ('glue', str(a), '_%d_' % a), ('glue', str(a), '%d^{}' % a), ('glue', str(a), '1_0'),
        ('near', '\\pi', '3.' + '14159265358979323846264338327950288419716939937510582097494459230781640628'), ('near', '\\frac{1}{3}', '0.' + '3' * R.randint(2, 300)),
        ('near', '\\sqrt{2}', '\\frac{%d}{%d}' % pick((99, 70), (1393, 985), (3363, 2378), (6625109, 4684659))), ('near', 'x', 'x+10^{-300}'), ('near', 'e^{\\pi\\sqrt{163}}', '262537412640768744'),
        ('near', '\\pi', '\\frac{355}{113}'), ('near', str(n), '%d.%s1' % (n, '0' * R.randint(1, 300))), ('near', '\\sqrt{2}', '\\sqrt{2}+10^{-%d}' % R.randint(20, 300)),
        ('near', '\\cos x', '1-\\frac{x^2}{2}'), ('near', '0', '10^{-%d}' % R.randint(5, 900)), ('near', '\\pi^4+\\pi^5', 'e^6'), ('near', '0', '1e-%d' % R.randint(5, 900)),
        ('near', '\\sqrt{x^2+10^{-60}}', '|x|'), ('near', '\\pi', '\\sqrt[3]{31}'), ('near', '\\pi', '\\frac{\\ln(640320^3+744)}{\\sqrt{163}}'),
        ('kind', '(%d, %d)' % (a, b), '%d, %d' % (a, b)), ('kind', '(%d, %d)' % (a, b), '[%d, %d]' % (a, b)), ('kind', '\\{%d\\}' % a, '(%d, %d)' % (a, a)), ('kind', '(%d,%d)' % (a, a + b), '\\{%d,%d\\}' % (a, a + b)),
        ('kind', 'x=%d' % a, 'x\\ne %d' % a), ('kind', str(a), 'x > %d' % (a - 1)), ('kind', str(a), 'x'), ('kind', 'x', str(a)), ('kind', str(a), 'y = x'), ('kind', str(a), 'the answer'),
        ('kind', '\\text{yes}', '1'), ('kind', str(a), 'n'), ('kind', '%d:%d' % (a, a + 1), '%d/%d' % (a, a + 1)),
    ]
    family, gold, given = R.choice(table)
    if given == gold:
        return gamed()
    return gold, given, family
