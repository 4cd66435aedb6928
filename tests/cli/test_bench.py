"""fathom bench: what it prints and refuses; no test looks at a speed."""
import csv
import io
import json
import re
import signal
import subprocess
import time
import unittest

import tap

QUICK = ('--repeat', '2', '--no-bandwidth', '--threads', '2')
NAMES = ['pp6@d0', 'pp20@d0', 'tg4@d0', 'pp6@d30', 'pp20@d30', 'tg4@d30']


def bench(model, *options):
    ran = tap.fathom('bench', tap.golden(model), '--prompt', '6,20', '--generate', '4', '--depth', '0,30',
                     *QUICK, *options)
    assert ran.code == 0 and ran.err == '', ran
    return ran.out


def hashes(document):
    return [t['logits_hash'] for t in document['tests']]


class Bench(unittest.TestCase):
    def test_the_document_has_every_figure(self):
        got = json.loads(bench('tiny-v3', '--json'))
        self.assertEqual([t['test'] for t in got['tests']], NAMES)
        self.assertEqual((got['arith'], got['cache'], got['threads'], got['repeat'], got['seed']),
                         ('exact', 'bf16', 2, 2, 0))
        self.assertEqual(got['experts_counted'], 'routed')
        self.assertNotIn('bandwidth', got)
        for t in got['tests']:
            self.assertLessEqual(t['tokens_per_second_min'], t['tokens_per_second'])
            self.assertLessEqual(t['tokens_per_second'], t['tokens_per_second_max'])
            self.assertRegex(t['logits_hash'], r'\A[0-9a-f]{16}\Z')
            self.assertAlmostEqual(t['seconds'] * t['tokens_per_second'] / t['tokens'], 1, 6)
            own = ['weight_bytes_per_step', 'cache_bytes_per_step', 'bytes_per_second']
            other = ['flops', 'flops_per_second']
            if t['kind'] == 'prefill':
                own, other = other, own
            for name in own:
                self.assertGreater(t[name], 0, name)
            for name in other:
                self.assertNotIn(name, t)
        deep, flat = got['tests'][5], got['tests'][2]
        self.assertEqual(deep['weight_bytes_per_step'], flat['weight_bytes_per_step'])
        self.assertEqual(deep['cache_bytes_per_step'] / 32.5, flat['cache_bytes_per_step'] / 2.5)

    def test_the_profile_counts_every_op_of_every_test(self):
        plain = json.loads(bench('tiny-v3', '--json'))
        got = json.loads(bench('tiny-v3', '--json', '--profile'))
        self.assertEqual(hashes(got), hashes(plain))
        self.assertNotIn('profile', plain['tests'][0])
        for t in got['tests']:
            lines = t['profile']
            times = [line['seconds'] for line in lines]
            self.assertEqual(times, sorted(times, reverse=True))
            kinds = {(line['op'], line['columns_in'], line['columns_out']) for line in lines}
            self.assertEqual(len(kinds), len(lines))
            steps = 2 * (t['tokens'] if t['kind'] == 'decode' else 1)
            calls = {line['op']: line['calls'] for line in lines}
            self.assertEqual(calls['embed'], steps)
            read = sum(line['weight_bytes'] for line in lines) / steps
            if t['kind'] == 'decode':  # norms and the embedding are not counted
                self.assertTrue(0.9 < read / t['weight_bytes_per_step'] <= 1, read)
        table = bench('tiny-v3', '--profile')
        self.assertEqual(table.count('us/token'), 6)
        self.assertEqual(len(re.findall(r'\n +experts ', table)), 6)

    def test_logits_depend_on_model_and_seed_and_on_nothing_else(self):
        usual = hashes(json.loads(bench('tiny-v2-lite', '--json')))
        self.assertEqual(len(set(usual)), 6)
        for options in (['--threads', '1'], ['--cpu', 'ref']):
            self.assertEqual(hashes(json.loads(bench('tiny-v2-lite', '--json', *options))), usual)
        for options in (['--seed', '1'], ['--cache', 'f32'], ['--cache', 'int8']):
            got = hashes(json.loads(bench('tiny-v2-lite', '--json', *options)))
            self.assertNotEqual(got, usual, options)

    def test_activations_are_named_and_are_part_of_what_the_logits_mean(self):
        usual = json.loads(bench('gguf/tiny-v2-lite.q8_0.gguf', '--json'))
        self.assertEqual(usual['activations'], 'int16')
        seen = hashes(usual)
        for kind in ('f32', 'int8'):
            got = json.loads(bench('gguf/tiny-v2-lite.q8_0.gguf', '--json', '--activations', kind))
            self.assertEqual(got['activations'], kind)
            seen += hashes(got)
        self.assertEqual(len(set(seen)), 18)
        for options in (['--threads', '1'], ['--cpu', 'ref']):
            again = bench('gguf/tiny-v2-lite.q8_0.gguf', '--json', *options)
            self.assertEqual(hashes(json.loads(again)), hashes(usual))

    def test_the_table_and_the_csv_say_the_same(self):
        lines = [line for line in bench('tiny-llama').splitlines() if '@d' in line]
        table = [line.split() for line in lines]
        rows = list(csv.DictReader(io.StringIO(bench('tiny-llama', '--csv'))))
        self.assertEqual([row[5] for row in table], NAMES)
        self.assertEqual([row['test'] for row in rows], NAMES)
        self.assertEqual([row[-1] for row in table], [row['logits_hash'] for row in rows])
        for row in rows:
            self.assertEqual((row['arith'], row['cache'], row['activations'], row['threads']),
                             ('exact', 'bf16', 'int16', '2'))
            self.assertGreater(float(row['tokens_per_second']), 0)
            self.assertEqual(row['bytes_per_second'] == '', row['test'].startswith('pp'))
            self.assertEqual(row['flops_per_second'] == '', row['test'].startswith('tg'))

    def test_replies_side_by_side_have_a_name_and_their_share_of_experts(self):
        one = json.loads(bench('tiny-v3', '--json'))
        got = json.loads(bench('tiny-v3', '--json', '--sequences', '20', '--prompt', '0'))
        self.assertEqual([t['test'] for t in got['tests']], ['tg4x20@d0', 'tg4x20@d30'])
        self.assertEqual(got['experts_counted'], 'expected')
        self.assertGreater(got['tests'][0]['weight_bytes_per_step'],
                           one['tests'][2]['weight_bytes_per_step'])
        self.assertEqual(got['tests'][0]['cache_bytes_per_step'],
                         20 * one['tests'][2]['cache_bytes_per_step'])

    def test_the_memory_is_measured_before_and_after(self):
        ran = tap.fathom('bench', tap.golden('tiny-llama'), '-p', '0', '-n', '2', '-r', '1', '--json')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        got = json.loads(ran.out)
        if 'bandwidth' not in got:
            self.skipTest('less than 256 MiB of memory are free')
        self.assertGreater(got['bandwidth']['before'], 0)
        self.assertGreater(got['bandwidth']['after'], 0)
        self.assertGreater(got['tests'][0]['bandwidth_fraction'], 0)

    def test_what_cannot_be_measured_is_refused_with_a_reason(self):
        for options, says in ((['--prompt', '0', '--generate', '0'], 'nothing to measure'),
                              (['--prompt', '1,x'], "not '1,x'"), (['--depth', ''], "--depth must be"),
                              (['--depth', '-1'], '--depth must be'),
                              (['--prompt', ',5'], '--prompt must be'),
                              (['--prompt', '5,'], '--prompt must be'),
                              (['--prompt', ','.join(['1'] * 33)], 'at most 32'),
                              (['--depth', '99999999999'], '--depth must be'),
                              (['--depth', '1000000'], 'positions and this model was made for'),
                              (['--repeat', '0'], '--repeat'), (['--csv', '--json'], 'give one')):
            with self.subTest(options):
                ran = tap.fathom('bench', tap.golden('tiny-llama'), *options)
                self.assertEqual((ran.code, ran.out), (2, ''), ran)
                self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
                self.assertIn(says, ran.err)

    def test_an_interrupt_ends_it_at_once(self):
        with subprocess.Popen([tap.FATHOM, 'bench', tap.golden('tiny-llama'), '-r', '10000', '-p', '200',
                               '--no-bandwidth'], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            time.sleep(0.5)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=60)
        self.assertIn(p.returncode, (130, -signal.SIGINT))  # the latter before anything is open
        self.assertEqual((out, err), (b'', b''))


if __name__ == '__main__':
    tap.main()
