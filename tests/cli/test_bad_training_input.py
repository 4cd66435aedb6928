"""What a trainer may be given by mistake, from the text to the recipe: clear words, and nothing that was there is lost."""
import json
import os
import shutil
import struct
import tempfile
import unittest

import learning_data
import tap


class BadTrainingInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.data = learning_data.make(cls.scratch)
        cls.start = cls.path('start')
        ran = tap.fathom('pretrain', cls.start, '--data', cls.data, '--steps', '1', *learning_data.settings())
        assert ran.code == 0, ran.err

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.scratch, *names)

    def write(self, name, content):
        with open(self.path(name), 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def build(self, name, *arguments):
        return tap.fathom('data', 'build', '--tokenizer', self.path('tokenizer'), '--out', self.path(name), *arguments)

    def pretrain(self, name, *options, data=None, **more):
        return tap.fathom('pretrain', self.path(name), '--data', data or self.data, *learning_data.settings(**more), *options)

    def refused(self, ran, *words):
        self.assertNotEqual(ran.code, 0, ran.out)
        for word in words:
            self.assertIn(word, ran.err)
        self.assertEqual(ran.err.count('\n'), 1, ran.err)  # one sentence

    # ---- text

    def test_files_without_any_text_are_refused_and_no_folder_is_made(self):
        for name, content in (('empty', b''), ('binary', bytes(range(256)) * 20), ('zeros', bytes(5000)),
                              ('blank.jsonl', b'\n\n')):
            self.refused(self.build('none', self.write(name, content)), 'there is no text in these files')
            self.assertFalse(os.path.exists(self.path('none')))
        os.makedirs(self.path('nothing'), exist_ok=True)
        self.refused(self.build('none', self.path('nothing')), 'there is no text in these files')
        self.refused(self.build('none', self.path('absent')), 'absent: No such file or directory')

    def test_among_text_what_is_empty_or_binary_is_left_out_and_counted(self):
        ran = self.build('among', self.write('empty', b''), self.write('binary', bytes(range(256))),
                         self.path('text.jsonl'))
        self.assertEqual(ran.code, 0, ran.err)
        self.assertIn('left out: 1 empty, 1 not text', ran.out)

    def test_a_line_that_is_no_document_is_named(self):
        self.refused(self.build('lines', self.write('a.jsonl', '{"text": "a"}\n{"txt": 1}\n')), 'a.jsonl, line 2: it needs')
        self.refused(self.build('lines', self.write('b.jsonl', b'{"text": "\xff"}\n')), 'b.jsonl, line 1: not valid JSON')
        self.refused(self.build('lines', self.write('c.jsonl', '{"text": "a"}\n' + '[' * 100000 + '\n')), 'c.jsonl, line 2:')
        self.assertFalse(os.path.exists(self.path('lines')))

    def test_a_document_longer_than_a_shard_and_than_a_row_is_learnt_from_whole(self):
        ran = self.build('long', '--valid', '0', '--shard', '1000', self.write('long.txt', 'the cat sat on the mat. ' * 800))
        self.assertEqual(ran.code, 0, ran.err)
        with open(self.path('long', 'data.json')) as f:
            shards = json.load(f)['sources'][0]['train']['shards']
        self.assertEqual([s['documents'] for s in shards], [1])
        tokens = shards[0]['tokens']
        self.assertGreater(tokens, 3000)
        ran = self.pretrain('learns-long', '--steps', str(-(-tokens // 512)), data=self.path('long'))
        self.assertEqual(ran.code, 0, ran.err)
        with open(self.path('learns-long', 'log.jsonl')) as f:
            seen = [e['tokens'] for e in map(json.loads, f) if e['event'] == 'step']
        self.assertGreaterEqual(seen[-1], tokens - 1)  # no token is left out; the last predicts nothing

    # ---- data

    def test_a_shard_that_was_cut_or_changed_is_named_before_the_first_step(self):
        shutil.copytree(self.data, self.path('cut'))
        os.truncate(self.path('cut', 'main-train-00000.tokens'), 5000)
        self.refused(self.pretrain('r1', data=self.path('cut')), 'main-train-00000.tokens', 'cut short')
        shutil.copytree(self.data, self.path('changed'))
        with open(self.path('changed', 'main-train-00000.tokens'), 'r+b') as f:
            f.seek(9000)
            f.write(b'\0')
        self.refused(self.pretrain('r1', data=self.path('changed')), 'changed: shard 0 of main', 'checksum is wrong')
        self.refused(self.pretrain('r1', data=self.scratch), 'has no data.json')
        self.assertFalse(os.path.exists(self.path('r1')))

    def test_data_of_another_tokenizer_are_refused_even_where_it_is_of_the_same_size(self):
        with open(self.path('tokenizer', 'tokenizer.json')) as f:
            size = len(json.load(f)['model']['vocab'])
        text = self.write('other.txt', ' '.join(str(n * n) for n in range(3000)))
        ran = tap.fathom('tokenizer', 'train', '--vocab', size, '--out', self.path('other-tokenizer'), text)
        self.assertEqual(ran.code, 0, ran.err)
        ran = tap.fathom('data', 'build', '--tokenizer', self.path('other-tokenizer'), '--out', self.path('other'), text)
        self.assertEqual(ran.code, 0, ran.err)
        self.refused(self.pretrain('r2', data=self.path('other'), model__start=self.path('start', 'initial')),
                     'was made with another tokenizer', "build the data with the model's own")

    def test_other_data_under_the_same_name_are_refused_when_a_run_goes_on_and_it_goes_on_with_its_own(self):
        shutil.copytree(self.data, self.path('swapped'))
        self.assertEqual(self.pretrain('r3', '--steps', '2', data=self.path('swapped')).code, 0)
        shutil.move(self.path('swapped'), self.path('kept'))
        self.assertEqual(self.build('swapped', self.write('more.txt', 'a cat. ' * 500), self.path('text.jsonl')).code, 0)
        ran = self.pretrain('r3', '--steps', '4', data=self.path('swapped'))
        self.refused(ran, 'swapped holds other data than when this run began')
        shutil.rmtree(self.path('swapped'))
        shutil.move(self.path('kept'), self.path('swapped'))
        self.assertEqual(self.pretrain('r3', '--steps', '4', data=self.path('swapped')).code, 0)

    # ---- the model

    def test_a_weight_that_is_no_number_is_named_and_the_folder_it_came_from_stays_as_it_was(self):
        shutil.copytree(self.path('start', 'initial'), self.path('nan'))
        file = self.path('nan', 'model.safetensors')
        with open(file, 'r+b') as f:
            n = struct.unpack('<Q', f.read(8))[0]
            header = json.loads(f.read(n))
            name = sorted(k for k in header if 'o_proj' in k)[1]
            f.seek(8 + n + header[name]['data_offsets'][0] + 40)
            f.write(struct.pack('<f', float('nan')))
        with open(file, 'rb') as f:
            before = f.read()
        ran = self.pretrain('r4', model__start=self.path('nan'))
        self.refused(ran, 'step 1: the loss is no number, for the weight %s holds a NaN' % name)
        with open(file, 'rb') as f:
            self.assertEqual(f.read(), before)
        self.assertFalse(os.path.exists(self.path('r4', 'checkpoints')))

    # ---- the recipe

    def test_a_shape_that_cannot_fit_is_refused_with_the_numbers_before_a_weight_is_written_and_may_be_mended(self):
        with open(self.path('start', 'initial', 'config.json')) as f:
            config = json.load(f)
        config.update(hidden_size=71680, num_hidden_layers=400)
        shape = self.write('huge.json', json.dumps(config))
        ran = self.pretrain('r5', model__shape=shape)
        self.refused(ran, 'huge.json has ', 'billion parameters, which takes more than')
        self.assertRegex(ran.err, r'\d+\.\d GiB are available')
        self.assertEqual(os.listdir(self.path('r5')), ['recipe.json'])
        ran = self.pretrain('r5', '--steps', '1')  # the same folder, as nothing has begun in it
        self.assertEqual(ran.code, 0, ran.err)
        self.refused(self.pretrain('r5', '--steps', '2', model__shape=shape), 'this run has model.shape = pico')

    def test_recipes_that_are_no_recipes_are_refused(self):
        for name, content in (('empty.json', b''), ('noise.json', bytes(range(256))), ('list.json', b'[]'),
                              ('deep.json', b'{"a":' * 5000), ('flat.json', b'{"run": 3}'),
                              ('kind.json', b'{"run": {"steps": "many"}}'), ('range.json', b'{"run": {"steps": 0}}')):
            self.refused(self.pretrain('r6', '-r', self.write(name, content)), name)
        self.refused(self.pretrain('r6', '-r', self.scratch), 'is a directory')
        self.refused(self.pretrain('r6', model__start=self.path('absent')), 'absent: No such file')


if __name__ == '__main__':
    tap.main()
