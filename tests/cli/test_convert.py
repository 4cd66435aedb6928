"""fathom convert: both directions, its options, what it says and what it refuses."""
import json
import os
import tempfile
import unittest

import tap


class Convert(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def convert(self, source, target, *options):
        ran = tap.fathom('convert', source, target, '--json', *options)
        self.assertEqual(ran.code, 0, ran)
        return json.loads(ran.out), ran.err

    def refused(self, *arguments, says):
        ran = tap.fathom('convert', *arguments)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def logits(self, model):
        out = self.path('logits.safetensors')
        ran = tap.fathom('logits', model, '--ids', '5,301,17,260', '--out', out)
        self.assertEqual(ran.code, 0, ran)
        with open(out, 'rb') as f:
            return f.read()

    def test_there_and_back_gives_the_same_logits(self):
        there, err = self.convert(tap.golden('tiny-v2-lite'), self.path('m.gguf'))
        self.assertEqual((there['format'], there['dtype'], there['files'], there['notes'], err),
                         ('gguf', 'F32', 1, [], ''))
        back, err = self.convert(self.path('m.gguf'), self.path('m'))
        self.assertEqual((back['format'], back['dtype'], err), ('safetensors', 'F32', ''))
        self.assertEqual(sorted(os.listdir(self.path('m'))),
                         ['config.json', 'generation_config.json', 'model.safetensors',
                          'tokenizer.json', 'tokenizer_config.json'])
        usual = self.logits(tap.golden('tiny-v2-lite'))
        self.assertEqual(self.logits(self.path('m.gguf')), usual)
        self.assertEqual(self.logits(self.path('m')), usual)

    def test_what_is_left_out_or_rounded_is_said(self):
        ran = tap.fathom('convert', tap.golden('tiny-v3-fp8'), self.path('m.gguf'))
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r'm\.gguf  BF16, [\d.]+ [KM]iB, \d+ tensors\n\Z')
        self.assertIn('note: the multi-token-prediction module was left out', ran.err)
        self.assertRegex(ran.err, r'note: \d+ matrices were rounded from F8_E4M3 to BF16')
        made, err = self.convert(tap.golden('tiny-v3-fp8'), self.path('n.gguf'), '--mtp',
                                 '--dtype', 'f32', '--name', 'Mine')
        self.assertEqual((made['dtype'], made['notes'], err), ('F32', [], ''))
        about = json.loads(tap.fathom('inspect', self.path('n.gguf'), '--json').out)
        self.assertIn('mtp', json.dumps(about))
        self.assertIn('Mine', json.dumps(about))

    def test_options_of_form_are_obeyed(self):
        split, _ = self.convert(tap.golden('tiny-v2'), self.path('split.gguf'))
        fused, _ = self.convert(tap.golden('tiny-v2'), self.path('fused.gguf'), '--fused-kv-b')
        self.assertGreater(split['tensors'], fused['tensors'])
        self.assertEqual(self.logits(self.path('split.gguf')), self.logits(self.path('fused.gguf')))
        cut, _ = self.convert(self.path('split.gguf'), self.path('cut'), '--shard-size', '200k')
        self.assertGreater(cut['files'], 2)
        half, _ = self.convert(tap.golden('tiny-llama'), self.path('half.gguf'), '--dtype=f16', '-t1')
        self.assertEqual(half['dtype'], 'F16')

    def test_fp8_is_a_folder_as_deepseek_publishes_it_from_either_kind(self):
        made, err = self.convert(tap.golden('tiny-v3'), self.path('fp8'), '--dtype', 'fp8')
        self.assertEqual((made['format'], made['dtype'], made['files']), ('safetensors', 'F8_E4M3', 1))
        self.assertRegex(err, r'note: \d+ tensors were rounded from F32 to F8_E4M3')
        self.convert(tap.golden('tiny-v3'), self.path('m.gguf'))
        self.convert(self.path('m.gguf'), self.path('fp8-gguf'), '--dtype', 'fp8', '-t1')
        with open(tap.golden('tiny-v3-fp8/config.json')) as f:
            golden = json.load(f)
        for name in 'fp8', 'fp8-gguf':
            with open(self.path(name + '/config.json')) as f:
                config = json.load(f)
            self.assertEqual(config['quantization_config'], golden['quantization_config'])
            self.assertEqual(config['torch_dtype'], 'bfloat16')
            self.assertEqual(self.logits(self.path(name)), self.logits(tap.golden('tiny-v3-fp8')))
        with open(self.path('fp8/config.json')) as f:
            self.assertEqual(json.load(f), golden)
        for name in 'tokenizer.json', 'tokenizer_config.json':
            with open(self.path('fp8/' + name), 'rb') as a, open(tap.golden('tiny-v3/' + name), 'rb') as b:
                self.assertEqual(a.read(), b.read())
        self.refused(tap.golden('tiny-v3-fp8'), self.path('fp8'), '--dtype', 'fp8', says='is there already')

    def test_what_is_there_is_kept_without_force(self):
        self.convert(tap.golden('tiny-llama'), self.path('m.gguf'))
        self.refused(tap.golden('tiny-llama'), self.path('m.gguf'), says='with force it is replaced')
        self.convert(tap.golden('tiny-llama'), self.path('m.gguf'), '--force')
        self.refused(tap.golden('tiny-llama'), self.path(''), says='is a folder')

    def test_nonsense_is_refused(self):
        self.refused(self.path('none'), self.path('m.gguf'), says='none')
        self.refused(tap.golden('tiny-llama'), says='needs TARGET')
        self.refused(tap.golden('tiny-llama'), self.path('m'), '--dtype', 'q4_k', says='--dtype')
        with open(self.path('text'), 'w') as f:
            f.write('no model')
        self.refused(self.path('text'), self.path('m.gguf'), says='is no model')


if __name__ == '__main__':
    tap.main()
