"""fathom sft: a model learns to answer, whole or by an adapter, killed and gone on with, to the same bytes."""
import hashlib
import json
import os
import random
import shutil
import tempfile
import unittest

import learning_data
import runs
import tap

ANSWERS = {'who': 'the cat', 'where': 'under it', 'when': 'then', 'what': 'a mat'}


def conversations(path, count):
    """Questions with much noise before the word that decides the answer."""
    draw = random.Random(2)
    with open(path, 'w') as f:
        for i in range(count):
            word = list(ANSWERS)[i % len(ANSWERS)]
            noise = [draw.choice(learning_data.WORDS) for _ in range(draw.randrange(2, 9))]
            f.write(json.dumps({'prompt': ' '.join(noise + [word]), 'completion': ANSWERS[word]}) + '\n')


def hash_of(path):
    names = [path] if os.path.isfile(path) else [os.path.join(path, n) for n in sorted(os.listdir(path))]
    h = hashlib.sha256()
    for name in names:
        with open(name, 'rb') as f:
            h.update(f.read())
    return h.hexdigest()


class Sft(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        conversations(cls.folder('answers.jsonl'), 400)
        cls.base = tap.golden('tiny-llama')
        cls.data = cls.build('data', cls.base, cls.folder('answers.jsonl'))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    @classmethod
    def folder(cls, name):
        return os.path.join(cls.scratch, name)

    @classmethod
    def build(cls, name, tokenizer, source):
        ran = tap.fathom('data', 'build', '--tokenizer', tokenizer, '--out', cls.folder(name), '--valid', '0.1',
                         '--near', '0', '--keep-duplicates', source)
        assert ran.code == 0, ran.err
        return cls.folder(name)

    def command(self, name, model, *options, data=None):
        keys = learning_data.settings(validation__every=20, checkpoint__every=1000)
        return ['sft', self.folder(name), '--model', model, '--data', data or self.data, *keys, *options]

    def sft(self, *arguments, **named):
        ran = tap.fathom(*self.command(*arguments, **named))
        self.assertEqual(ran.code, 0, ran.err)
        return ran

    def says(self, model, prompt, *options):
        ran = tap.fathom('run', model, prompt, '-n', '40', '--temperature', '0', '--json', *options)
        self.assertEqual(ran.code, 0, ran.err)
        return json.loads(ran.out)

    def test_it_learns_to_answer_and_to_stop_and_nothing_of_the_questions(self):
        self.sft('whole', self.base, '--steps', '40')
        # The noise cannot be foretold: a loss next to nothing has no question in it.
        self.assertLess(runs.events(self.folder('whole'), 'validation')[-1]['loss'], 0.05)
        for word, answer in ANSWERS.items():
            said = self.says(runs.last_checkpoint(self.folder('whole')), 'cat sat on ' + word)
            self.assertEqual(said['text'].strip(), answer, said)
            self.assertEqual(said['stop'], 'end', said)

    def test_an_adapter_learns_the_same_and_the_model_stays_as_it_is(self):
        before = hash_of(self.base)
        self.sft('lora', self.base, '--lora', '8', '--steps', '40')
        checkpoint = runs.last_checkpoint(self.folder('lora'))
        self.assertEqual(hash_of(self.base), before)
        self.assertEqual(sorted(os.listdir(checkpoint)),
                         ['adapter_config.json', 'adapter_model.safetensors', 'base.json', 'manifest.json',
                          'optimizer.safetensors', 'recipe.json', 'state.json', 'tokenizer.json', 'tokenizer_config.json'])
        with open(checkpoint + '/adapter_config.json') as f:
            config = json.load(f)
        self.assertEqual((config['r'], config['lora_alpha'], config['base_model_name_or_path']), (8, 16, self.base))
        for word, answer in ANSWERS.items():
            self.assertEqual(self.says(self.base, 'cat sat on ' + word, '--lora', checkpoint)['text'].strip(),
                             answer)

    def test_an_adapter_learns_on_every_kind_of_model_and_killed_it_ends_in_the_same_bytes(self):
        for i, name in enumerate(('tiny-qwen2', 'gguf/tiny-llama.q8_0.gguf', 'tiny-v3-fp8',
                                  'gguf/tiny-v2-lite.q8_0.gguf')):
            model = tap.golden(name)
            data = self.build('data%d' % i, model, self.folder('answers.jsonl'))
            options = ['--lora', '4', '--steps', '24', '-s', 'lora.alpha=4', '-s', 'optimizer.lr=0.01',
                       '-s', 'run.precision=' + ('f32' if i % 2 else 'bf16'), '-s', 'checkpoint.every=5']
            self.sft('straight%d' % i, model, *options, '--threads', '1', data=data)
            losses = [e['loss'] for e in runs.events(self.folder('straight%d' % i), 'step')]
            self.assertLess(losses[-1], 0.9 * losses[0], name)
            killed = runs.kill_and_go_on(self.folder('killed%d' % i),
                                         *self.command('killed%d' % i, model, *options, data=data))
            self.assertGreater(killed, 0)
            self.assertEqual(runs.manifest(self.folder('killed%d' % i)), runs.manifest(self.folder('straight%d' % i)))

    def test_an_adapter_goes_on_only_on_the_model_that_it_was_learnt_on(self):
        model = self.folder('moved')
        shutil.copytree(self.base, model)
        self.sft('based', model, '--lora', '2', '--steps', '2')
        with open(model + '/model.safetensors', 'r+b') as f:
            f.seek(-4096, os.SEEK_END)
            f.write(bytes(4096))
        ran = tap.fathom(*self.command('based', model, '--lora', '2', '--steps', '4'))
        self.assertEqual(ran.code, 2, ran)
        self.assertIn('was learnt on another model than ' + model, ran.err)
        shutil.rmtree(model)
        shutil.copytree(self.base, model)
        self.sft('based', model, '--lora', '2', '--steps', '4')

    def test_killed_a_whole_model_ends_in_the_same_bytes(self):
        options = ['--steps', '20', '-s', 'average.decay=0.9', '-s', 'checkpoint.every=5']
        self.sft('straight', self.base, *options, '--threads', '1')
        self.assertGreater(runs.kill_and_go_on(self.folder('killed'), *self.command('killed', self.base, *options)), 0)
        self.assertEqual(runs.manifest(self.folder('killed')), runs.manifest(self.folder('straight')))

    def test_targets_are_those_that_were_named(self):
        self.sft('named', tap.golden('tiny-llama'), '--lora', '2', '--steps', '1', '-s', 'lora.targets=q_proj,down_proj')
        with open(runs.last_checkpoint(self.folder('named')) + '/adapter_config.json') as f:
            self.assertEqual(sorted(json.load(f)['target_modules']), ['down_proj', 'q_proj'])

    def test_what_does_not_fit_is_refused_in_words(self):
        gguf = tap.golden('gguf/tiny-llama.q8_0.gguf')
        data = self.build('data-gguf', gguf, self.folder('answers.jsonl'))
        for options, said in ((('--steps', '1'), 'or train an adapter on it'),
                              (('--lora', '4', '-s', 'lora.targets=q_proj,router'), "no adapter can go on 'router'"),
                              (('-s', 'teacher.model=' + gguf), "that is 'fathom distill'")):
            ran = tap.fathom(*self.command('refused', gguf, *options, data=data))
            self.assertNotEqual(ran.code, 0)
            self.assertIn(said, ran.err)
            shutil.rmtree(self.folder('refused'), ignore_errors=True)
        ran = tap.fathom('pretrain', self.folder('refused'), '--data', data, '-s', 'lora.rank=4')
        self.assertIn('lora.rank and no model.start', ran.err)

    def test_conversations_with_tools_are_refused_with_file_and_line(self):
        asks = [{'role': 'user', 'content': 'who'}]
        calls = {'role': 'assistant', 'content': None, 'tool_calls': [{'function': {'name': 'f', 'arguments': '{}'}}]}
        for number, value in enumerate(({'messages': asks + [calls]},
                                        {'messages': asks + [{'role': 'assistant', 'content': 'x'}],
                                         'tools': [{'type': 'function'}]})):
            path = self.folder('tools%d.jsonl' % number)
            with open(path, 'w') as f:
                f.write(json.dumps({'prompt': 'who', 'completion': 'x'}) + '\n' + json.dumps(value) + '\n')
            ran = tap.fathom('data', 'build', '--tokenizer', self.base, '--out', self.folder('none'), path)
            self.assertNotEqual(ran.code, 0)
            self.assertIn('tools%d.jsonl, line 2: a ' % number, ran.err)
            self.assertIn('cannot be learnt from yet', ran.err)


if __name__ == '__main__':
    tap.main()
