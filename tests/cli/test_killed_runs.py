"""Every stage of training, killed at random moments and gone on with on another number of threads: the last checkpoint
has the bytes of a run that nothing happened to. FATHOM_SOAK kills each 20 times."""
import glob
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import learning_data
import runs
import tap

KILLS = 20 if os.environ.get('FATHOM_SOAK') else 3
STEPS = 8 * KILLS + 40  # a kill about every eighth, and some more, so that each finds a run to end


class KilledRuns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.data = learning_data.make(cls.scratch)
        cls.answers = learning_data.make_answers(cls.scratch)
        cls.start = os.path.join(cls.scratch, 'start')
        ran = tap.fathom('pretrain', cls.start, '--data', cls.data, '--steps', '1', *learning_data.settings())
        assert ran.code == 0, ran.err

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def command(self, stage, name, threads, data, *options, **keys):
        keys = dict(dict(validation__every=5, validation__tokens=500, average__decay=0.9), **keys)
        return [tap.FATHOM, stage, os.path.join(self.scratch, name), '--data', data, '--steps', str(STEPS), '--threads',
                str(threads), *options, *learning_data.settings(**keys)]

    def killed_after(self, command, run, steps, draw):
        """Whether it was: a moment after the log has `steps` steps, or while it begins."""
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if draw.random() < 0.25:
            time.sleep(draw.uniform(0, 0.3))
        else:
            while runs.logged(run, b'"event": "step"') < steps and child.poll() is None:
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        return child.wait() == -signal.SIGKILL

    def kill_and_compare(self, stage, *arguments, **keys):
        name = stage + '-' + '-'.join(sorted(keys)) if keys else stage
        whole, run = (os.path.join(self.scratch, name + end) for end in ('-whole', '-killed'))
        done = tap.run(*self.command(stage, whole, 1, *arguments, **keys))
        self.assertEqual(done.code, 0, done.err)
        seed = random.randrange(1 << 30)
        draw, killed = random.Random(seed), 0
        for attempt in range(KILLS):
            threads = 1 + attempt % 3
            steps = attempt * 8 + draw.randrange(8)
            killed += self.killed_after(self.command(stage, run, threads, *arguments, **keys), run, steps, draw)
        done = tap.run(*self.command(stage, run, 2, *arguments, **keys))
        self.assertEqual(done.code, 0, done.err)
        why = '%d kills, seed %d' % (killed, seed)
        self.assertEqual(killed, KILLS, why)
        self.assertEqual(runs.manifest(run), runs.manifest(whole), why)
        for kind in ('step', 'validation', 'experts'):
            unchanging = [[{k: v for k, v in e.items() if k in ('step', 'loss', 'norm', 'tokens', 'layers')}
                           for e in runs.events(r, kind)]
                          for r in (run, whole)]
            self.assertEqual(unchanging[0], unchanging[1], why)
        self.assertEqual([e['step'] for e in runs.events(run, 'step')], list(range(1, STEPS + 1)), why)
        self.assertEqual([f for f in os.listdir(run + '/checkpoints') if f.startswith('.')], [], why)

    def test_pretraining_ends_in_the_same_bytes(self):
        self.kill_and_compare('pretrain', self.data)

    def test_pretraining_with_muon_in_float32_ends_in_the_same_bytes(self):
        self.kill_and_compare('pretrain', self.data, optimizer__name='muon', run__precision='f32', data__fim=0.1)

    def test_fine_tuning_ends_in_the_same_bytes(self):
        self.kill_and_compare('sft', self.answers, '--model', os.path.join(self.start, 'initial'))

    def test_an_adapter_ends_in_the_same_bytes(self):
        self.kill_and_compare('sft', self.answers, '--model', os.path.join(self.start, 'initial'), lora__rank=4)

    def test_learning_from_a_teacher_ends_in_the_same_bytes(self):
        teacher = glob.glob(self.start + '/checkpoints/step-*')[0]
        self.kill_and_compare('distill', self.data, '--model', os.path.join(self.start, 'initial'), '--teacher', teacher)


if __name__ == '__main__':
    tap.main()
