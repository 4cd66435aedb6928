"""fathom inspect: what it says of the golden models, and of what is none."""
import json
import re
import unittest

import tap
import terminal

FOLDERS = ['tiny-v3', 'tiny-v3-bf16', 'tiny-v3-fp8', 'tiny-v2-lite', 'tiny-v2', 'tiny-llama',
           'tiny-qwen2']
FILES = ['gguf/tiny-v3.f16-mla.gguf', 'gguf/tiny-v2-lite.q8_0.gguf', 'gguf/tiny-llama.q8_0.gguf',
         'gguf/tiny-qwen2.f32.gguf', 'tiny-llama/model.safetensors']


def inspect(*arguments):
    ran = tap.fathom('inspect', *arguments)
    if ran.code != 0 or ran.err:
        raise AssertionError(ran)
    return ran.out


def number(text, label):
    return int(re.search(r'(?m)^  %s +([\d,]+)' % label, text).group(1).replace(',', ''))


class Inspect(unittest.TestCase):
    def test_the_page_says_what_the_json_says(self):
        for name in FOLDERS + FILES:
            with self.subTest(name):
                page = inspect(tap.golden(name))
                told = json.loads(inspect(tap.golden(name), '--json'))
                self.assertEqual(number(page, 'in the files'), told['parameters']['in_file'])
                self.assertEqual(number(page, 'of which a token uses'),
                                 told['parameters']['active'])
                self.assertIn(told['model']['family'], page)
                self.assertIn('{:,} tensors'.format(told['file']['tensors']), page)
                for dtype in told['dtypes']:
                    self.assertRegex(page, r'(?m)^  %s +%s ' % (
                        dtype['dtype'], '{:,}'.format(dtype['elements'])))
                self.assertIn('fits, ', page)

    def test_pages_are_80_columns_wide_without_trailing_spaces(self):
        for name in FOLDERS + FILES:
            for line in inspect(tap.golden(name)).splitlines():
                self.assertLessEqual(len(line), 80)
                self.assertEqual(line, line.rstrip())

    def test_mla_is_told_with_what_it_saves(self):
        page = inspect(tap.golden('tiny-v3'))
        self.assertIn('multi-head latent attention', page)
        self.assertIn('4 times less', page)
        self.assertIn('16 routed, 4 for a token, 1 shared', page)
        self.assertIn('the multi-token-prediction module is there', page)

    def test_tensors_are_listed_on_request(self):
        told = json.loads(inspect(tap.golden('tiny-v3-fp8'), '--json'))['tensors']
        self.assertNotIn('Tensors', inspect(tap.golden('tiny-v3-fp8')))
        page = inspect(tap.golden('tiny-v3-fp8'), '--tensors').split('Tensors\n')[1]
        self.assertEqual(len(page.splitlines()), len(told))
        for line, tensor in zip(page.splitlines(), told):
            self.assertEqual(line.split()[:2], [tensor['name'], tensor['dtype']])
            self.assertIn(' × '.join(map(str, tensor['shape'])), line)

    def test_a_model_that_does_not_fit_is_said_not_to(self):
        page = inspect(tap.golden('tiny-v3'), '--memory', '1M')
        self.assertIn('does not fit', page)
        self.assertRegex(page.splitlines()[-1] + page.splitlines()[-2], 'needs')
        self.assertIn('fits, 64.0 GiB available',
                      inspect(tap.golden('tiny-v3'), '--memory', '68719476736'))

    def test_options_change_what_it_needs(self):
        def cache(*options):
            return json.loads(inspect(tap.golden('tiny-llama'), '--json', *options))['memory']
        self.assertEqual(cache('-c', '512')['context'], 512)
        self.assertGreater(cache('-c', '512')['cache'], cache('-c', '256')['cache'])
        self.assertAlmostEqual(cache('--cache', 'f32')['cache'] / cache('--cache', 'bf16')['cache'], 2, 2)
        self.assertEqual(cache('--cache', 'int8')['cache_bytes_per_token'], 3 * 128)  # 64 + 4 * 4, padded
        ran = tap.fathom('inspect', tap.golden('odd/v3-one-pair-one-head'), '--cache', 'int8')
        self.assertEqual(ran.code, 2, ran)
        self.assertIn('int8 cache', ran.err)
        self.assertIn('qk_rope_head_dim 2', ran.err)
        self.assertLess(cache('--map-only')['weights'], cache()['weights'])

    def test_a_terminal_says_it_in_green_or_red(self):
        for options, colour in (([], '\x1b[32mfits'), (['--memory', '1M'], '\x1b[31mdoes not fit')):
            at = terminal.Terminal('inspect', tap.golden('tiny-v3'), *options)
            self.assertEqual(at.finish(), 0)
            self.assertIn(colour, at.seen)

    def test_what_is_no_model_is_refused_by_name(self):
        for path in ('/none', '/dev/null', tap.golden('tiny-v3/tokenizer.json'),
                     tap.golden('quants'), tap.golden('README.md')):
            ran = tap.fathom('inspect', path)
            self.assertEqual((ran.code, ran.out), (2, ''), ran)
            self.assertRegex(ran.err, r'\Afathom: [^\n]*%s[^\n]*\n\Z' % re.escape(path))


class BeforeLoading(unittest.TestCase):
    def test_run_says_what_it_needs_before_it_takes_it(self):
        model = tap.golden('tiny-llama')
        ran = tap.fathom('run', model, 'Hello', '-n', '2', '--verbose')
        told = json.loads(inspect(model, '--json'))['memory']
        self.assertRegex(ran.err.splitlines()[0],
                         r'^needs [\d.]+ [KM]iB of [\d.]+ GiB: weights [\d.]+ [KM]iB, activations '
                         r'[\d.]+ [KM]iB, %d tokens [\d.]+ [KM]iB$' % told['context'])
        at = terminal.Terminal('run', model, 'Hello', '-n', '2')
        self.assertEqual(at.finish(), 0)
        self.assertIn('needs ', at.seen)


if __name__ == '__main__':
    tap.main()
