"""The examples, built from an installed Fathom as a stranger would, and run."""
import json
import os
import re
import shlex
import tempfile
import unittest

import tap

CC = shlex.split(os.environ.get('CC', 'cc'))
SANITIZE = ['-fsanitize=address,undefined'] if tap.SANITIZED else []


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.root = cls.holder.name
        ran = tap.run('meson', 'install', '-C', tap.BUILD, '--no-rebuild', '--destdir', cls.root)
        assert ran.code == 0, ran
        found = tap.run('find', cls.root, '-name', 'fathom.pc').out.split()
        assert len(found) == 1, found
        cls.pc = found[0]
        with open(cls.pc) as f:
            prefix = re.search('^prefix=(.*)$', f.read(), re.M).group(1)
        cls.prefix = cls.root + prefix

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def flags(self, *options):
        ran = tap.run('pkg-config', '--define-variable=prefix=' + self.prefix, *options, self.pc)
        self.assertEqual(ran.code, 0, ran)
        return ran.out.split()

    def build(self, name, static):
        program = os.path.join(self.root, name + ('-static' if static else ''))
        libraries = self.flags('--libs', *(['--static'] if static else []))
        libraries += {'embed': ['-lm']}.get(name, [])
        if static:
            libraries = ['-l:libfathom.a' if flag == '-lfathom' else flag for flag in libraries]
        compiler = ['clang'] if SANITIZE else CC
        ran = tap.run(*compiler, *SANITIZE, '-Wall', '-Wextra', '-Werror',
                      os.path.join(tap.SOURCE, 'examples', name + '.c'), *self.flags('--cflags'),
                      *libraries, '-o', program)
        self.assertEqual(ran.code, 0, ran)
        return program

    def run_both(self, name, *arguments, **options):
        """What the example says, linked with the shared and with the static library."""
        folder = self.flags('--variable=libdir')[0]
        ran = [tap.run(self.build(name, static), *arguments, env={'LD_LIBRARY_PATH': folder},
                       **options) for static in (False, True)]
        for one in ran:
            self.assertEqual(one.code, 0, one)
        self.assertEqual(ran[0].out, ran[1].out)
        return ran[0].out

    def test_the_sources_include_nothing_of_ours_but_the_public_header(self):
        for name in os.listdir(os.path.join(tap.SOURCE, 'examples')):
            if not name.endswith('.c'):  # questions for an evaluation are an example too
                continue
            with open(os.path.join(tap.SOURCE, 'examples', name)) as f:
                included = re.findall(r'#include (.*)', f.read())
            self.assertEqual(included[0], '<fathom/fathom.h>')
            self.assertFalse([i for i in included if '"' in i])

    def test_the_code_in_the_documentation_compiles(self):
        with open(os.path.join(tap.SOURCE, 'docs', 'library.md')) as f:
            blocks = re.findall(r'```c\n(.*?)```', f.read(), re.S)
        self.assertGreater(len(blocks), 3)
        path = os.path.join(self.root, 'documented.c')
        with open(path, 'w') as f:
            f.write('#include <fathom/fathom.h>\n#include <stdio.h>\n'
                    'bool on_text(void *context, const char *text, size_t size, bool thinking);\n')
            for number, block in enumerate(blocks):
                f.write('void block_%d(const char *path, fathom_model *model, fathom_session *session,\n'
                        'fathom_session **sessions, size_t n_sessions, const int32_t *ids, size_t n,\n'
                        'fathom_status status, fathom_generation result, fathom_error err);\n' % number)
                f.write('void block_%d(const char *path, fathom_model *model, fathom_session *session,\n'
                        'fathom_session **sessions, size_t n_sessions, const int32_t *ids, size_t n,\n'
                        'fathom_status status, fathom_generation result, fathom_error err) {\n%s}\n'
                        % (number, block))
        ran = tap.run(*CC, '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter',
                      '-Wno-unused-but-set-parameter', path, *self.flags('--cflags'))
        self.assertEqual(ran.code, 0, ran)

    def test_answer_says_what_run_says(self):
        model = tap.golden('tiny-llama')
        said = self.run_both('answer', model, 'Hello')
        run = tap.fathom('run', model, 'Hello', '-n', '200')
        self.assertEqual(said.strip('\n')[:40], run.out.strip('\n')[:40])

    def test_stream_keeps_the_conversation_in_one_session(self):
        said = self.run_both('stream', tap.golden('tiny-v3'), stdin='Hello\nAnd again\n')
        turns = re.findall(r'\((\d+) tokens read, (\d+) known, (\d+) written\)', said)
        self.assertEqual(len(turns), 2, said)
        self.assertEqual(turns[0][1], '0')
        self.assertGreater(int(turns[1][1]), 0)

    def test_many_says_what_answer_says_each_time(self):
        model = tap.golden('tiny-llama')
        questions = ['Hello', 'Where?', 'And when was that?']
        said = self.run_both('many', model, *questions)
        alone = self.build('answer', True)
        at = 0
        for question in questions:
            ran = tap.run(alone, model, question)
            self.assertEqual(ran.code, 0, ran)
            whole = question + '\n' + ran.out
            self.assertEqual(said[at:at + len(whole)], whole)
            at += len(whole) + 1
        self.assertEqual(at, len(said))

    def test_many_tells_of_a_question_that_is_too_long_and_answers_the_others(self):
        said = self.run_both('many', tap.golden('tiny-v3'), 'Hello', 'x y z ' * 2000)
        self.assertIn('the context holds', said)

    def test_embed_finds_each_text_most_like_itself(self):
        said = self.run_both('embed', tap.golden('tiny-qwen2'), stdin='a cat\na kitten\n\na cat\nno\n')
        rows = [[float(x) for x in line.split()] for line in said.splitlines()]
        self.assertEqual([len(row) for row in rows], [4] * 4)
        for i in range(4):
            self.assertAlmostEqual(rows[i][i], 1, 3)
            for k in range(4):
                self.assertEqual(rows[i][k], rows[k][i])
        self.assertEqual(rows[0], rows[2])
        self.assertLess(rows[0][1], 0.999)

    def test_structured_keeps_to_its_schema(self):
        schema = ('{"type": "object", "properties": {"who": {"enum": ["Ada", "Grace"]}, '
                  '"age": {"type": "integer", "minimum": 10, "maximum": 99}}, '
                  '"required": ["who", "age"], "additionalProperties": false}')
        said = json.loads(self.run_both('structured', tap.golden('tiny-llama'), 'Who?', schema))
        self.assertIn(said['who'], ('Ada', 'Grace'))
        self.assertTrue(10 <= said['age'] <= 99)
        ran = tap.run(self.build('structured', True), tap.golden('tiny-llama'), 'Who?', '{"type": 5}')
        self.assertEqual((ran.code, ran.out, ran.err.count('\n')), (2, '', 1), ran)

    def test_train_makes_a_model_of_a_text_and_goes_on_with_the_run(self):
        text = os.path.join(self.root, 'text.txt')
        with open(text, 'w') as f:
            f.write('the cat sat on the mat and the dog ran under the old tree then. ' * 60)
        said = []
        for static in (False, True):
            folder = os.path.join(self.root, 'trained%d' % static)
            os.mkdir(folder)
            for steps in (3, 4):
                keys = ('model.shape=pico', 'run.steps=%d' % steps, 'data.context=64', 'batch.tokens=256',
                        'samples.every=0', 'validation.every=0')
                ran = tap.run(self.build('train', static), folder, text, *[w for key in keys for w in ('-s', key)],
                              env={'LD_LIBRARY_PATH': self.flags('--variable=libdir')[0]})
                self.assertEqual(ran.code, 0, ran)
                self.assertEqual(json.loads(ran.out)['step'], steps)
                self.assertEqual('step 1 of' in ran.err, steps == 3)
            with open(json.loads(ran.out)['checkpoint'] + '/manifest.json') as f:
                said.append(f.read().replace(folder, ''))
            ran = tap.fathom('run', json.loads(ran.out)['checkpoint'], 'the cat', '-n', '3', '--raw')
            self.assertEqual(ran.code, 0, ran)
        ran = tap.run(self.build('train', True), self.root + '/none', text, '-s', 'run.step=3')
        self.assertEqual((ran.code, ran.out), (2, ''), ran)

    def test_a_model_that_is_none_is_told_in_one_sentence(self):
        for name, *rest in (('answer', 'x'), ('stream',), ('many', 'x', 'y'), ('embed',),
                            ('structured', 'x', '{}')):
            ran = tap.run(self.build(name, True), '/none', *rest)
            self.assertEqual((ran.code, ran.out), (2, ''), ran)
            self.assertEqual(ran.err.count('\n'), 1)
            self.assertIn('/none', ran.err)


if __name__ == '__main__':
    tap.main()
