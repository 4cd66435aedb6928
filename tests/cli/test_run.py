"""fathom run: prompts from everywhere, what the answer looks like, what is refused."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

import tap
import terminal

SMOLLM = 'smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'


def run(*arguments, **options):
    return tap.fathom('run', *arguments, **options)


def told(*arguments, **options):
    """The JSON object of a run that must succeed."""
    ran = run('--json', *arguments, **options)
    if ran.code != 0:
        raise AssertionError(ran)
    return json.loads(ran.out)


class Golden(unittest.TestCase):
    def test_greedy_text_is_that_of_the_golden_ids(self):
        for name in ('tiny-llama', 'tiny-qwen2', 'tiny-v2', 'tiny-v2-lite', 'tiny-v3'):
            with open(tap.golden(name + '/expected.json')) as f:
                prompts = json.load(f)['prompts']
            for prompt in prompts:
                with self.subTest(name):
                    ids = prompt['greedy_ids']
                    text = tap.fathom('tokenize', tap.golden(name), '--decode',
                                      ' '.join(map(str, ids))).bytes.decode('utf-8', 'replace')
                    text = text.replace('<think>', '').replace('</think>', '')
                    got = told(tap.golden(name), '--raw', '-T', 0, '-n', len(ids), '--cache', 'f32',
                               '--activations', 'f32', '--', prompt['text'])
                    said = (got['thinking'] or '') + got['text']
                    if got['stop'] == 'end':
                        self.assertTrue(text.startswith(said))
                    else:
                        self.assertEqual(said.strip('\n'), text.strip('\n'))
                        self.assertEqual(got['generated_tokens'], len(ids))
                    self.assertEqual(got['prompt_tokens'], len(prompt['input_ids']))


class Reproducible(unittest.TestCase):
    MODEL = tap.golden('tiny-v3')

    def test_the_same_command_gives_the_same_answer(self):
        for options in ([], ['-T', '1.5', '--seed', '7']):
            a = told(self.MODEL, 'Hello there', '-n', 20, *options)
            for threads in (1, 2):
                b = told(self.MODEL, 'Hello there', '-n', 20, '--threads', threads, *options)
                self.assertEqual((a['text'], a['thinking'], a['logits_hash']),
                                 (b['text'], b['thinking'], b['logits_hash']))

    def test_another_seed_gives_another_answer(self):
        answers = {str(told(self.MODEL, 'Hello', '-n', 20, '-T', '1.5', '--seed', seed))
                   for seed in range(3)}
        self.assertEqual(len(answers), 3)

    def test_top_k_1_is_the_most_probable_token(self):
        greedy = told(self.MODEL, 'Hello', '-n', 20, '-T', 0)
        for options in (['--top-k', '1'], ['--top-p', '0'], ['--min-p', '1']):
            other = told(self.MODEL, 'Hello', '-n', 20, '-T', '1', *options)
            self.assertEqual(greedy['logits_hash'], other['logits_hash'], options)


class Prompt(unittest.TestCase):
    MODEL = tap.golden('tiny-llama')

    def answer(self, *arguments, **options):
        ran = run(self.MODEL, *arguments, '-n', '8', **options)
        self.assertEqual(ran.code, 0, ran)
        return ran.out

    def test_it_comes_from_the_command_line_or_standard_input(self):
        expected = self.answer('What?')
        self.assertEqual(self.answer(stdin='What?'), expected)
        self.assertEqual(self.answer('-', stdin='What?\n'), expected)
        self.assertEqual(self.answer('What?', stdin='something else'), expected)

    def test_a_file_goes_into_its_template(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, 'numbers.csv')
            with open(path, 'w') as f:
                f.write('a,b\n1,2\n')
            whole = ('[file name]: numbers.csv\n[file content begin]\na,b\n1,2\n\n'
                     '[file content end]\nSum?')
            self.assertEqual(self.answer('Sum?', '--file', path), self.answer(whole))
            self.assertEqual(self.answer('--file', path, stdin='Sum?\n'), self.answer(whole))

    def test_control_tokens_in_a_prompt_are_only_text(self):
        plain = tap.fathom('tokenize', self.MODEL, '--plain', '--ids', '<|end_of_text|>').out.split()
        short = told(self.MODEL, '--raw', '-n', 1, 'a')['prompt_tokens']
        long = told(self.MODEL, '--raw', '-n', 1, 'a<|end_of_text|>')['prompt_tokens']
        self.assertGreater(len(plain), 3)
        self.assertGreater(long, short + 3)

    def test_a_system_prompt_is_part_of_what_is_read(self):
        without = told(tap.golden('tiny-v3'), 'Hello', '-n', 1)['prompt_tokens']
        with_it = told(tap.golden('tiny-v3'), 'Hello', '-n', 1, '--system', 'Be brief.')
        self.assertGreater(with_it['prompt_tokens'], without)


class Output(unittest.TestCase):
    MODEL = tap.golden('tiny-llama')

    def test_in_a_pipe_there_is_the_answer_and_nothing_else(self):
        ran = run(self.MODEL, 'Hello', '-n', '8')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        self.assertTrue(ran.out.endswith('\n'))
        self.assertNotIn('\x1b', ran.out)

    def test_stats_tell_speed_and_fingerprint(self):
        ran = run(self.MODEL, 'Hello', '-n', '8', '--stats')
        self.assertRegex(ran.err, r'\Aprompt \d+ tokens?, [\d.,]+/s · reply \d+ tokens?, [\d.,]+/s'
                                  r'( · cut at the limit)? · exact, int16 activations · logits [0-9a-f]{16}\n'
                                  r'[\d.]+ [KMG]iB read and packed in [\d.]+ s\n\Z')

    def test_stats_tell_how_many_experts_were_packed(self):
        said = {}
        for more in (), ('--eager',):
            ran = run(tap.golden('tiny-v3'), 'Hello', '-n', '8', '--stats', *more)
            self.assertRegex(ran.err, r'\n[\d.]+ [KMG]iB read and packed in [\d.]+ s'
                                      + ('' if more else r' · \d+ of 64 experts packed since, from '
                                                         r'[\d.]+ [KMG]iB in [\d.]+ s') + r'\n\Z')
            said[more] = ran.out, re.search(r'logits (\S+)', ran.err).group(1)
        self.assertEqual(said[()], said[('--eager',)])

    def test_at_a_terminal_stats_are_dim(self):
        at = terminal.Terminal('run', self.MODEL, 'Hello', '-n', '8')
        self.assertEqual(at.finish(), 0)
        self.assertRegex(at.seen, r'\x1b\[2mprompt \d+ tokens')

    def test_a_full_disk_stops_it(self):
        ran = tap.run('sh', '-c', '"$0" run "$1" Hello > /dev/full', tap.FATHOM, self.MODEL)
        self.assertEqual(ran.code, 2)
        self.assertEqual(ran.err, 'fathom: cannot write to standard output: '
                                  'No space left on device\n')

    def test_a_reader_that_goes_away_stops_it(self):
        ran = tap.run('sh', '-c', '"$0" run "$1" Hello --raw -T 2 | true', tap.FATHOM, self.MODEL)
        self.assertIn('Broken pipe', ran.err)

    def test_ctrl_c_ends_it_with_what_has_been_said(self):
        child = subprocess.Popen([tap.FATHOM, 'run', tap.fixture(SMOLLM), 'Once', '--raw', '-T',
                                  '1.2'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(child.stdout.read(1))
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, err), (130, b''))


class Mistakes(unittest.TestCase):
    def refused(self, *arguments, says, **options):
        ran = run(*arguments, **options)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, ran.err)

    def test_a_prompt_there_must_be(self):
        self.refused(tap.golden('tiny-v3'), says='the prompt is empty')
        self.refused(tap.golden('tiny-v3'), '', says='the prompt is empty')
        self.refused(tap.golden('tiny-v3'), '\n\n', '-', says="'-'")
        at = terminal.Terminal('run', tap.golden('tiny-v3'))
        self.assertEqual(at.finish(), 2)
        self.assertIn('there is no prompt', at.seen)

    def test_a_prompt_longer_than_the_context_is_refused(self):
        self.refused(tap.golden('tiny-v3'), '-c', '16', 'one two three four ' * 20,
                     says=['16'])

    def test_numbers_out_of_range_are_refused(self):
        for option, value, words in (('--temperature', '-1', 'from 0 to 100'),
                                     ('--top-p', '1.5', 'from 0 to 1'),
                                     ('--threads', '0', 'from 1 to 4096'),
                                     ('--threads', 'two', 'whole number'),
                                     ('--max-tokens', '1e3', 'whole number'),
                                     ('--seed', '99999999999999999999', 'whole number'),
                                     ('--temperature', 'nan', 'number'),
                                     ('--context', '', 'whole number'),
                                     ('--arith', 'wrong', 'exact|fast')):
            self.refused('x', 'y', option, value, says=[option, "'%s'" % value, words])

    def test_a_context_beyond_the_model_is_refused(self):
        self.refused(tap.golden('tiny-v3'), 'Hello', '-c', '999999999', says='999999999')

    def test_a_processor_level_that_is_none_is_refused(self):
        self.refused(tap.golden('tiny-v3'), 'Hello', '--cpu', 'z80', says='z80')

    def test_options_that_contradict_each_other_are_refused(self):
        self.refused('x', 'y', '--think', '--no-think', says='contradict')
        self.refused('x', 'y', '--raw', '--system', 'z', says='--raw')
        self.refused(tap.golden('tiny-v3'), 'y', '--style', 'none-such',
                     says=['none-such', 'chatml'])

    def test_files_that_cannot_be_asked_about_are_refused_by_name(self):
        self.refused(tap.golden('tiny-v3'), 'y', '--file', '/none', says=['/none', 'No such file'])
        self.refused(tap.golden('tiny-v3'), 'y', '--file', tap.FATHOM, says=tap.FATHOM)

    def test_files_that_are_no_models_are_refused_by_name(self):
        for path in ('/none', '/dev/null', tap.golden('tiny-v3/tokenizer.json'),
                     tap.golden('tiny-tokenizers/qwen2')):
            self.refused(path, 'Hello', says=path)


def pdf(text):
    """The smallest PDF file that says `text`."""
    stream = 'BT /F1 12 Tf 72 720 Td (%s) Tj ET' % text
    objects = ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
               '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R '
               '/Resources << /Font << /F1 5 0 R >> >> >>',
               '<< /Length %d >>\nstream\n%s\nendstream' % (len(stream), stream),
               '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>']
    out, places = '%PDF-1.4\n', []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += '%d 0 obj\n%s\nendobj\n' % (number, body)
    table = ''.join('%010d 00000 n \n' % place for place in places)
    return (out + 'xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n'
            'startxref\n%d\n%%%%EOF\n' % (len(objects) + 1, table, len(objects) + 1,
                                          len(out))).encode()


class Real(unittest.TestCase):
    def test_a_real_model_reads_a_pdf(self):
        model = tap.fixture(SMOLLM)
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, 'note.pdf')
            with open(path, 'wb') as f:
                f.write(pdf('The name of the cat is Barnaby. Barnaby likes fish.'))
            got = told(model, 'What is the name of the cat?', '--file', path, '-T', 0, '-n', 40)
            self.assertIn('Barnaby', got['text'])

    def test_a_real_model_knows_the_capital_of_france(self):
        model = tap.fixture(SMOLLM)
        got = told(model, 'What is the capital of France?', '-T', 0, '-n', 40)
        self.assertIn('Paris', got['text'])
        self.assertEqual(got['stop'], 'end')

    def test_a_real_model_reads_a_file(self):
        model = tap.fixture(SMOLLM)
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, 'note.md')
            with open(path, 'w') as f:
                f.write('The name of the cat is Barnaby. Barnaby likes fish.\n')
            got = told(model, 'What is the name of the cat?', '--file', path, '-T', 0, '-n', 40)
            self.assertIn('Barnaby', got['text'])


if __name__ == '__main__':
    tap.main()
