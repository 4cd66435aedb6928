"""The same bits everywhere: whatever the threads, the instructions, the guesses and the chunks, and
from every compiler and build of this source tree that is here."""
import json
import os
import unittest

import tap

MODELS = ('tiny-v3', 'tiny-v2-lite', 'tiny-v2', 'tiny-llama', 'tiny-qwen2')


def reply(program, model, *options):
    """Text, and a fingerprint of the logits behind every token of it, drawn by chance."""
    ran = tap.run(program, 'run', tap.golden(model), '--json', '--raw', '-n', '40', '-T', '0.8',
                  '--seed', '3', 'The sea and the sea and ' * 12, *options)
    if ran.code != 0:
        raise AssertionError(ran)
    told = json.loads(ran.out)
    return told['text'], told['logits_hash']


def builds():
    """This program, and its siblings by other compilers and with other checks, if they are of the
    source as it is now."""
    sources = max(os.path.getmtime(os.path.join(folder, name))
                  for folder, _, names in os.walk(os.path.join(tap.SOURCE, 'src')) for name in names)
    found = [os.path.join(tap.SOURCE, b, 'fathom') for b in ('build', 'build-asan')]
    return [tap.FATHOM] + [p for p in found if p != tap.FATHOM and os.path.exists(p) and
                           os.path.getmtime(p) >= sources]


class Bits(unittest.TestCase):
    def check(self, model, ways):
        expected = reply(tap.FATHOM, model)
        for program, options in ways:
            self.assertEqual(reply(program, model, *options), expected, (model, program, options))

    def test_threads_instructions_and_guesses_change_no_bit(self):
        ways = [(tap.FATHOM, o) for o in (
            ('-t', '1'), ('-t', '3'), ('-t', '5'), ('--cpu', 'ref', '-t', '2'), ('--guesses', '0'),
            ('--guesses', '15'), ('--map-only',))]
        with open('/proc/cpuinfo') as f:
            if 'avx2' in f.read():
                ways.append((tap.FATHOM, ('--cpu', 'avx2')))
        for model in MODELS:
            self.check(model, ways)

    def test_every_build_gives_the_bits_of_this_one(self):
        for model in MODELS:
            self.check(model, [(program, ()) for program in builds()])


if __name__ == '__main__':
    tap.main()
