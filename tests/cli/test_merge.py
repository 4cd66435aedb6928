"""fathom convert --lora: an adapter becomes part of the weights, in the arithmetic that docs/convert.md states."""
import array
import json
import os
import tempfile
import unittest

import adapters
import safetensors
import tap

IDS = '5,301,17,260,44,9'


def merged(w, a, b):
    """float32(w + scale * sum of b a): doubles, whose products of two floats are exact, in order of the rank."""
    out, scale, columns = array.array('f'), adapters.ALPHA / adapters.RANK, w.shape[1]
    for i in range(w.shape[0]):
        for c in range(columns):
            total = 0.0
            for r in range(adapters.RANK):
                total += b.values[i * adapters.RANK + r] * a.values[r * columns + c]
            out.append(w.values[i * columns + c] + scale * total)
    return out


class Merge(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def convert(self, source, target, *options):
        ran = tap.fathom('convert', source, target, '--json', *options)
        self.assertEqual(ran.code, 0, ran)
        return json.loads(ran.out)

    def logits(self, model, *options):
        out = self.path('logits.safetensors')
        ran = tap.fathom('logits', model, '--ids', IDS, '--out', out, *options)
        self.assertEqual(ran.code, 0, ran)
        return safetensors.read(out)['logits']

    def refused(self, *arguments, says):
        ran = tap.fathom('convert', *arguments)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)
        self.assertFalse(os.path.exists(arguments[1]))

    def test_a_merged_weight_is_the_stated_number_and_all_others_keep_their_bits(self):
        for model in 'tiny-llama', 'tiny-v2-lite', 'tiny-v3':
            source, out = tap.golden(model), self.path(model)
            made = adapters.make(self.path(model + '.lora'), source)
            said = self.convert(source, out, '--lora', self.path(model + '.lora'))
            self.assertEqual((said['format'], said['dtype']), ('safetensors', 'F32'))
            self.assertEqual(said['notes'][0], 'the adapter was added to %d weights' % len(made))
            before, after = adapters.weights(source), adapters.weights(out)
            self.assertEqual(before.keys(), after.keys())
            for name, w in before.items():
                expected = merged(w, *made[name]) if name in made else w.values
                self.assertEqual(after[name].values, expected, name)
            for name in 'tokenizer.json', 'tokenizer_config.json':
                with open(os.path.join(out, name), 'rb') as a, open(os.path.join(source, name), 'rb') as b:
                    self.assertEqual(a.read(), b.read())
            with open(os.path.join(out, 'config.json')) as a, open(os.path.join(source, 'config.json')) as b:
                new, old = json.load(a), json.load(b)
            self.assertEqual(new.pop('torch_dtype'), 'float32')
            for name in 'torch_dtype', 'dtype', 'auto_map':
                old.pop(name, None)
            self.assertEqual(new, old)

    def test_the_merged_model_computes_what_the_model_with_its_adapter_does(self):
        for model in 'tiny-llama', 'tiny-qwen2', 'tiny-v2-lite':
            source, lora = tap.golden(model), self.path(model + '.lora')
            adapters.make(lora, source)
            self.convert(source, self.path(model), '--lora', lora)
            plain, usual = self.logits(source), self.logits(source, '--lora', lora)
            self.assertGreater(safetensors.distance(plain, usual), 0.05)
            self.assertLess(safetensors.distance(self.logits(self.path(model)), usual), 2e-5, model)

    def test_the_four_ways_between_the_kinds_of_file_give_the_same_logits(self):
        for model in 'tiny-llama', 'tiny-v2-lite':
            source, lora, file = tap.golden(model), self.path(model + '.lora'), self.path(model + '.gguf')
            adapters.make(lora, source)
            self.convert(source, file)
            seen = {}
            for i, (start, end) in enumerate([(source, ''), (source, '.gguf'), (file, ''), (file, '.gguf')]):
                target = self.path('%s-merged-%d%s' % (model, i, end))
                said = self.convert(start, target, '--lora', lora)
                self.assertEqual(said['format'], 'gguf' if end else 'safetensors')
                logits = self.logits(target).values
                self.assertEqual(logits, seen.setdefault(end, logits), target)
            if model != 'tiny-llama':  # whose rotary table is rounded in GGUF
                self.assertEqual(seen[''], seen['.gguf'])

    def test_a_quantised_model_takes_an_adapter_and_is_then_in_bf16_or_what_is_asked(self):
        lora, file = self.path('lora'), tap.golden('gguf/tiny-v2-lite.q8_0.gguf')
        adapters.make(lora, tap.golden('tiny-v2-lite'))
        self.assertEqual(self.convert(file, self.path('b.gguf'), '--lora', lora)['dtype'], 'BF16')
        self.convert(file, self.path('f.gguf'), '--lora', lora, '--dtype', 'f32')
        usual = self.logits(file, '--lora', lora)
        self.assertLess(safetensors.distance(self.logits(self.path('f.gguf')), usual), 2e-5)
        ran = tap.fathom('quantize', self.path('f.gguf'), self.path('q.gguf'), '--type', 'q8_0')
        self.assertEqual(ran.code, 0, ran)
        self.convert(tap.golden('tiny-v2-lite'), self.path('fp8'), '--lora', lora, '--dtype', 'fp8')
        self.logits(self.path('fp8'))

    def test_what_was_learnt_is_never_lost_silently(self):
        source, lora = tap.golden('tiny-v3'), self.path('lora')
        layers = json.load(open(os.path.join(source, 'config.json')))['num_hidden_layers']
        adapters.make(lora, source, layers=[0, layers])
        self.refused(source, self.path('m.gguf'), '--lora', lora, says='kept with mtp')
        self.convert(source, self.path('m.gguf'), '--lora', lora, '--mtp')
        self.refused(tap.golden('tiny-llama'), self.path('n.gguf'), '--lora', lora, says='for this model')
        self.refused(source, self.path('n.gguf'), '--lora', self.path('none'), says='none')


if __name__ == '__main__':
    tap.main()
