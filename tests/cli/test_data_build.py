"""fathom data build: text to shards, read back here byte by byte."""
import json
import os
import struct
import tempfile
import unittest

import tap

WORDS = 'the cat sat on a mat and saw another cat that sat on another mat while it rained outside'.split()


def story(seed, words=60):
    """Different for different seeds, always the same for one."""
    state, out = seed * 2654435761 + 1, []
    for _ in range(words):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out.append('%s%d' % (WORDS[(state >> 33) % len(WORDS)], (state >> 40) % 50))
    return ' '.join(out) + '\n'


def read_shard(path):
    """The documents of a shard: lists of (id, learnt)."""
    with open(path, 'rb') as f:
        data = f.read()
    magic, version, header, width, flags, vocabulary, _, documents, tokens, _ = struct.unpack_from('<8sIIIIQQQQQ', data)
    assert (magic, version, header) == (b'fathomtk', 1, 128)
    up = lambda n: -(-n // 64) * 64
    at_tokens = 128 + up(16 * documents)
    at_mask = at_tokens + up(width * tokens)
    ids = struct.unpack_from('<%d%s' % (tokens, {2: 'H', 4: 'I'}[width]), data, at_tokens)
    out = []
    for d in range(documents):
        offset, length, _ = struct.unpack_from('<QII', data, 128 + 16 * d)
        out.append([(ids[i], not flags & 1 or data[at_mask + i // 8] >> (i % 8) & 1)
                    for i in range(offset, offset + length)])
    return out


class Build(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        text = os.path.join(cls.shared.name, 'text.txt')
        with open(text, 'w') as f:
            f.writelines(story(i) for i in range(200))
        cls.tokenizer = os.path.join(cls.shared.name, 'tokenizer')
        ran = tap.fathom('tokenizer', 'train', '--vocab', '400', '--out', cls.tokenizer, text)
        assert ran.code == 0, ran

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def put(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def build(self, *arguments, out='data', code=0):
        ran = tap.fathom('data', 'build', '--tokenizer', self.tokenizer, '--out', self.path(out), '--json', *arguments)
        self.assertEqual(ran.code, code, ran)
        return json.loads(ran.out) if code == 0 else ran.err

    def documents(self, manifest, source=0, portion='train', out='data'):
        return [d for s in manifest['sources'][source][portion]['shards']
                for d in read_shard(os.path.join(self.path(out), s['file']))]

    def ids(self, text):
        return [int(i) for i in tap.fathom('tokenize', self.tokenizer, '--ids', '--plain', '-', stdin=text).out.split()]

    def test_documents_are_what_the_tokenizer_gives_between_bos_and_eos(self):
        texts = [story(i) for i in range(5)]
        for i, text in enumerate(texts):
            self.put('texts/%d.txt' % i, text)
        manifest = self.build('--valid', '0', self.path('texts'))
        self.assertEqual(self.documents(manifest), [[(i, True) for i in [0] + self.ids(t) + [1]] for t in texts])
        with open(os.path.join(self.path('data'), 'data.json')) as f:
            self.assertEqual(json.load(f), manifest)
        train = manifest['sources'][0]['train']
        self.assertEqual(train['documents'], 5)
        self.assertEqual(train['tokens'], sum(map(len, self.documents(manifest))))
        for name in ('tokenizer.json', 'tokenizer_config.json'):
            with open(os.path.join(self.tokenizer, name), 'rb') as a, open(os.path.join(self.path('data'), name), 'rb') as b:
                self.assertEqual(a.read(), b.read())

    def test_of_conversations_the_answers_are_learnt(self):
        lines = self.put('chat.jsonl', '\n'.join(json.dumps(v) for v in (
            {'prompt': 'the cat?', 'completion': 'sat'}, {'text': 'a mat'},
            {'messages': [{'role': 'user', 'content': 'cat'},
                          {'role': 'assistant', 'content': 'mat', 'reasoning_content': 'hm'}]})))
        manifest = self.build('--valid', '0', lines)
        chat, text, thinking = self.documents(manifest)
        self.assertEqual(chat, [(i, False) for i in [0, 3] + self.ids('the cat?') + [4]] +
                         [(i, True) for i in self.ids('sat') + [1]])
        self.assertEqual(text, [(i, True) for i in [0] + self.ids('a mat') + [1]])
        self.assertEqual([i for i, learnt in thinking if learnt],
                         [5] + self.ids('\nhm\n') + [6] + self.ids('\n\nmat') + [1])
        self.assertEqual(manifest['sources'][0]['train']['learnt'],
                         sum(learnt for d in (chat, text, thinking) for _, learnt in d))

    def test_copies_and_what_is_no_text_are_left_out_and_counted(self):
        self.put('texts/1.txt', story(1, 200))
        self.put('texts/2.txt', '  ' + story(1, 200).upper())
        self.put('texts/3.txt', story(1, 200) + 'and one more word')
        self.put('texts/4.txt', b'\x89PNG\0')
        self.put('texts/5.txt', b'caf\xe9')
        self.put('texts/6.txt', '')
        read = self.build(self.path('texts'))['sources'][0]['read']
        self.assertEqual({k: v for k, v in read.items() if k != 'bytes'},
                         {'documents': 6, 'empty': 1, 'binary': 2, 'duplicates': 1, 'near_duplicates': 1})
        kept = self.build('--near', '0', '--keep-duplicates', '--valid', '0', self.path('texts'), out='kept')
        self.assertEqual(kept['sources'][0]['train']['documents'], 3)

    def test_sources_are_kept_apart_and_weighed(self):
        self.put('a/1.txt', story(1))
        self.put('a2.txt', story(2))
        self.put('b/1.txt', story(3))
        manifest = self.build('--valid', '0', '-s', 'prose:0.7=' + self.path('a'), '-s', 'code:30k=' + self.path('b'),
                              '-s', 'prose=' + self.path('a2.txt'))
        self.assertEqual([(s['name'], s['weight'], s['train']['documents']) for s in manifest['sources']],
                         [('prose', 0.7, 2), ('code', 30000, 1)])

    def test_validation_is_chosen_by_text_alone(self):
        for i in range(300):
            self.put('texts/%03d.txt' % i, story(i))
        manifest = self.build('--valid', '0.2', self.path('texts'))
        n = manifest['sources'][0]['valid']['documents']
        self.assertTrue(60 - 35 <= n <= 60 + 35, n)  # five standard errors
        chosen = {tuple(d) for d in self.documents(manifest, portion='valid')}
        for i in range(0, 300, 2):
            os.remove(self.path('texts/%03d.txt' % i))
        half = self.build('--valid', '0.2', self.path('texts'), out='half')
        self.assertLessEqual({tuple(d) for d in self.documents(half, portion='valid', out='half')}, chosen)
        self.assertEqual({tuple(d) for d in self.documents(half, out='half')} & chosen, set())

    def test_threads_change_no_byte(self):
        for i in range(100):
            self.put('texts/%03d.txt' % i, story(i % 90))
        for out, threads in (('one', '1'), ('four', '4')):
            self.build('--threads', threads, '--shard', '700', self.path('texts'), out=out)
        self.assertEqual(sorted(os.listdir(self.path('one'))), sorted(os.listdir(self.path('four'))))
        self.assertGreater(len(os.listdir(self.path('one'))), 6)
        for name in os.listdir(self.path('one')):
            with open(os.path.join(self.path('one'), name), 'rb') as a, open(os.path.join(self.path('four'), name), 'rb') as b:
                self.assertEqual(a.read(), b.read(), name)

    def test_a_document_longer_than_a_shard_has_one_of_its_own(self):
        for i, words in enumerate((10, 500, 10)):
            self.put('texts/%d.txt' % i, story(i, words))
        manifest = self.build('--valid', '0', '--shard', '200', self.path('texts'))
        shards = manifest['sources'][0]['train']['shards']
        self.assertEqual([s['documents'] for s in shards], [1, 1, 1])
        self.assertGreater(shards[1]['tokens'], 200)
        self.assertEqual(len(self.documents(manifest)), 3)

    def test_mistakes_are_named_and_leave_nothing(self):
        text = self.put('text.txt', story(1))
        broken = self.put('broken.jsonl', '{"text": "fine"}\n{"text": \n')
        roles = self.put('roles.jsonl', '{"messages": [{"role": "alien", "content": "x"}]}')
        unanswered = self.put('unanswered.jsonl', '{"messages": [{"role": "user", "content": "x"}]}')
        for arguments, words in (
                ([broken], 'broken.jsonl, line 2: '), ([roles], 'roles.jsonl, line 1: a message has no role of'),
                ([unanswered], 'without an answer'), ([self.path('absent')], 'absent'),
                ([self.put('zero.txt', b'\0')], 'no text in these files'), ([], 'needs text'),
                (['-s', 'a:1=' + text, '-s', 'b=' + text], 'give one to all or to none'),
                (['-s', 'a b=' + text], "'a b' is no name"), (['-s', text], 'NAME=PATH'),
                (['-s', 'a:x=' + text], 'NAME:WEIGHT=PATH'), ([text, '--chat', 'x'], "called 'x'")):
            with self.subTest(words):
                self.assertIn(words, self.build(*arguments, code=2))
                self.assertEqual([f for f in os.listdir(self.scratch.name) if f.startswith('data')], [])
        self.build(text)
        self.assertIn('is there already', self.build(text, code=2))
        ran = tap.fathom('data', 'build', '--out', self.path('x'), text)
        self.assertIn('needs --tokenizer', ran.err)

    def test_a_full_disk_leaves_nothing(self):
        text = self.put('text.txt', story(1, 3000))
        ran = tap.run('sh', '-c', 'ulimit -f 4; exec "$0" "$@"', tap.FATHOM, 'data', 'build', '--tokenizer',
                      self.tokenizer, '--out', self.path('data'), text)
        self.assertEqual(ran.code, 2, ran)
        self.assertIn('File too large', ran.err)
        self.assertEqual(os.listdir(self.scratch.name), ['text.txt'])


if __name__ == '__main__':
    tap.main()
