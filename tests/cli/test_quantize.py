"""fathom quantize: recipes, patterns, what it says and what it refuses."""
import json
import os
import re
import tempfile
import unittest

import tap


class Quantize(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def quantize(self, source, *options):
        ran = tap.fathom('quantize', source, self.path('q.gguf'), '--json', '-f', *options)
        self.assertEqual(ran.code, 0, ran)
        return json.loads(ran.out), ran.err

    def types(self, made):
        return {t['name']: t['to'] for t in made['tensors']}

    def refused(self, *arguments, says):
        ran = tap.fathom('quantize', *arguments)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def test_the_document_adds_up(self):
        made, err = self.quantize(tap.golden('tiny-v3'), '--type', 'q8_0')
        self.assertEqual((made['format'], made['type'], made['architecture']),
                         ('gguf', 'q8_0', 'deepseek_v3'))
        self.assertEqual(made['bytes'], sum(t['bytes'] for t in made['tensors']))
        self.assertAlmostEqual(made['bits_per_weight'], 8 * made['bytes'] / made['weights'], 6)
        self.assertLess(made['bytes'], os.path.getsize(self.path('q.gguf')))
        for t in made['tensors']:
            self.assertEqual(t['rmse'] == 0, t['from'] == t['to'], t)
            self.assertLess(t['relative'], 0.01, t)
        self.assertEqual(['note: ' + n for n in made['notes']], err.splitlines())

    def test_every_recipe_is_listed_and_runs(self):
        listed = tap.fathom('quantize', '--list')
        self.assertEqual(listed.code, 0, listed)
        names = re.findall(r'(?m)^(\w+) +\S', listed.out)
        self.assertIn('q4_k_m', names)
        sizes = {}
        for name in names:
            made, _ = self.quantize(tap.golden('tiny-qwen2'), '--type', name.upper(), '-t', '2')
            sizes[name] = made['bytes']
            ran = tap.fathom('run', self.path('q.gguf'), 'Hello', '-n', '3', '-T', '0')
            self.assertEqual(ran.code, 0, ran)
        self.assertLess(sizes['q4_0'], sizes['q5_0'])
        self.assertLess(sizes['q5_0'], sizes['q8_0'])
        self.assertLess(sizes['q8_0'], sizes['bf16'])

    def test_the_usual_recipe_says_what_did_not_fit(self):
        ran = tap.fathom('quantize', tap.golden('tiny-v2-lite'), self.path('q.gguf'))
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r'q\.gguf  q4_k_m, [\d.]+ [KM]iB of [\d.]+ [KM]iB, [\d.]+ bits a weight, '
                                  r'error [\d.]+ %\n\Z')
        self.assertRegex(ran.err, r'note: \d+ tensors of rows of 64, which do not divide into blocks of 256: '
                                  r'Q5_0 there instead of Q4_K\n')

    def test_patterns_choose_types_by_name(self):
        made, _ = self.quantize(tap.golden('tiny-v2-lite'), '--type=q8_0',
                                '--tensor', 'exps=q5_0,blk.1.*_exps.weight=f16', '--fused-kv-b', '--name', 'X')
        types = self.types(made)
        for name, kind in types.items():
            if 'exps' in name:
                self.assertEqual(kind, 'F16' if name.startswith('blk.1.') else 'Q5_0', name)
        self.assertIn('blk.0.attn_kv_b.weight', types)
        made, err = self.quantize(tap.golden('tiny-v3'), '--type=q8_0', '--mtp')
        self.assertTrue(any('nextn' in name for name in self.types(made)))
        self.assertNotIn('left out', err)

    def test_a_file_that_is_there_is_kept_without_force(self):
        self.quantize(tap.golden('tiny-llama'))
        self.refused(tap.golden('tiny-llama'), self.path('q.gguf'), says='with force it is replaced')

    def test_an_importance_matrix_is_collected_and_used(self):
        text, matrix = self.path('text'), self.path('m.imatrix')
        with open(text, 'w') as f:
            f.write('The quick brown fox jumps over the lazy dog. ' * 60)
        ran = tap.fathom('quantize', tap.golden('tiny-v2-lite'), matrix, '--collect', text, '--context', '64',
                         '--limit', '3')
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r'm\.imatrix  inputs of \d+ weights over 192 tokens')
        made, err = self.quantize(tap.golden('tiny-v2-lite'), '--type=q8_0', '--imatrix', matrix)
        rounded = sum(t['to'] == 'Q8_0' for t in made['tensors'])
        self.assertEqual(made['weighted_tensors'], rounded - 1)
        self.assertIn('1 of %d rounded tensors are not in the importance matrix' % rounded, err)
        self.refused(tap.golden('tiny-v2-lite'), matrix, '--collect', text, says='with force it is replaced')
        ran = tap.fathom('quantize', tap.golden('tiny-llama'), self.path('n'), '--collect', text, '--json')
        self.assertEqual(json.loads(ran.out)['unseen_experts'], 0, ran)
        ran = tap.fathom('quantize', tap.golden('tiny-llama'), self.path('q'), '--type', 'q4_0', '--imatrix', matrix)
        self.assertEqual(ran.code, 2, ran)
        self.assertIn('made for another model', ran.err)
        self.refused(tap.golden('tiny-llama'), self.path('q'), '--collect', self.path('none'), says='none')
        self.assertFalse(os.path.exists(self.path('q')))

    def test_nonsense_is_refused(self):
        self.refused(says='quantize what')
        self.refused(tap.golden('tiny-llama'), says='where to')
        self.refused(tap.golden('tiny-llama'), self.path('q'), '--type', 'q3_k', says='none of the types')
        self.refused(tap.golden('tiny-llama'), self.path('q'), '--tensor', 'x=q8_0', says="called 'x'")
        self.refused(tap.golden('tiny-llama'), self.path('q'), '--imatrix', tap.golden('gguf/tiny-llama.f32.gguf'),
                     says='no importance matrix')
        self.refused(self.path('none'), self.path('q'), says='none')
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == '__main__':
    tap.main()
