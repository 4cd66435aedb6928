"""fathom logits: the golden models through the program, and what it refuses."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import safetensors
import tap

FOLDERS = ['tiny-v3', 'tiny-v3-bf16', 'tiny-v3-fp8', 'tiny-v2-lite', 'tiny-v2', 'tiny-llama',
           'tiny-qwen2']
GGUF = {'tiny-v3.f32': 'tiny-v3/expected', 'tiny-v3.f16-mla': 'gguf/tiny-v3.f16.expected',
        'tiny-v2-lite.f32': 'tiny-v2-lite/expected',
        'tiny-v2-lite.q8_0': 'gguf/tiny-v2-lite.q8_0.expected',
        'tiny-llama.f32': 'tiny-llama/expected', 'tiny-llama.f16': 'gguf/tiny-llama.f16.expected',
        'tiny-llama.q8_0': 'gguf/tiny-llama.q8_0.expected', 'tiny-qwen2.f32': 'tiny-qwen2/expected',
        'tiny-qwen2.f16': 'gguf/tiny-qwen2.f16.expected'}


class Directory(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def logits(self, model, ids, *options):
        """Runs it; returns the tensors written."""
        out = self.path('out.safetensors')
        ran = tap.fathom('logits', model, '--ids', ','.join(map(str, ids)), '--out', out, *options)
        self.assertEqual((ran.code, ran.out, ran.err), (0, '', ''), ran)
        self.assertEqual(os.listdir(self.folder), ['out.safetensors'])
        return safetensors.read(out)


class Golden(Directory):
    def compare(self, model, expected_path, prompt):
        expected = safetensors.read(tap.golden(expected_path + '.safetensors'),
                                    lambda name: name.startswith(prompt))
        ids = list(expected[prompt + '.input_ids'].values)
        got = self.logits(model, ids, '--hidden', '--experts')
        self.assertLess(safetensors.distance(got['logits'], expected[prompt + '.logits']), 5e-4)
        wide = 2e-4 if 'tiny-v2/' in expected_path else 2e-5
        for name, tensor in expected.items():
            if name.endswith('.expert_ids'):
                layer = name.split('.')[2]
                self.assertEqual(got['experts.' + layer].values, tensor.values, name)
            if name.endswith('.expert_weights'):
                layer = name.split('.')[2]
                self.assertLess(safetensors.distance(got['expert_weights.' + layer], tensor), wide)
        if prompt + '.hidden' in expected:
            self.compare_hidden(got, expected[prompt + '.hidden'])
            self.assertLess(safetensors.distance(got['final'], expected[prompt + '.final']), 1e-3)

    def compare_hidden(self, got, hidden):
        for n in range(hidden.shape[0]):
            self.assertLess(safetensors.distance(
                got['hidden.%d' % n], safetensors.Tensor(hidden.shape[1:], hidden.row(n))), 1e-3)
        self.assertNotIn('hidden.%d' % hidden.shape[0], got)

    def test_every_golden_folder_gives_its_logits_states_and_experts(self):
        for name in FOLDERS:
            for prompt in ('p0', 'p1'):
                with self.subTest(model=name, prompt=prompt):
                    self.compare(tap.golden(name), name + '/expected', prompt)

    def test_every_golden_gguf_file_gives_its_logits_and_experts(self):
        for name, expected in GGUF.items():
            with self.subTest(model=name):
                self.compare(tap.golden('gguf/%s.gguf' % name), expected, 'p1')

    def test_the_prediction_module_gives_its_logits(self):
        expected = safetensors.read(tap.golden('tiny-v3/expected.safetensors'),
                                    lambda name: name in ('p1.input_ids', 'mtp.logits',
                                                          'mtp.hidden'))
        got = self.logits(tap.golden('tiny-v3'), list(expected['p1.input_ids'].values), '--mtp')
        for name in ('mtp.logits', 'mtp.hidden'):
            self.assertLess(safetensors.distance(got[name], expected[name]), 1e-3)


class Options(Directory):
    IDS = [0, 43, 338, 325, 273, 220, 316, 23, 270]

    def test_only_what_is_asked_for_is_written(self):
        self.assertEqual(set(self.logits(tap.golden('tiny-llama'), self.IDS)), {'logits', 'final'})
        names = set(self.logits(tap.golden('tiny-v3'), self.IDS, '--experts'))
        self.assertIn('experts.2', names)
        self.assertFalse([n for n in names if n.startswith('hidden') or n.startswith('mtp')])

    def test_bits_do_not_depend_on_threads(self):
        out = self.path('out.safetensors')
        files = []
        for threads in (1, 2, 3):
            self.logits(tap.golden('tiny-v3'), self.IDS * 7, '--threads', threads, '--hidden')
            with open(out, 'rb') as f:
                files.append(f.read())
        self.assertEqual(files[0], files[1])
        self.assertEqual(files[0], files[2])

    def test_levels_arithmetics_and_caches_agree_to_their_rounding(self):
        base = self.logits(tap.golden('tiny-v3'), self.IDS)['logits']
        for options, bound in ((['--cpu', 'ref'], 5e-4), (['--arith', 'fast'], 5e-4),
                               (['--cache', 'bf16'], 0.5), (['--cache', 'int8'], 5)):
            other = self.logits(tap.golden('tiny-v3'), self.IDS, *options)['logits']
            self.assertLess(safetensors.distance(base, other), bound, options)

    def test_ids_may_come_from_a_file_or_standard_input(self):
        base = self.logits(tap.golden('tiny-llama'), self.IDS)['logits'].values
        out, ids = self.path('out.safetensors'), self.path('ids')
        text = '\n'.join(map(str, self.IDS)) + '\n'
        with open(ids, 'w') as f:
            f.write(text)
        for source, stdin in ((ids, ''), ('-', text), ('-', json.dumps(self.IDS))):
            ran = tap.fathom('logits', tap.golden('tiny-llama'), '--ids-file', source, '-o', out,
                             stdin=stdin)
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(safetensors.read(out)['logits'].values, base)


class Mistakes(Directory):
    def refused(self, *arguments, says, **options):
        ran = tap.run(tap.FATHOM, 'logits', *arguments, **options)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, ran.err)
        self.assertEqual(os.listdir(self.folder), [])

    def test_ids_outside_the_vocabulary_are_refused(self):
        out = self.path('out')
        self.refused(tap.golden('tiny-v3'), '--ids', '1,2,512', '--out', out, says=['512', '511'])
        self.refused(tap.golden('tiny-v3'), '--ids', '1,-2', '--out', out, says="'-2'")
        self.refused(tap.golden('tiny-v3'), '--ids', '1,x', '--out', out, says="'x'")
        self.refused(tap.golden('tiny-v3'), '--ids', ' ', '--out', out, says='empty')

    def test_a_prompt_longer_than_the_context_is_refused(self):
        with open(os.path.join(tap.golden('tiny-llama'), 'config.json')) as f:
            most = json.load(f)['max_position_embeddings']
        self.refused(tap.golden('tiny-llama'), '--ids', ','.join(['1'] * (most + 1)), '--out',
                     self.path('out'), says=[str(most)])

    def test_a_missing_option_is_named(self):
        self.refused(tap.golden('tiny-v3'), '--ids', '1', says='--out FILE')
        self.refused(tap.golden('tiny-v3'), '--out', self.path('out'), says='--ids 1,2,3')
        self.refused(tap.golden('tiny-v3'), '--ids', '1', '--ids-file', 'x', '--out',
                     self.path('out'), says='give one')

    def test_files_that_are_no_models_are_refused_by_name(self):
        for path in ('/dev/null', tap.golden('tiny-v3/config.json'), tap.golden('none.gguf'),
                     tap.golden('tiny-tokenizers/qwen2')):
            self.refused(path, '--ids', '1', '--out', self.path('out'), says=path)

    def test_where_nothing_can_be_written_nothing_is(self):
        missing = self.path('none/out')
        self.refused(tap.golden('tiny-v3'), '--ids', '1', '--out', missing,
                     says=[missing, 'No such file or directory'])
        self.refused(tap.golden('tiny-v3'), '--ids', '1', '--out', self.folder,
                     says=[self.folder, 'is a directory'])
        self.refused(tap.golden('tiny-v3'), '--ids', '1', '--out', '/dev/full',
                     says=['/dev/full', 'No space left'])

    def test_a_file_that_cannot_grow_leaves_nothing_behind(self):
        ran = tap.run('sh', '-c', 'ulimit -f 8; "$0" "$@"', tap.FATHOM, 'logits',
                      tap.golden('tiny-v3'), '--ids', ','.join(['1'] * 60), '--hidden', '--out',
                      self.path('out'))
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn('File too large', ran.err)
        self.assertEqual(os.listdir(self.folder), [])

    def test_ctrl_c_leaves_nothing_behind(self):
        model = tap.fixture('smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')
        ids = self.path('ids')
        with open(ids, 'w') as f:
            f.write('1 ' * 8000)
        for seconds in (0.05, 2):  # while it loads, while it computes
            child = subprocess.Popen([tap.FATHOM, 'logits', model, '--ids-file', ids, '--out',
                                      self.path('out')], stderr=subprocess.PIPE)
            try:
                time.sleep(seconds)
                child.send_signal(signal.SIGINT)
                err = child.communicate(timeout=30)[1]
            finally:
                child.kill()
            self.assertIn(child.returncode, (130, -signal.SIGINT))
            self.assertEqual((err, os.listdir(self.folder)), (b'', ['ids']))

    def test_a_read_only_directory_is_named(self):
        os.chmod(self.folder, 0o555)
        command = [tap.golden('tiny-v3'), '--ids', '1', '--out', self.path('out')]
        if os.geteuid() != 0:
            self.refused(*command, says=[self.folder, 'Permission denied'])
        else:  # root may write anywhere; somebody else may not
            ran = tap.run('setpriv', '--reuid', '65534', '--clear-groups', tap.FATHOM, 'logits',
                          *command)
            self.assertEqual((ran.code, ran.out), (2, ''), ran)
            self.assertIn('Permission denied', ran.err)
            self.assertEqual(os.listdir(self.folder), [])
        os.chmod(self.folder, 0o755)


if __name__ == '__main__':
    tap.main()
