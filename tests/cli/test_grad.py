"""fathom grad: the golden gradients through the program, and what it refuses."""
import json
import os
import tempfile
import unittest

import safetensors
import tap

MODELS = ['tiny-v3', 'tiny-v2-lite', 'tiny-v2', 'tiny-llama', 'tiny-qwen2']


class Grad(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.out = os.path.join(holder.name, 'out.safetensors')

    def expected(self, model, prefix):
        tensors = safetensors.read(tap.golden(model + '/expected.safetensors'),
                                   lambda name: name == 'p1.input_ids' or name.startswith(prefix))
        with open(tap.golden(model + '/expected.json')) as f:
            return tensors, json.load(f)

    def grad(self, model, ids, *options):
        ran = tap.fathom('grad', tap.golden(model), '--ids', ','.join(map(str, ids)), '--out', self.out, *options)
        self.assertEqual((ran.code, ran.out, ran.err), (0, '', ''), ran)
        return safetensors.read(self.out)

    def compare(self, got, tensors, prefix, norms):
        for name, norm in norms.items():
            is_norm = sum(x * x for x in got[name].values) ** 0.5
            self.assertLess(abs(is_norm - norm), 2e-4 * norm, name)
        for name, tensor in tensors.items():
            if not name.startswith(prefix):
                continue
            mine = got[name[len(prefix):]]
            self.assertEqual(list(mine.shape), list(tensor.shape), name)
            off = sum((a - b) ** 2 for a, b in zip(mine.values, tensor.values)) ** 0.5
            size = sum(b * b for b in tensor.values) ** 0.5
            self.assertLess(off, 2e-4 * size, name)
        self.assertLessEqual(set(norms), set(got))

    def test_every_golden_model_gives_its_loss_and_gradients(self):
        for model in MODELS:
            with self.subTest(model=model):
                tensors, numbers = self.expected(model, 'grad.')
                got = self.grad(model, tensors['p1.input_ids'].values)
                self.assertLess(abs(got['loss'].values[0] - numbers['train']['loss']), 2e-5)
                self.assertNotIn('mtp_loss', got)
                self.compare(got, tensors, 'grad.', numbers['train']['grad_norms'])

    def test_the_module_adds_three_tenths_of_its_loss(self):
        tensors, numbers = self.expected('tiny-v3', 'mtp.grad.')
        got = self.grad('tiny-v3', tensors['p1.input_ids'].values, '--mtp')
        self.assertLess(abs(got['loss'].values[0] - numbers['mtp']['main_loss']), 2e-5)
        self.assertLess(abs(got['mtp_loss'].values[0] - numbers['mtp']['loss']), 2e-5)
        self.compare(got, tensors, 'mtp.grad.', numbers['mtp']['grad_norms'])

    def test_threads_and_instructions_change_no_bit(self):
        files = []
        for options in (['--threads', '1'], ['--threads', '3'], ['--cpu', 'ref'], ['--cpu', 'avx2']):
            self.grad('tiny-v2-lite', range(20), *options)
            with open(self.out, 'rb') as f:
                files.append(f.read())
        self.assertEqual(len(set(files)), 1)

    def test_products_of_bf16_stay_near(self):
        ids = safetensors.read(tap.golden('tiny-llama/expected.safetensors'),
                               lambda name: name == 'p1.input_ids')['p1.input_ids'].values
        exact, near = self.grad('tiny-llama', ids), self.grad('tiny-llama', ids, '--activations', 'bf16')
        for name, tensor in exact.items():
            off = sum((a - b) ** 2 for a, b in zip(near[name].values, tensor.values)) ** 0.5
            size = sum(b * b for b in tensor.values) ** 0.5
            self.assertLess(off, 0.05 * size, name)
            if name not in ('loss',):
                self.assertGreater(off, 0, name)

    def refuse(self, words, *arguments):
        ran = tap.fathom('grad', *arguments)
        self.assertNotEqual(ran.code, 0)
        self.assertIn(words, ran.err)
        self.assertFalse(os.path.exists(self.out))

    def test_what_makes_no_sense_is_refused_in_words(self):
        model = tap.golden('tiny-llama')
        self.refuse('--out', model, '--ids', '1,2,3')
        self.refuse('token ids', model, '--out', self.out)
        self.refuse('nothing to predict', model, '--ids', '1', '--out', self.out)
        self.refuse('token 99999', model, '--ids', '1,99999', '--out', self.out)
        self.refuse('multi-token-prediction module', model, '--ids', '1,2,3', '--mtp', '--out', self.out)
        self.refuse('convert', tap.golden('gguf/tiny-llama.f32.gguf'), '--ids', '1,2,3', '--out', self.out)


if __name__ == '__main__':
    tap.main()
