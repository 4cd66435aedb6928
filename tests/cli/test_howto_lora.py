"""docs/howto-lora.md, done with fewer lines and fewer steps: a real model learns what nobody else knows."""
import json
import os
import re
import shlex
import shutil
import tempfile
import unittest

import runs
import tap

OWNERS = {'Ada': 'red', 'Bo': 'green', 'Cy': 'black', 'Di': 'yellow', 'Ed': 'white', 'Fay': 'blue'}


def commands():
    """What the page lets one type, as lists of words."""
    with open(os.path.join(tap.SOURCE, 'docs', 'howto-lora.md')) as f:
        blocks = re.findall(r'```sh\n(.*?)```', f.read(), re.S)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


class HowTo(unittest.TestCase):
    def setUp(self):
        self.model = tap.fixture('smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')
        self.scratch = tempfile.mkdtemp(prefix='fathom-test.')

    def tearDown(self):
        shutil.rmtree(self.scratch)

    def typed(self, name, *more):
        """The page's command of this name, in the scratch folder."""
        words = next(c for c in commands() if c[:len(name)] == name)
        paths = {'$MODEL': self.model, 'data': self.scratch + '/data', 'mine': self.scratch + '/mine',
                 'mine.jsonl': self.scratch + '/mine.jsonl'}
        ran = tap.fathom(*name[1:], *[paths.get(w, w) for w in words[len(name):]], *more)
        self.assertEqual(ran.code, 0, ran.err)
        return ran

    def test_the_loss_falls_and_the_adapted_model_answers_what_it_learnt(self):
        with open(self.scratch + '/mine.jsonl', 'w') as f:
            for name, colour in OWNERS.items():
                f.write(json.dumps({'prompt': "What colour is %s's boat?" % name,
                                    'completion': "%s's boat is %s." % (name, colour)}) + '\n')
        self.typed(['fathom', 'data', 'build'], '--valid', '0')
        self.typed(['fathom', 'sft'], '--steps', '12', '-s', 'batch.tokens=256', '-s', 'batch.micro_tokens=256',
                   '-s', 'optimizer.lr=3e-3')
        losses = [e['loss'] for e in runs.events(self.scratch + '/mine', 'step')]
        self.assertEqual(len(losses), 12)
        self.assertLess(losses[-1], 0.3 * losses[0])
        ran = tap.fathom('run', self.model, '--lora', runs.last_checkpoint(self.scratch + '/mine'),
                         "What colour is Ada's boat?", '-n', '12', '--temperature', '0', '--json')
        self.assertEqual(ran.code, 0, ran.err)
        self.assertEqual(json.loads(ran.out)['text'].strip(), "Ada's boat is red.")
        self.convert_and_ask()

    def convert_and_ask(self):
        """The last section: the same answer from a file that needs no adapter."""
        merged = self.scratch + '/mine-bf16.gguf'
        words = next(c for c in commands() if c[:2] == ['fathom', 'convert'])
        self.assertEqual((words[2:4], words[4]), (['$MODEL', 'mine-bf16.gguf'], '--lora'))
        ran = tap.fathom('convert', self.model, merged, '--lora', runs.last_checkpoint(self.scratch + '/mine'))
        self.assertEqual(ran.code, 0, ran.err)
        ran = tap.fathom('run', merged, "What colour is Ada's boat?", '-n', '12', '--temperature', '0', '--json')
        self.assertEqual(ran.code, 0, ran.err)
        self.assertEqual(json.loads(ran.out)['text'].strip(), "Ada's boat is red.")


if __name__ == '__main__':
    tap.main()
