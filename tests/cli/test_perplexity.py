"""fathom perplexity: figures, files of distributions and refusals through the program."""
import json
import math
import os
import re
import struct
import tempfile
import unittest

import tap

TEXT = ' '.join('The quick brown fox number %d jumps over the lazy dog.' % i for i in range(60))


class Perplexity(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.text = self.path('text.txt')
        with open(self.text, 'w') as f:
            f.write(TEXT)

    def path(self, name):
        return os.path.join(self.folder, name)

    def score(self, model, *options, err=''):
        ran = tap.fathom('perplexity', tap.golden(model), self.text, '--json', '-c', '64', *options)
        self.assertEqual((ran.code, ran.err), (0, err), ran)
        return json.loads(ran.out)

    def refused(self, *arguments, says, **options):
        ran = tap.fathom('perplexity', *arguments, **options)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def test_figures_agree_with_each_other(self):
        got = self.score('tiny-v3')
        self.assertEqual(got['windows'], got['tokens'] // 64)
        self.assertEqual(got['scored'], got['windows'] * 31)
        self.assertAlmostEqual(got['perplexity'], math.exp(got['nll']), 6)
        self.assertGreater(got['perplexity_error'], 0)
        strided = self.score('tiny-v3', '--stride', '16')
        self.assertEqual(strided['scored'], strided['tokens'] - 1)
        bits = strided['nll'] * strided['scored'] / math.log(2)
        # every byte but those of the first token is foretold
        self.assertLess(abs(bits / strided['bits_per_byte'] - len(TEXT)), 12)
        self.assertEqual(self.score('tiny-v3', '--limit', '2')['windows'], 2)

    def test_figures_are_the_same_at_every_cpu_level_and_thread_count(self):
        usual = self.score('tiny-v2-lite')
        for options in (['--cpu', 'ref'], ['--threads', '1']):
            other = self.score('tiny-v2-lite', *options)
            self.assertEqual({**usual, 'cpu': 0}, {**other, 'cpu': 0})

    def test_the_running_value_ends_in_the_final_one(self):
        ran = tap.fathom('perplexity', tap.golden('tiny-llama'), self.text, '-c', '64')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        running = re.findall(r'\[(\d+)\]([\d.]+)', ran.out)
        self.assertEqual([int(i) for i, _ in running], list(range(1, len(running) + 1)))
        final = re.search(r'^  perplexity +([\d.]+)  ± [\d.e+-]+$', ran.out, re.M).group(1)
        self.assertAlmostEqual(float(running[-1][1]), float(final), 3)
        quiet = tap.fathom('perplexity', tap.golden('tiny-llama'), self.text, '-c', '64', '-q')
        self.assertEqual(quiet.out, ran.out[ran.out.index('\n\n') + 2:])
        self.assertEqual(tap.fathom('perplexity', tap.golden('tiny-llama'), '-', '-c', '64', '-q',
                                    stdin=TEXT).out.replace('  - on', '  %s on' % self.text), quiet.out)

    def test_two_runs_are_compared_through_a_file(self):
        file = self.path('base')
        got = self.score('tiny-v2-lite')
        rows = got['scored']
        with open(os.path.join(tap.golden('tiny-v2-lite'), 'config.json')) as f:
            vocabulary = json.load(f)['vocab_size']
        size = 48 + rows * (16 + (2 * vocabulary + 3) // 4 * 4)
        said = '%d windows, %d tokens to score; %s will have ' % (got['windows'], rows, file)
        ran = tap.fathom('perplexity', tap.golden('tiny-v2-lite'), self.text, '--json', '-c', '64',
                         '--save-logits', file)
        self.assertEqual(ran.code, 0, ran)
        self.assertTrue(ran.err.startswith(said), ran)
        self.assertEqual(json.loads(ran.out), got)
        with open(file, 'rb') as f:
            head = f.read(48)
        self.assertEqual(os.path.getsize(file), size)
        self.assertEqual(struct.unpack('<8sIIQII', head[:32]), (b'FATHOMLP', 1, vocabulary, rows, 64, 0))
        same = self.score('tiny-v2-lite', '--against', file)['against']
        self.assertLess(same['kl_max'], 1e-7)
        self.assertEqual(same['same_top'], 1)
        other = self.score('tiny-v2-lite', '--against', file, '--cache', 'int8')['against']
        self.assertGreater(other['kl'], same['kl'])
        self.assertGreaterEqual(other['kl_max'], other['kl_99'])
        self.assertGreaterEqual(other['kl_99'], other['kl_median'])
        self.assertAlmostEqual(other['perplexity'] / got['perplexity'], 1, 6)
        shown = tap.fathom('perplexity', tap.golden('tiny-v2-lite'), self.text, '-q', '-c', '64', '--against',
                           file, '--cache', 'int8')
        for words in ('KL divergence, mean', 'same first choice', 'change of log p'):
            self.assertIn(words, shown.out)
        self.refused(tap.golden('tiny-v2-lite'), self.text, '-c', '32', '--against', file,
                     says='a context of 64 and this run has 32')
        self.refused(tap.golden('tiny-v2-lite'), self.text, '-c', '64', '--against', self.text,
                     says='holds no log-probabilities')

    def test_what_cannot_be_scored_is_refused_with_a_reason(self):
        model = tap.golden('tiny-llama')
        self.refused(model, self.path('nothing'), says='nothing')
        self.refused(model, '-', stdin='', says='fewer than a window of 512')
        self.refused(model, '-', stdin='short', says='give a longer text, a smaller context or a stride')
        self.refused(model, '-', stdin=b'abc \xff\xfe def', says='UTF-8')
        self.refused(model, self.text, '-c', '100000', says='100000')
        self.refused(model, self.text, '-c', '3', says='3')
        self.refused(model, self.text, '-c', '64', '--stride', '64', says='less than the window of 64')
        self.refused(model, self.text, '-c', '64', '--save-logits', self.path('no/such/folder'),
                     says='no/such/folder')

    def test_a_real_model_gives_its_figure_through_the_program(self):
        """The one that eval/perplexity compares with llama.cpp's, of the first window."""
        model = tap.fixture('smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')
        ask = ['perplexity', model, tap.golden('peers/alice.txt'), '--json', '--limit', '1']
        ran = tap.fathom(*ask, '--activations', 'f32', '--cache', 'f32')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        got = json.loads(ran.out)
        self.assertEqual((got['windows'], got['scored'], got['tokens']), (1, 255, 1970))
        self.assertAlmostEqual(got['perplexity'], 19.8367, 3)
        # Over all windows: a mean divergence of 4.7e-5 (docs/cache.md) moves a token's log p by 0.01, which is 0.0006 in
        # the mean over one window's 255 tokens and half of that over three windows'.
        def whole(*options):
            return json.loads(tap.fathom(*ask[:-2], *options).out)['perplexity']
        floats = whole('--activations', 'f32', '--cache', 'f32')
        for options, most in ([], 1e-3), (['--activations', 'int8'], 1e-2):
            rounded = whole(*options)
            self.assertNotEqual(rounded, floats)
            self.assertLess(abs(rounded / floats - 1), most)


if __name__ == '__main__':
    tap.main()
