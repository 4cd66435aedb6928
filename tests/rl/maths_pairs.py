#!/usr/bin/env python3
"""Pairs of answers whose truth is known because of how they are made, and who judges them how.

    tests/rl/maths_pairs.py make --equal 100000 --different 100000 [--seed 1] > pairs.tsv
    tests/rl/maths_pairs.py judge [build/tests/judge_pairs] < pairs.tsv
    tests/rl/maths_pairs.py peers [--limit 4000] < pairs.tsv       needs math-verify (PyPI), which brings sympy

A line is truth (1 or 0), family, a tab, the expected answer, a tab, the given answer. An equal pair writes one
value in two ways by rules of algebra that this program applies with Python's fractions and integers. A
different one is an equal one with the value changed, or one of the things that answers are gamed with.
`judge` and `peers` print, by family, how many were called right, wrong and undecided.
"""
import argparse
import collections
import subprocess
import sys

from maths_families import FAMILIES, R, around, gamed


# ---- the three commands -------------------------------------------------------------------------------

def clean(s):
    return s.replace('\t', ' ').replace('\n', ' ')


def make(equal, different, seed):
    R.seed(seed)
    for k in range(max(equal, different)):
        family = FAMILIES[k % len(FAMILIES)]
        gold, right, wrong = family()
        if k < equal:
            yield 1, family.__name__[4:], gold, around(right)
        if k < different:
            if k % 3 == 0:
                gold, wrong, name = gamed()
                yield 0, 'gamed_' + name, gold, wrong
            else:
                yield 0, family.__name__[4:], gold, around(wrong)


def read():
    for line in sys.stdin:
        head, gold, given = line.rstrip('\n').split('\t')
        truth, family = head.split(' ')
        yield int(truth), family, gold, given


def table(pairs, verdicts, examples):
    count = collections.defaultdict(collections.Counter)
    shown = collections.Counter()
    for (truth, family, gold, given), verdict in zip(pairs, verdicts):
        count[truth, family][verdict[0]] += 1
        if verdict[0] != 'WR'[truth] and shown[truth, family] < examples:
            shown[truth, family] += 1
            print('  %s %s %-18s %s | %s' % (truth, verdict, family, gold[:90], given[:90]))
    for truth in (1, 0):
        total = collections.Counter()
        for (t, family), c in sorted(count.items()):
            if t == truth:
                total += c
                if c['WR'[truth]] != sum(c.values()):
                    print('%-9s %-22s right %6d  wrong %6d  undecided %5d' % (('different', 'equal')[t], family, c['R'], c['W'], c['U']))
        n = sum(total.values())
        if n:
            print('%-9s all of %7d        right %6d  wrong %6d  undecided %5d   %s %.4f %%' % (
                ('different', 'equal')[truth], n, total['R'], total['W'], total['U'],
                ('false positives', 'false negatives (wrong)')[truth], 100. * total['RW'[truth]] / n))


def bare(s):
    """Without what stands around an answer, which the peers are not asked to take off."""
    for _ in range(3):
        s = s.strip()
        s = s[:-1] if s.endswith('.') else s
        s = s[len('\\displaystyle'):] if s.startswith('\\displaystyle') else s
        for a, b in (('$$', '$$'), ('$', '$'), ('\\(', '\\)'), ('\\boxed{', '}')):
            if s.startswith(a) and s.endswith(b) and len(s) > len(a) + len(b):
                s = s[len(a):-len(b)]
    return s


def peers(pairs):
    """Math-Verify on all, and sympy on what Math-Verify's parser gives."""
    import signal
    import sympy
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    def late(*_):
        raise TimeoutError()

    signal.signal(signal.SIGALRM, late)
    configs = [LatexExtractionConfig(), ExprExtractionConfig(), StringExtractionConfig()]
    mine, theirs = [], []
    for truth, family, gold, given in pairs:
        signal.alarm(5)
        try:
            a = parse('$%s$' % gold, extraction_config=configs, parsing_timeout=None)
            b = parse('\\boxed{%s}' % bare(given), extraction_config=configs, parsing_timeout=None)
            mine.append('R' if verify(a, b, timeout_seconds=None) else 'W')
        except BaseException as e:  # a time-out, a recursion, a crash of a parser: no answer
            if isinstance(e, KeyboardInterrupt):
                raise
            mine.append('U ' + type(e).__name__)
        signal.alarm(5)
        try:
            if isinstance(a[0], sympy.Expr) and isinstance(b[0], sympy.Expr):
                theirs.append('R' if sympy.simplify(a[0] - b[0]) == 0 else 'W')
            else:
                theirs.append('U')
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            theirs.append('U ' + type(e).__name__)
        signal.alarm(0)
    return mine, theirs


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument('command', choices=['make', 'judge', 'peers'])
    arguments.add_argument('program', nargs='?', default='build/tests/rl/judge_pairs')
    arguments.add_argument('--equal', type=int, default=100000)
    arguments.add_argument('--different', type=int, default=100000)
    arguments.add_argument('--seed', type=int, default=1)
    arguments.add_argument('--limit', type=int, default=4000)
    arguments.add_argument('--examples', type=int, default=3)
    a = arguments.parse_args()
    if a.command == 'make':
        for truth, family, gold, given in make(a.equal, a.different, a.seed):
            print('%d %s\t%s\t%s' % (truth, family, clean(gold), clean(given)))
        return
    pairs = list(read())
    if a.command == 'judge':
        text = ''.join('%d\t%s\t%s\n' % (t, g, s) for t, _, g, s in pairs)
        done = subprocess.run([a.program], input=text.encode(), stdout=subprocess.PIPE, check=True)
        verdicts = done.stdout.decode().splitlines()
        if len(verdicts) != len(pairs):
            sys.exit('%d verdicts for %d pairs' % (len(verdicts), len(pairs)))
        table(pairs, verdicts, a.examples)
        bad = sum(t == 0 and v[0] == 'R' for (t, _, _, _), v in zip(pairs, verdicts))
        missed = sum(t == 1 and v[0] == 'W' for (t, _, _, _), v in zip(pairs, verdicts))
        equal = sum(t for t, _, _, _ in pairs)
        sys.exit(1 if bad or missed * 100 > equal else 0)
    R.seed(1)
    pairs = R.sample(pairs, min(a.limit, len(pairs)))
    mine, theirs = peers(pairs)
    print('Math-Verify')
    table(pairs, mine, a.examples)
    print("sympy's simplify of the difference, where both are expressions")
    table(pairs, theirs, 0)


if __name__ == '__main__':
    main()
