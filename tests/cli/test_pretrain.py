"""fathom pretrain: from a text to a model; what a run leaves, and what it refuses."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import learning_data
import tap

SETTINGS = learning_data.settings(validation__every=10)


def events(run, kind):
    with open(run + '/log.jsonl') as f:
        return [e for e in map(json.loads, f) if e['event'] == kind]


class Pretrain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.data = learning_data.make(cls.scratch)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def folder(self, name):
        return os.path.join(self.scratch, name)

    def pretrain(self, name, *options, code=0):
        ran = tap.fathom('pretrain', self.folder(name), '--data', self.data, *SETTINGS, *options)
        if code is not None:
            self.assertEqual(ran.code, code, ran.err)
        return ran

    def start(self, name, *options):
        return subprocess.Popen([tap.FATHOM, 'pretrain', self.folder(name), '--data', self.data, *SETTINGS, *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_a_run_learns_and_leaves_a_model_a_log_and_a_report(self):
        ran = self.pretrain('learns', '--steps', '40', '--json', '-s', 'samples.every=20', '-s',
                            'samples.prompts=the|a')
        result = json.loads(ran.out)
        self.assertEqual((result['end'], result['step']), ('done', 40))
        self.assertIn('step 40/40  loss ', ran.err)
        losses = [e['loss'] for e in events(self.folder('learns'), 'step')]
        self.assertEqual(len(losses), 40)
        self.assertGreater(losses[0], 5)
        self.assertLess(losses[-1], 4)
        self.assertLess(result['best_validation_loss'], losses[0])
        samples = events(self.folder('learns'), 'sample')
        self.assertEqual([(s['step'], s['prompt']) for s in samples], [(20, 'the'), (20, 'a'), (40, 'the'), (40, 'a')])
        self.assertTrue(all(e['layers'] for e in events(self.folder('learns'), 'experts')))
        with open(self.folder('learns') + '/report.html') as f:
            self.assertIn('all steps are done', f.read())
        ran = tap.fathom('run', result['checkpoint'], 'the cat', '-n', '5', '--raw')
        self.assertEqual(ran.code, 0, ran.err)

    def test_the_folders_that_a_run_is_to_lie_in_are_made(self):
        self.pretrain('runs/of/mine', '--steps', '1')
        self.assertTrue(os.path.isdir(self.folder('runs/of/mine/checkpoints')))

    def test_an_interrupted_run_writes_a_checkpoint_and_goes_on_without_being_told_again(self):
        child = self.start('stopped', '--steps', '3000', '-s', 'checkpoint.every=100000', '-s', 'validation.every=0')
        for line in child.stderr:
            if line.startswith('step '):
                break
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err)
        self.assertIn('(stopped)', out)
        step = events(self.folder('stopped'), 'end')[-1]['step']
        ran = tap.fathom('pretrain', self.folder('stopped'), '--steps', str(step + 2))
        self.assertEqual(ran.code, 0, ran.err)
        self.assertIn('step %d, ' % (step + 2), ran.out)

    def test_another_recipe_is_refused_with_the_key_and_both_values(self):
        self.pretrain('another', '--steps', '2')
        ran = self.pretrain('another', '--steps', '2', '-s', 'schedule.kind=cosine', code=None)
        self.assertNotEqual(ran.code, 0)
        self.assertIn('this run has schedule.kind = wsd and the recipe now says cosine', ran.err)

    def test_mistakes_in_a_recipe_are_named_before_anything_is_made(self):
        recipe = self.folder('recipe.json')
        with open(recipe, 'w') as f:
            f.write('{\n "optimizer": {"lr": 0.01,\n "momentun": 1}}')
        wrong = "recipe.json:3: the key of \"optimizer\" 'momentun' is unknown; did you mean 'momentum'?"
        for options, said in ((('-r', recipe), wrong),
                              (('-s', 'run.step=3'), "did you mean 'run.steps'"),
                              (('-s', 'model.shape=nanoo'), 'did you mean nano'),
                              (('-s', 'batch.tokens=32'), 'less than one row'),
                              (('--data', self.folder('nowhere')), 'nowhere')):
            ran = self.pretrain('mistake', *options, code=None)
            self.assertNotEqual(ran.code, 0)
            self.assertIn(said, ran.err)
            self.assertFalse(os.path.exists(self.folder('mistake') + '/checkpoints'))
            shutil.rmtree(self.folder('mistake'), ignore_errors=True)

    def test_a_run_that_cannot_fit_is_refused_with_the_number_of_bytes(self):
        ran = self.pretrain('huge', '-s', 'batch.micro_tokens=10000000', '-s', 'batch.tokens=10000000', '-s',
                            'data.context=1000000', code=None)
        self.assertNotEqual(ran.code, 0)
        self.assertRegex(ran.err, r'takes \d+\.\d GiB and \d+\.\d GiB are available')

    def test_the_document_lists_every_key_of_a_recipe(self):
        ran = tap.fathom('pretrain', '--help-recipe')
        self.assertEqual(ran.code, 0)
        with open(os.path.join(tap.SOURCE, 'docs/training.md')) as f:
            document = f.read()
        section = ''
        for line in ran.out.splitlines():
            if line and not line.startswith((' ', '*')):
                section = line
            elif line.startswith('  '):
                self.assertIn('| `%s.%s`' % (section, line.split()[0]), document)


if __name__ == '__main__':
    tap.main()
