"""Checkpoints of pretraining, opened by others: by Hugging Face's transformers as they are, by llama.cpp as `convert`
makes them, with an adapter merged into them too. Both must see the same logits as we do. Neither program comes with Fathom: bench/peers/pytorch and
bench/peers/build fetch them, and until then these are skipped."""
import json
import math
import os
import shutil
import struct
import sys
import tempfile
import unittest

import tap

sys.path.insert(0, os.path.join(tap.SOURCE, 'tests/cli'))
import adapters  # noqa: E402
import learning_data  # noqa: E402
import safetensors  # noqa: E402

COMPARE = os.path.join(tap.SOURCE, 'bench/peers/transformers_logits')
LLAMA = os.path.join(tap.SOURCE, '.cache/peers/llama.cpp/native/bin/llama-perplexity')
CONTEXT, CHUNKS = 128, 3

# What model.shape takes beside its own presets. llama.cpp opens a DeepSeek model without q_lora_rank only where it has
# 26 or 27 layers, so these have one.
SMALL = dict(vocab_size=320, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, rms_norm_eps=1e-6,
             max_position_embeddings=4096, rope_theta=10000.0, hidden_act='silu', bos_token_id=0, eos_token_id=1)
DEEPSEEK = dict(SMALL, architectures=['DeepseekV3ForCausalLM'], model_type='deepseek_v3', num_key_value_heads=4, q_lora_rank=24,
                qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, kv_lora_rank=32, moe_intermediate_size=32,
                n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2, first_k_dense_replace=1, moe_layer_freq=1,
                n_group=2, topk_group=1, num_nextn_predict_layers=1, topk_method='noaux_tc', scoring_func='sigmoid',
                norm_topk_prob=True, routed_scaling_factor=1.5, tie_word_embeddings=False)
LLAMA_SHAPE = dict(SMALL, architectures=['LlamaForCausalLM'], model_type='llama', num_key_value_heads=2, tie_word_embeddings=False)
QWEN = dict(SMALL, architectures=['Qwen2ForCausalLM'], model_type='qwen2', num_key_value_heads=2, tie_word_embeddings=True)
SHAPES = {'deepseek-v3': DEEPSEEK, 'llama': LLAMA_SHAPE, 'qwen2': QWEN}


class OpenCheckpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.checkpoints = {}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def make(self, *arguments):
        ran = tap.fathom(*arguments)
        self.assertEqual(ran.code, 0, ran)
        return ran.out

    def trained(self):
        """A folder of each shape, thirty steps from nothing: logits that say something."""
        if not self.checkpoints:
            data = learning_data.make(self.scratch)
            for name, config in SHAPES.items():
                with open(self.path(name + '.json'), 'w') as f:
                    json.dump(config, f)
                said = self.make('pretrain', self.path(name), '--data', data, '--steps', '30', '--json',
                                 *learning_data.settings(model__shape=self.path(name + '.json'), model__init_std=0.05))
                self.checkpoints[name] = json.loads(said)['checkpoint']
        return self.checkpoints

    def logits(self, folder, ids, *options):
        out = self.path('logits.safetensors')
        self.make('logits', folder, '--ids', ','.join(map(str, ids)), '--out', out, *options)
        tensor = safetensors.read(out)['logits']
        v = tensor.shape[1]
        return [tensor.values[i * v:(i + 1) * v] for i in range(tensor.shape[0])]

    def test_transformers_opens_a_checkpoint_as_it_is_and_computes_its_logits(self):
        if not os.path.exists(os.path.join(tap.SOURCE, '.cache/peers/pytorch/.ready')):
            self.skipTest('PyTorch and transformers are not here: bench/peers/pytorch installs them')
        ids = ','.join(str((37 * i + 11) % 300) for i in range(96))
        pairs = []
        for folder in self.trained().values():
            pairs += [folder, folder + '.logits']
            self.make('logits', folder, '--ids', ids, '--out', folder + '.logits')
        ran = tap.run('python3', COMPARE, '--no-setup', '--ids', ids, *pairs, timeout=500, env={'PYTHONPATH': ''})
        self.assertEqual(ran.code, 0, ran)
        for line, (name, config) in zip(ran.out.splitlines(), SHAPES.items()):
            said, own = json.loads(line), 'model.layers.%d.' % SMALL['num_hidden_layers']  # the module
            self.assertEqual(said['class'], config['architectures'][0])
            self.assertEqual(said['missing'], [], name)
            self.assertEqual([n for n in said['unexpected'] if not n.startswith(own)], [], name)
            self.assertLess(said['max'], 2e-4 * max(1, said['spread']), (name, said))

    def log_probabilities(self, path):
        """llama.cpp's file: the tokens, and for the second half of each chunk log-probabilities in 16 bits: a step, the
        least, and how many steps each is above it."""
        with open(path, 'rb') as f:
            data = f.read()
        self.assertEqual(data[:8], b'_logits_')
        context, vocabulary, chunks = struct.unpack_from('<3i', data, 8)
        tokens = struct.unpack_from('<%di' % (context * chunks), data, 20)
        at, size, rows = 20 + 4 * context * chunks, 2 * (2 * ((vocabulary + 1) // 2) + 4), []
        while at + size <= len(data):
            step, least = struct.unpack_from('<2f', data, at)
            rows.append((step, [least + step * q for q in struct.unpack_from('<%dH' % vocabulary, data, at + 8)]))
            at += size
        per_chunk = len(rows) // chunks
        self.assertGreaterEqual(per_chunk, context // 2 - 1)
        # It begins every chunk with the token that begins the first one.
        return [(tokens[:1] + tokens[c * context + 1:(c + 1) * context], rows[c * per_chunk:(c + 1) * per_chunk]) for c in range(chunks)]

    def seen_by_llama_cpp(self, file):
        """What llama.cpp computes from a GGUF file over a text: (tokens, rows) of each chunk."""
        if not os.path.exists(LLAMA):
            self.skipTest('llama.cpp is not here: bench/peers/build builds it')
        text, out = self.path('words.txt'), self.path('llama.kld')
        with open(text, 'w') as f:
            f.write(' '.join(learning_data.WORDS[(i * i + i // 7) % 13] for i in range(2000)))
        ran = tap.run(LLAMA, '-m', file, '-f', text, '-c', CONTEXT, '-b', CONTEXT, '--chunks', CHUNKS, '-ctk', 'f32', '-ctv',
                      'f32', '-fa', 'off', '-t', 1, '--kl-divergence-base', out)
        self.assertEqual(ran.code, 0, (file, ran))
        return self.log_probabilities(out)

    @staticmethod
    def farthest(rows, mine):
        """The largest distance of our log-probabilities from llama.cpp's, in what its file rounds away and what the
        order of float32's sums does."""
        worst = 0.0
        for (step, theirs), row in zip(rows, mine):
            most = max(row)
            total = most + math.log(sum(math.exp(x - most) for x in row))
            for a, b in zip(row, theirs):
                if a > most - 15.9:  # what lies lower is not told apart
                    worst = max(worst, abs(a - total - b) / (step / 2 + 3e-5))
        return worst

    def test_llama_cpp_opens_what_convert_makes_of_a_checkpoint_and_computes_its_logits(self):
        for name, folder in self.trained().items():
            file = self.path(name + '.gguf')
            self.make('convert', folder, file, '--dtype', 'f32')
            for tokens, rows in self.seen_by_llama_cpp(file):
                self.assertLess(self.farthest(rows, self.logits(folder, tokens)[CONTEXT // 2:]), 1, name)

    def test_llama_cpp_opens_a_model_with_its_adapter_merged_and_computes_what_the_two_apart_do(self):
        for name, folder in self.trained().items():
            file, lora = self.path(name + '-merged.gguf'), self.path(name + '.lora')
            adapters.make(lora, folder, layers=range(SMALL['num_hidden_layers']))
            self.make('convert', folder, file, '--lora', lora, '--dtype', 'f32')
            for tokens, rows in self.seen_by_llama_cpp(file):
                apart = self.logits(folder, tokens, '--lora', lora)[CONTEXT // 2:]
                self.assertLess(self.farthest(rows, apart), 1, name)
                self.assertGreater(self.farthest(rows, self.logits(folder, tokens)[CONTEXT // 2:]), 100, name)


if __name__ == '__main__':
    tap.main()
