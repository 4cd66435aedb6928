"""fathom eval --endpoint: a model behind an address that is well, busy, slow, broken or hostile."""
import json
import os
import re
import tempfile
import time
import unittest

import chat_server as chat
import tap


class Endpoint(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.out = os.path.join(self.folder, 'results.jsonl')
        self.questions = os.path.join(self.folder, 'questions.jsonl')
        with open(self.questions, 'w') as f:
            for i in range(6):
                f.write(json.dumps({'question': 'What is %d + 1?' % i, 'answer': i + 1, 'level': i % 2}) + '\n')
        self.server = chat.Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.server.replies = self.sum

    @staticmethod
    def sum(body):
        """Right but for 4 + 1."""
        a, b = re.search(r'(\d+) \+ (\d+)', body['messages'][-1]['content']).groups()
        return 'The answer is %d.' % (int(a) + int(b) - (a == '4'))

    def run_eval(self, *options, key=None):
        return tap.fathom('eval', '--endpoint', self.server.url, '--model', 'some-model', self.questions, '--json',
                          *options, env={'FATHOM_ENDPOINT_KEY': key or ''})

    def ask(self, *options, **more):
        ran = self.run_eval(*options, **more)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        return json.loads(ran.out)

    def refused(self, *options, says, **more):
        ran = self.run_eval(*options, **more)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def test_questions_are_asked_and_answers_graded(self):
        got = self.ask('-k', '2', '-n', '50', '--system', 'Be right.', '-i', 'Briefly.', key='secret-7')
        all = got['rows'][0]
        self.assertEqual((got['model'], all['questions'], all['replies'], all['correct'], all['formed']),
                         ('some-model', 6, 12, 10, 12))
        self.assertAlmostEqual(all['pass@1']['value'], 5 / 6)
        self.assertAlmostEqual(all['cons']['value'], 5 / 6)
        self.assertEqual(all['right_tokens_mean'], 3)
        self.assertEqual(len(self.server.requests), 12)
        for asked in self.server.requests:
            self.assertEqual((asked.path, asked.headers['Authorization']), ('/v1/chat/completions', 'Bearer secret-7'))
            body = asked.body
            self.assertEqual((body['model'], body['temperature'], body['top_p'], body['max_tokens'], body['stream']),
                             ('some-model', 0.6, 0.95, 50, False))
            self.assertEqual([m['role'] for m in body['messages']], ['system', 'user'])
            self.assertTrue(body['messages'][1]['content'].endswith('?\nBriefly.'))
        self.assertEqual(len({asked.body['seed'] for asked in self.server.requests}), 12)
        seeds = {(a.body['messages'][1]['content'], a.body['seed']) for a in self.server.requests}
        self.server.requests.clear()
        self.ask('-k', '2', '-n', '50', '-i', 'Briefly.', '--parallel', '1')
        self.assertEqual({(a.body['messages'][0]['content'], a.body['seed']) for a in self.server.requests}, seeds)
        self.assertNotIn('Authorization', self.server.requests[0].headers)

    def test_requests_go_side_by_side_and_no_more_than_asked(self):
        self.server.delay = 0.1
        self.ask('-k', '2', '--parallel', '6')
        self.assertEqual(self.server.most_at_once, 6)
        self.server.most_at_once = 0
        self.ask('--parallel', '1')
        self.assertEqual(self.server.most_at_once, 1)

    def test_what_may_pass_is_tried_again(self):
        self.server.fault(chat.status(429, retry_after=0), chat.status(503), chat.hang_up(3), chat.garbage(b'{"a'),
                          chat.garbage(b'{}'), chat.hang_up(), chat.status(500))
        got = self.ask('--parallel', '3')
        self.assertEqual((got['rows'][0]['replies'], got['rows'][0]['correct']), (6, 5))
        self.assertEqual(len(self.server.requests), 13)

    def test_a_server_that_asks_for_time_gets_it(self):
        self.server.fault(chat.status(429, retry_after=2))
        begun = time.monotonic()
        self.ask('--limit', '1')
        self.assertGreater(time.monotonic() - begun, 2)
        self.server.fault(chat.status(429, retry_after=4000))
        self.refused('--limit', '1', says='come back in 67 minutes')

    def test_what_will_not_pass_ends_the_run_and_the_same_command_goes_on(self):
        self.server.fault(*[chat.completion('The answer is 1.')] * 2, chat.status(401, message='bad key'))
        self.refused('--parallel', '1', '--out', self.out, says='refuses the key (status 401): bad key')
        self.assertEqual(len(self.server.requests), 3)
        got = self.ask('--out', self.out)
        self.assertEqual((got['resumed'], got['done'], len(self.server.requests)), (2, 6, 7))
        self.server.fault(chat.status(400, message='too long\n\x1b[31m'))
        self.refused('--limit', '1', says='the question of line 1 with status 400: too long')
        self.refused('--out', self.out, '-T', '1', says='temperature 0.6 and this run has 1')
        self.server.fault(chat.redirect(self.server.url))
        self.refused('--limit', '1', says='redirects')

    def test_an_endpoint_that_stays_broken_is_given_up(self):
        self.server.fault(*[chat.garbage(b'<html>')] * 3)
        self.refused('--limit', '1', '--attempts', '3', says='no chat completion (3 attempts)')
        self.assertEqual(len(self.server.requests), 3)

    def test_slow_answers_are_given_up(self):
        self.server.fault(*[chat.sleep(60)] * 2)
        self.refused('--limit', '1', '--timeout', '1', '--attempts', '2', says='has not answered in full for 1 seconds')
        self.assertEqual(len(self.server.requests), 2)

    def test_hostile_answers_are_read_or_refused(self):
        def line(name, body, **expected):
            with self.subTest(name):
                self.server.faults.clear()
                self.server.fault(*[chat.garbage(body)] * 6)
                if os.path.exists(self.out):
                    os.remove(self.out)
                if not expected:
                    return self.refused('--limit', '1', '--attempts', '1', says='no chat completion')
                self.ask('--limit', '1', '--out', self.out)
                with open(self.out) as f:
                    sample = json.loads(f.readlines()[1])['samples'][0]
                for key, value in expected.items():
                    self.assertEqual(sample[key], value)
        def choice(message, **more):
            return json.dumps({'choices': [{'message': message, **more}]}).encode()
        line('nothing said', choice({'content': None}), correct=False, answer=None, tokens=None)
        line('reasoning apart', choice({'content': 'It is 1.', 'reasoning_content': 'or 2?'}), correct=True,
             thinking='or 2?')
        line('cut', choice({'content': 'The answer is 1'}, finish_reason='length'), correct=True, stop='length')
        line('tokens that are none', json.dumps({'choices': [{'message': {'content': '1'}}],
                                                 'usage': {'completion_tokens': -5}}).encode(), tokens=None)
        line('zeros and controls', choice({'content': 'a\u0000\u001b[31m\n1'}), correct=True)
        line('a megabyte', choice({'content': '1' * (1 << 20)}), correct=False)
        line('a megabyte of boxes', choice({'content': '\\boxed{' * (1 << 17)}), correct=False)
        line('all candidates', choice({'content': '\\boxed{1, 2, 3, 4}'}), correct=False)
        line('deep', choice({'content': '1'})[:-1] + b', "x": ' + b'[' * 100000 + b']' * 100000 + b'}')
        line('no text', choice({'content': ['1']}))
        line('no choices', b'{"choices": []}')
        line('a list', b'[1]')
        line('not UTF-8', b'{"choices": [{"message": {"content": "\xff"}}]}')
        line('empty', b'')

    def test_a_flood_is_cut_off(self):
        self.server.fault(chat.flood(64 << 20))
        self.refused('--limit', '1', says='more than 16777216 bytes')
        self.assertEqual(len(self.server.requests), 1)

    def test_a_key_never_goes_in_the_clear_or_where_it_breaks_a_header(self):
        self.refused(says='the key', key='a b')
        def command(*more, env):
            return tap.fathom('eval', '--endpoint', *more, '--model', 'm', self.questions, '--limit', '1',
                              env=env)
        ran = command('http://203.0.113.1/v1', env={'FATHOM_ENDPOINT_KEY': 'k'})
        self.assertEqual(ran.code, 2)
        self.assertIn('in the clear', ran.err)
        ran = command('ftp://127.0.0.1', env={})
        self.assertIn('no address', ran.err)
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', self.questions, '--key-from', 'OTHER',
                         '--limit', '1', env={'OTHER': 'k2', 'FATHOM_ENDPOINT_KEY': 'k1'})
        self.assertEqual((ran.code, self.server.requests[-1].headers['Authorization']), (0, 'Bearer k2'))

    def test_problems_are_made_and_graded_by_their_own_checkers(self):
        def task(*options, code=0):
            ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', '--json', *options)
            self.assertEqual(ran.code, code, ran)
            return json.loads(ran.out) if code == 0 else ran.err
        self.server.replies = lambda body: 'So <answer>%d</answer>' % sum(
            int(n.replace(',', '')) for n in re.findall(r'[0-9][0-9,]*[0-9]|[0-9]', body['messages'][0]['content']))
        got = task('--task', 'addition', '--limit', '5', '--out', self.out)
        all, *bands = got['rows']
        self.assertEqual((all['correct'], all['formed'], all['unanswered']), (all['questions'],) * 2 + (0,))
        self.assertEqual([row['questions'] for row in bands], [5] * len(bands))
        with open(self.out) as f:
            lines = [json.loads(line) for line in f.readlines()[1:]]
        self.assertEqual(len({line['key'] for line in lines}), all['questions'])
        self.assertEqual({line['domain'] for line in lines}, {'addition'})
        asked = [r.body['messages'][0]['content'] for r in self.server.requests]
        self.assertEqual(task('--task', 'addition', '--limit', '5', '--out', self.out)['resumed'], all['questions'])
        def prompts(*options):
            self.server.requests.clear()
            task('--task', 'addition', '--band', '2', '--limit', '5', *options)
            return {r.body['messages'][0]['content'] for r in self.server.requests}
        usual = prompts()
        self.assertLessEqual(usual, set(asked))
        self.assertEqual(len(usual), 5)
        self.assertEqual(prompts(), usual)
        self.assertNotIn(prompts('--task-seed', '1'), (usual,))
        self.assertEqual(prompts('--split', 'train') & usual, set())
        self.server.replies = lambda body: 'So <answer>every number</answer>'
        self.assertEqual(task('--task', 'addition', '--band', '1', '--limit', '5')['rows'][0]['correct'], 0)
        self.assertIn('no kind of problem', task('--task', 'additoin', code=2))
        self.assertIn('bands 1 to', task('--task', 'addition', '--band', '50', code=2))
        self.assertIn('train, validation or test', task('--task', 'addition', '--split', 'all', code=2))
        self.assertIn('ask for fewer', task('--task', 'addition', '--band', '1', '--limit', '100000', code=2))
        self.assertIn('one argument too many', task('--task', 'addition', self.questions, code=2))

    def test_lines_of_problems_are_judged_by_their_checkers(self):
        sampled = tap.fathom('tasks', 'sample', 'countdown', '--band', '1', '-n', '4', '--json')
        self.assertEqual((sampled.code, sampled.err), (0, ''), sampled)
        problems = [json.loads(line) for line in sampled.out.splitlines()]
        self.assertEqual(len(problems), 4)
        path = os.path.join(self.folder, 'problems.jsonl')
        with open(path, 'w') as f:
            f.write(sampled.out)
            f.write(json.dumps({'prompt': 'Half?', 'answer': '1/2', 'checker': 'maths'}) + '\n')
        given = {p['prompt']: '<answer>%s</answer>' % p['answer'] for p in problems}
        given['Half?'] = 'The answer is 0.5.'
        self.server.replies = lambda body: given[body['messages'][0]['content']]
        def rows(*options):
            ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', path, '--json', *options)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            return json.loads(ran.out)
        got = rows('--train-data', path)
        self.assertEqual((got['rows'][0]['correct'], got['rows'][0]['questions']), (5, 5))
        self.assertEqual([row['domain'] for row in got['rows'][1:]], ['countdown', 'maths'])
        self.assertEqual((got['overlap']['with_key'], got['overlap']['keys'], got['overlap']['phrasings']), (4, 4, 4))
        given = {prompt: '<answer>%s + 0</answer>' % ' + '.join(map(str, p['facts']['numbers']))
                 for prompt, p in zip(given, problems)} | {'Half?': '2'}
        self.assertEqual(rows()['rows'][0]['correct'], 0)
        with open(path, 'a') as f:
            f.write(json.dumps({'prompt': 'x', 'checker': 'nonsense', 'answer': '1'}) + '\n')
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', path)
        self.assertEqual((ran.code, ran.out), (2, ''))
        self.assertIn('line 6', ran.err)

    def test_answers_are_compared_as_mathematics_and_texts_as_texts(self):
        cases = (('\\frac{\\sqrt{3}}{2}', '\\boxed{\\sqrt{3}/2}', True), ('x + 1', '\\boxed{1+x}', True),
                 ('x + 1', '\\boxed{x + 2}', False), ('1/2', 'The answer is 0.5.', True),
                 ('2', '\\boxed{1, 2, 3}', False),
                 ('391', '\\boxed{17 * 23}', False), ('(1, 2)', '\\boxed{(2, 1)}', False), (0.75, 'so 3/4', True),
                 ('Paris', 'Paris', True), ('Paris', 'Rome', False),
                 ('the red one, of course!', 'x\nthe blue one!', False),
                 ('the red one, of course!', 'I say\nthe red one, of course!', True), ('5', '', False))
        path = os.path.join(self.folder, 'maths.jsonl')
        with open(path, 'w') as f:
            for i, (gold, _, _) in enumerate(cases):
                f.write(json.dumps({'question': 'Question %d' % i, 'answer': gold}) + '\n')
        self.server.replies = lambda body: cases[int(body['messages'][0]['content'].split()[1])][1]
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', path, '--out', self.out, '--json')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        with open(self.out) as f:
            lines = sorted((json.loads(line) for line in f.readlines()[1:]), key=lambda line: line['line'])
        self.assertEqual([line['samples'][0]['correct'] for line in lines], [right for _, _, right in cases])

    def test_answers_that_say_the_same_vote_together(self):
        said = ['\\boxed{7}', '\\boxed{1/2}', '\\boxed{7}', '\\boxed{0.5}', '\\boxed{\\frac{2}{4}}']
        path = os.path.join(self.folder, 'half.jsonl')
        with open(path, 'w') as f:
            f.write(json.dumps({'question': 'Which?', 'answer': '0.5'}) + '\n')
        self.server.replies = lambda body: said.pop(0)
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', path, '-k', '5', '-p', '1', '--json')
        row = json.loads(ran.out)['rows'][0]
        self.assertEqual((row['correct'], row['cons']['value']), (3, 1))

    def programs(self, replies):
        """Verdicts on these replies to a question that asks for a function."""
        path = os.path.join(self.folder, 'programs.jsonl')
        with open(path, 'w') as f:
            f.write(json.dumps({'task_id': 'HumanEval/0', 'entry_point': 'add', 'prompt':
                                'from typing import List\n\n\ndef add(numbers: List[int]) -> int:\n'
                                '    """ The sum of numbers. """\n',
                                'test': 'def check(candidate):\n    assert candidate([]) == 0\n'
                                        '    assert candidate([1, 2, 3]) == 6\n'}) + '\n')
        if os.path.exists(self.out):
            os.remove(self.out)
        waiting = list(replies)
        self.server.replies = lambda body: waiting.pop(0)
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', path, '-k', str(len(replies)),
                         '-p', '1', '--out', self.out)
        if 'must be run in the jail' in ran.err:
            self.assertEqual((ran.code, self.server.requests), (2, []))
            self.skipTest(ran.err.strip())
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        with open(self.out) as f:
            return [sample['correct'] for sample in json.loads(f.readlines()[1])['samples']]

    def test_functions_are_graded_by_their_tests_in_the_jail(self):
        whole = 'def add(numbers: List[int]) -> int:\n    return sum(numbers)\n'
        def block(code):
            return 'Here:\n\n```python\n%s```\nDone.' % code
        self.assertEqual(self.programs([
            block(whole), block('    return sum(numbers)\n'), '    return sum(numbers)', whole,
            block('x = 1\n') + '\n' + block(whole), block('import math\n' + whole + 'print("hi", end="")\n'),
        ]), [True] * 6)
        self.assertEqual(self.programs([
            block('    return 6\n'), block('    return sum(numbers'), '', 'I cannot.', block(whole) + block('x = 1\n'),
            block('import sys\nsys.exit(0)\n' + whole), block('import os\nos._exit(0)\n' + whole),
            block('def check(f):\n    pass\n' + whole.replace('sum', 'max')), block('while True: pass\n' + whole),
            block('print("passed 0123456789abcdef")\nraise SystemExit\n' + whole),
        ]), [False] * 10)

    def test_functions_do_not_reach_those_who_examine_them(self):
        def block(code):
            return '```python\n%s\n```' % code
        equal = 'class Yes(int):\n    __eq__ = lambda self, other: True\n    __hash__ = None\n    __repr__ = lambda self: "Yes()"\n'
        word = 'all tests are passed'
        self.assertEqual(self.programs([
            block(equal + 'def add(numbers):\n    return Yes()'),
            block('import builtins\nbuiltins.AssertionError = ValueError\ndef add(numbers):\n    return 0'),
            block('import os\ndef add(numbers):\n    for fd in range(64):\n        try:\n'
                  '            os.write(fd, b"\\n%s\\n")\n        except OSError:\n            pass\n    os._exit(0)' % word),
            block('import os, signal\ndef add(numbers):\n    os.kill(os.getppid(), signal.SIGKILL)'),
            block('def add(numbers):\n    return open("/box/program.py").read()'),
            block('def add(numbers):\n    return eval("(" * 5000 + ")" * 5000)'),
            block('def add(numbers):\n    return "6" * (1 << 22)'),
        ]), [False] * 7)
        self.assertEqual(self.programs([
            block('def add(numbers):\n    print("%s")\n    return sum(numbers)' % word),
            block('def help(x):\n    return x\ndef add(numbers):\n    return sum(help(n) for n in numbers)'),
        ]), [True] * 2)

    def test_what_an_endpoint_does_not_take_is_refused(self):
        for option in (['--raw'], ['--style', 'r1'], ['--top-k', '5'], ['--min-p', '0.1'], ['--thinking-budget', '9']):
            self.refused(*option, says='an endpoint takes')
        ran = tap.fathom('eval', '--endpoint', self.server.url, self.questions)
        self.assertIn('--endpoint needs --model', ran.err)
        ran = tap.fathom('eval', '--endpoint', self.server.url, '--model', 'm', 'a', 'b')
        self.assertIn('one argument too many', ran.err)
        self.assertEqual(self.server.requests, [])


if __name__ == '__main__':
    tap.main()
