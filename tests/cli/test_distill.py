"""fathom distill: a student learns from a teacher's text and from its predictions."""
import json
import os
import shutil
import tempfile
import unittest

import learning_data
import runs
import tap


class Distill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix='fathom-test.')
        cls.data = learning_data.make(cls.scratch)
        ran = tap.fathom('pretrain', cls.folder('teacher'), '--data', cls.data, '--steps', '40',
                         *learning_data.settings(checkpoint__every=1000))
        assert ran.code == 0, ran.err
        cls.teacher = runs.last_checkpoint(cls.folder('teacher'))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    @classmethod
    def folder(cls, name):
        return os.path.join(cls.scratch, name)

    def command(self, name, *options, **keys):
        keys = dict(dict(run__seed=5, validation__every=10, checkpoint__every=1000), **keys)
        return ['distill', self.folder(name), '--data', self.data, *learning_data.settings(**keys), *options]

    def distill(self, name, *options, **keys):
        ran = tap.fathom(*self.command(name, *options, **keys))
        self.assertEqual(ran.code, 0, ran.err)
        return ran

    def test_the_divergence_from_the_teacher_falls_on_text_that_was_never_learnt(self):
        ran = self.distill('falls', '--teacher', self.teacher, '--steps', '40', teacher__temperature=2)
        self.assertRegex(ran.err, r'step 40/40  loss \d\.\d+  KL 0\.\d+')
        steps = runs.events(self.folder('falls'), 'step')
        self.assertGreater(steps[0]['divergence'], 1)
        seen = [e['divergence'] for e in runs.events(self.folder('falls'), 'validation')]
        self.assertEqual(len(seen), 4)
        self.assertLess(seen[-1], 0.2)
        self.assertLess(seen[-1], seen[0])
        start = runs.events(self.folder('falls'), 'start')[0]
        self.assertEqual(start['teacher'], self.teacher)

    def test_it_is_the_teacher_that_is_learnt_and_not_the_text(self):
        # A teacher of random weights expects what no text has.
        odd, data, seen = tap.golden('tiny-llama'), self.folder('odd'), []
        ran = tap.fathom('data', 'build', '--tokenizer', odd, '--out', data, '--valid', '0.1',
                         self.folder('text.jsonl'))
        self.assertEqual(ran.code, 0, ran.err)
        for weight in (1, 0):
            name = 'odd-%d' % weight
            self.distill(name, '--data', data, '--teacher', odd, '--steps', '40', teacher__weight=weight)
            seen.append([e['divergence'] for e in runs.events(self.folder(name), 'validation')])
        self.assertLess(seen[0][-1], seen[0][0])
        self.assertLess(seen[0][-1], 0.5 * seen[1][-1])

    def test_a_model_has_nothing_to_learn_from_itself(self):
        self.distill('itself', '--model', self.teacher, '--teacher', self.teacher, '--steps', '1',
                     run__precision='f32', teacher__weight=1, mtp__weight=0, mtp__late_weight=0, experts__balance=0)
        step = runs.events(self.folder('itself'), 'step')[0]
        self.assertLess(abs(step['divergence']), 1e-6)
        self.assertLess(step['norm'], 1e-4)

    def test_a_quantised_teacher_and_an_adapter_as_the_student(self):
        gguf = self.folder('teacher.gguf')
        ran = tap.fathom('quantize', self.teacher, gguf, '--type', 'q8_0')
        self.assertEqual(ran.code, 0, ran.err)
        self.distill('student', '--teacher', gguf, '--steps', '5')
        student = runs.last_checkpoint(self.folder('student'))
        self.distill('adapter', '--model', student, '--lora', '8', '--teacher', gguf, '--steps', '60')
        steps = runs.events(self.folder('adapter'), 'step')
        self.assertLess(steps[-1]['divergence'], 0.9 * steps[0]['divergence'])
        self.assertTrue(os.path.exists(runs.last_checkpoint(self.folder('adapter')) + '/adapter_config.json'))

    def test_killed_it_ends_in_the_same_bytes(self):
        options = ['--teacher', self.teacher, '--steps', '20']
        self.distill('straight', *options, '--threads', '1', checkpoint__every=3)
        command = self.command('killed', *options, checkpoint__every=3)
        self.assertGreater(runs.kill_and_go_on(self.folder('killed'), *command), 0)
        self.assertEqual(runs.manifest(self.folder('killed')), runs.manifest(self.folder('straight')))

    def test_from_text_alone_it_is_fine_tuning_with_defaults_of_its_own(self):
        self.distill('plain', '--model', self.teacher, '--steps', '2')
        self.assertNotIn('divergence', runs.events(self.folder('plain'), 'step')[0])
        with open(self.folder('plain') + '/recipe.json') as f:
            recipe = json.load(f)
        self.assertEqual((recipe['run']['stage'], recipe['schedule']['kind'], recipe['schedule']['floor']),
                         ('distill', 'cosine', 0.1))

    def test_another_tokenizer_is_refused_with_the_token_that_differs(self):
        ran = tap.fathom(*self.command('other', '--teacher', tap.golden('tiny-llama'), '--steps', '1'))
        self.assertNotEqual(ran.code, 0)
        self.assertRegex(ran.err, r'has another tokenizer than the student: token \d+ is .* there and .* here')

    def test_what_does_not_fit_is_refused_in_words(self):
        for options, said in ((('--steps', '1'), 'neither model.start nor teacher.model'),
                              (('--teacher', self.teacher, '-s', 'teacher.top=4000'), 'tells 1 to '),
                              (('--teacher', self.folder('nowhere')), 'nowhere'),
                              (('--teacher', self.teacher, '-s', 'experts.devices=5'), 'does not divide')):
            ran = tap.fathom(*self.command('refused', *options))
            self.assertNotEqual(ran.code, 0)
            self.assertIn(said, ran.err)
            shutil.rmtree(self.folder('refused'), ignore_errors=True)


if __name__ == '__main__':
    tap.main()
