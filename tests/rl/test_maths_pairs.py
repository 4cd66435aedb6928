"""Pairs of answers whose truth is known by how they were made (maths_pairs.py): never right where they differ,
and almost never wrong where they are equal. And the truth itself is checked: sympy, told the same pairs by
Math-Verify's parser, must not call a changed value equal."""
import os
import re
import unittest

import tap

PAIRS = os.path.join(tap.SOURCE, 'tests/rl/maths_pairs.py')
JUDGE = os.path.join(tap.BUILD, 'tests/rl/judge_pairs')
PEERS = os.path.join(tap.SOURCE, '.cache/fixtures/math-verify-0.9.0') # tests/fixtures/fetch brings it
# Families in which sympy gets the whole value: no units that a parser drops, no decimals made floats.
EXACT = ('fraction root nested_root denominator cube_root pi trig log exponential trig_identity polynomial '
         'rational_function root_of_variable').split()
COUNT = 100000 if os.environ.get('FATHOM_SOAK') else 500 if tap.SANITIZED else 4000


def make(count, seed):
    ran = tap.run('python3', PAIRS, 'make', '--equal', count, '--different', count, '--seed', seed)
    assert ran.code == 0, ran
    return ran.bytes


class MathsPairs(unittest.TestCase):
    def test_no_different_pair_is_right_and_few_equal_ones_are_wrong(self):
        ran = tap.run('python3', PAIRS, 'judge', JUDGE, stdin=make(COUNT, 2), timeout=3000)
        print(''.join('# %s\n' % line for line in ran.out.splitlines() if 'all of' in line), end='')
        self.assertEqual(ran.code, 0, ran)

    def test_sympy_calls_no_changed_value_equal(self):
        ran = tap.run('python3', PAIRS, 'peers', '--limit', 300, stdin=make(150, 3), timeout=900,
                      env={'PYTHONPATH': PEERS})
        self.assertEqual(ran.code, 0, ran)
        sympy = ran.out[ran.out.index("sympy's simplify"):]
        for line in re.findall(r'^different .*', sympy, re.MULTILINE):
            if line.split()[1] in EXACT:
                self.assertIn('right      0', line, ran)


if __name__ == '__main__':
    tap.main()
