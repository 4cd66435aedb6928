"""A disk that is really full while a model is trained and data are made: clear words, nothing lost, and it goes on."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import learning_data
import tap
from small_disk import SmallDisk

STEPS = 40
ENOUGH = 60 << 20  # for all checkpoints of 4.5 MB


def last_checkpoint(run):
    """Step and manifest, which names the hash of every file."""
    path = sorted(glob.glob(run + '/checkpoints/step-*/manifest.json'))[-1]
    with open(path) as f:
        return int(os.path.basename(os.path.dirname(path))[len('step-'):]), f.read()


def steps_of(run):
    with open(run + '/log.jsonl') as f:
        return [e['step'] for e in map(json.loads, f) if e['event'] == 'step']


class FullDisk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.data = learning_data.make(cls.scratch)
        whole = os.path.join(cls.scratch, 'whole')
        ran = tap.fathom(*cls.command(whole)[1:])
        assert ran.code == 0, ran.err
        cls.wanted = last_checkpoint(whole)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    @classmethod
    def command(cls, run, **more):
        more = dict(dict(checkpoint__keep=6, checkpoint__every=6), **more)
        return [tap.FATHOM, 'pretrain', run, '--data', cls.data, '--steps', str(STEPS), *learning_data.settings(**more)]

    def start(self, run, **more):
        return subprocess.Popen(self.command(run, **more), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def until(self, child, word):
        """What it says up to a line that has `word`."""
        said = ''
        for line in child.stderr:
            said += line
            if word in line:
                return said
        self.fail('it never said %r:\n%s' % (word, said))

    def full_to_the_end(self, child, disk, leave=0):
        """What it says on a disk that takes no more; what it gives back on the way is taken too."""
        while child.poll() is None:
            disk.fill(leave)
            time.sleep(0.002)
        return child.communicate()[1]

    def goes_on(self, run):
        ran = tap.fathom(*self.command(run)[1:])
        self.assertEqual(ran.code, 0, ran.err)
        self.assertEqual(last_checkpoint(run), self.wanted)
        self.assertEqual(steps_of(run), list(range(1, STEPS + 1)))

    def test_checkpoints_that_find_no_room_are_noted_and_the_last_one_is_an_error_from_which_the_run_goes_on(self):
        with SmallDisk(ENOUGH) as disk:
            run = disk.path + '/run'
            child = self.start(run)
            said = self.until(child, 'step 8/')
            said += self.full_to_the_end(child, disk, leave=1 << 20)  # room for the log, not for a checkpoint
            self.assertNotEqual(child.returncode, 0)
            self.assertIn('note: the checkpoint of step ', said)
            self.assertIn('could not be written and older ones are as they were', said)
            self.assertIn('fathom: the checkpoint of step %d could not' % STEPS, said)
            self.assertIn('No space left on device', said)
            step = last_checkpoint(run)[0]
            self.assertLess(step, STEPS)
            self.assertEqual(glob.glob(run + '/checkpoints/.*'), [])
            ran = tap.fathom(*self.command(run)[1:])
            self.assertNotEqual(ran.code, 0)
            self.assertRegex(ran.err, r'a checkpoint of this run takes 0\.00\d+ GiB and the disk of .* has 0\.00\d+ GiB free')
            disk.make_room()
            self.goes_on(run)

    def test_a_log_that_finds_no_room_waits_in_memory_and_is_whole_once_there_is_some(self):
        with SmallDisk(ENOUGH) as disk:
            run = disk.path + '/run'
            child = self.start(run, run__steps=1000, checkpoint__every=1000000, schedule__kind='constant')
            self.until(child, 'step 25/')
            disk.fill()
            said = self.until(child, 'the log is kept in memory until there is room: cannot write ')
            self.assertIn('No space left on device', said)
            self.until(child, 'step ')
            disk.make_room()
            self.until(child, 'step ')
            child.send_signal(2)
            out, said = child.communicate(timeout=120)
            self.assertEqual(child.returncode, 0, said)
            step = last_checkpoint(run)[0]
            self.assertEqual(steps_of(run), list(range(1, step + 1)))

    def test_a_disk_that_stays_full_to_the_end_loses_nothing_that_was_there(self):
        with SmallDisk(ENOUGH) as disk:
            run = disk.path + '/run'
            child = self.start(run)
            self.until(child, 'step 8/')
            said = self.full_to_the_end(child, disk)
            self.assertNotEqual(child.returncode, 0)
            self.assertIn('fathom: the checkpoint of step %d could not be written' % STEPS, said)
            disk.make_room()
            self.goes_on(run)

    def test_a_recipe_may_ask_to_stop_at_the_first_checkpoint_that_finds_no_room(self):
        with SmallDisk(ENOUGH) as disk:
            run = disk.path + '/run'
            child = self.start(run, checkpoint__when_full='stop')
            self.until(child, 'step 8/')
            said = self.full_to_the_end(child, disk, leave=1 << 20)
            self.assertNotEqual(child.returncode, 0)
            self.assertNotIn('step %d/' % STEPS, said)
            self.assertIn('No space left on device', said)
            disk.make_room()
            self.goes_on(run)

    def test_data_that_find_no_room_leave_no_half_of_them(self):
        with SmallDisk(1 << 20) as disk:
            disk.fill(leave=8192)
            out = disk.path + '/data'
            ran = tap.fathom('data', 'build', '--tokenizer', os.path.join(self.scratch, 'tokenizer'), '--out', out,
                             os.path.join(self.scratch, 'text.jsonl'))
            self.assertNotEqual(ran.code, 0)
            self.assertIn('No space left on device', ran.err)
            self.assertEqual(os.listdir(disk.path), ['ballast'])


if __name__ == '__main__':
    tap.main()
