"""fathom tokenizer train: a vocabulary out of files."""
import json
import os
import tempfile
import unittest

import tap

TEXT = 'The cat sat on the mat in 1984, and the other cat sat on the other mat.\n' * 30


class Train(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.out = os.path.join(self.scratch.name, 'tokenizer')

    def put(self, name, data):
        path = os.path.join(self.scratch.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def train(self, *arguments, code=0):
        ran = tap.fathom('tokenizer', 'train', '--out', self.out, *arguments)
        self.assertEqual(ran.code, code, ran)
        return ran

    def tokenizer(self):
        with open(os.path.join(self.out, 'tokenizer.json'), encoding='utf-8') as f:
            return json.load(f)

    def test_a_file_becomes_a_tokenizer_that_the_other_commands_read(self):
        ran = self.train('--vocab', '320', self.put('text.txt', TEXT))
        self.assertRegex(ran.out, r'tokenizer +\d+ tokens from 2\.\d+ KiB of text')
        ids = tap.fathom('tokenize', self.out, '--ids', 'the cat 1984').out.split()
        self.assertLess(len(ids), 9)
        self.assertEqual(tap.fathom('tokenize', self.out, '--decode', ','.join(ids)).out.rstrip('\n'), 'the cat 1984')
        self.assertEqual(tap.fathom('tokenize', self.out, '--ids', '<think></think>').out.split(), ['5', '6'])
        tokenizer = self.tokenizer()
        self.assertEqual([t['id'] for t in tokenizer['added_tokens']], list(range(10)))
        self.assertEqual(sorted(tokenizer['model']['vocab'].values()), list(range(len(tokenizer['model']['vocab']))))
        self.assertEqual([m for m in tokenizer['model']['merges'] if any(c.isdigit() for c in m)], [])

    def test_files_folders_and_json_lines_are_read_and_the_rest_is_counted(self):
        folder = os.path.join(self.scratch.name, 'texts')
        self.put('texts/a.txt', TEXT)
        self.put('texts/sub/b.py', 'print(1)\n')
        self.put('texts/sub/empty.txt', '')
        self.put('texts/sub/picture.bin', b'\x00\x01\x02')
        self.put('texts/sub/latin.txt', b'caf\xe9\n')
        self.put('texts/.hidden', 'hidden')
        lines = self.put('lines.jsonl', '{"text": "one"}\n\n{"prompt": "p", "completion": "c"}\n'
                         '{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}')
        ran = self.train('--vocab', '300', '--json', folder, lines)
        made = json.loads(ran.out)
        self.assertEqual((made['documents'], made['empty'], made['binary']), (5, 1, 2))
        self.assertEqual(made['bytes'], len(TEXT) + 9 + 3 + 4 + 4)
        self.assertIn('1 empty documents and 2 that are not text', ran.err)

    def test_threads_change_nothing(self):
        text = self.put('text.txt', TEXT * 400)
        self.train('--vocab', '320', '--threads', '1', text)
        one = self.tokenizer()
        self.train('--vocab', '320', '--threads', '3', text)
        self.assertEqual(one, self.tokenizer())

    def test_mistakes_are_named(self):
        text = self.put('text.txt', TEXT)
        bad = self.put('bad.jsonl', '{"text": "fine"}\n{"texts": "?"}\n')
        for arguments, words in (([text, '--vocab', '100'], '266 to'), ([os.path.join(self.scratch.name, 'no')], 'no'),
                                 ([self.put('zero.txt', b'\0')], 'no text to learn from'),
                                 ([text, '--pre', 'klingon'], 'deepseek-v3, '), ([bad], 'bad.jsonl, line 2: it needs'),
                                 ([], 'needs FILE'), ([text, '--chat', 'x'], 'deepseek-v3|')):
            ran = self.train(*arguments, code=2)
            self.assertIn(words, ran.err)
            self.assertFalse(os.path.exists(os.path.join(self.out, 'tokenizer.json')))
        ran = tap.fathom('tokenizer', 'train', text)
        self.assertEqual(ran.code, 2)
        self.assertIn('--out DIR', ran.err)

    def test_a_full_disk_leaves_no_tokenizer(self):
        text = self.put('text.txt', TEXT)
        ran = tap.run('sh', '-c', 'ulimit -f 1; exec "$0" "$@"', tap.FATHOM, 'tokenizer', 'train', '--vocab', '300',
                      '--out', self.out, text)
        self.assertEqual(ran.code, 2, ran)
        self.assertIn('File too large', ran.err)
        self.assertEqual([f for f in os.listdir(self.out) if f != 'tokenizer_config.json'], [])


if __name__ == '__main__':
    tap.main()
