"""fathom tasks: what there is, problems by name, a user's own problems, verdicts and exit codes."""
import json
import os
import shutil
import tempfile
import unittest

import tap


class Tasks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='fathom-test.')
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, *lines, options=()):
        path = os.path.join(self.folder, 'answers.jsonl')
        with open(path, 'w', encoding='utf-8') as f:
            for line in lines:
                f.write((line if isinstance(line, str) else json.dumps(line)) + '\n')
        return tap.fathom('tasks', 'check', path, *options)

    def verdicts(self, *lines):
        ran = self.check(*lines, options=['--json'])
        self.assertEqual(ran.err, '')
        return [json.loads(line)['verdict'] for line in ran.out.splitlines()]

    def test_the_list_has_every_kind_with_its_bands(self):
        kinds = json.loads(tap.fathom('tasks', 'list', '--json').out)['tasks']
        self.assertGreaterEqual(len(kinds), 14)
        shown = tap.fathom('tasks', 'list').out
        for kind in kinds:
            self.assertIn(kind['name'], shown)
            self.assertGreaterEqual(len(kind['bands']), 2)
            self.assertGreater(kind['held_out'], 0)

    def test_a_sample_is_the_same_again_and_goes_on_where_it_ended(self):
        ran = tap.fathom('tasks', 'sample', '-n', '60', '--json')
        again = tap.fathom('tasks', 'sample', '-n', '60', '--json')
        tail = tap.fathom('tasks', 'sample', '-n', '25', '--first', '35', '--json')
        other = tap.fathom('tasks', 'sample', '-n', '60', '--seed', '2', '--json')
        self.assertEqual(ran.code, 0)
        self.assertEqual(ran.out, again.out)
        self.assertEqual(ran.out.splitlines()[35:], tail.out.splitlines())
        self.assertNotEqual(ran.out, other.out)

    def test_a_problem_is_what_it_was_when_its_kind_was_written(self):
        """Names mean the same problem for ever: seeds, keys and splits of a release may not drift."""
        for key in FOREVER:
            kind = key.split(':')[0]
            ran = tap.fathom('tasks', 'sample', kind, '--band', '2', '--seed', '7', '--split', 'test', '--json')
            self.assertEqual(json.loads(ran.out)['key'], key)

    def test_people_see_prompt_working_and_answer(self):
        ran = tap.fathom('tasks', 'sample', 'addition', '--band', '2', '--seed', '3')
        self.assertEqual((ran.code, ran.err), (0, ''))
        self.assertIn('Written from the right:', ran.out)

    def test_completions_are_what_a_model_is_to_say(self):
        ran = tap.fathom('tasks', 'sample', 'gcd', '-n', '5', '--completions')
        for line in ran.out.splitlines():
            line = json.loads(line)
            self.assertEqual(sorted(line), ['completion', 'prompt'])
            self.assertRegex(line['completion'], r'(?s)\A<think>\n.*\n</think>\n\n<answer>\d+</answer>\Z')

    def test_what_is_not_there_is_named(self):
        for arguments, words in ((['sample', 'additon'], 'did you mean addition'),
                                 (['sample', 'addition', '--band', '9'], 'bands 1 to 5, not 9'),
                                 (['sample', '--json', '--completions'], 'choose one'),
                                 (['check', os.path.join(self.folder, 'none')], 'none')):
            ran = tap.fathom('tasks', *arguments)
            self.assertEqual(ran.code, 2)
            self.assertIn(words, ran.err)

    def test_answers_to_sampled_problems_are_checked_and_counted(self):
        lines = [json.loads(line) for line in tap.fathom('tasks', 'sample', '-n', '40', '--json').out.splitlines()]
        right = [dict(line, given=line['answer']) for line in lines]
        ran = self.check(*right)
        self.assertEqual((ran.code, ran.out), (0, '40 of 40 right, 0 wrong, 0 undecided\n'))
        right[6]['given'] = 'forty-two'
        ran = self.check(*right)
        self.assertEqual(ran.code, 1)
        self.assertEqual(ran.out.splitlines()[-1], '39 of 40 right, 1 wrong, 0 undecided')
        self.assertTrue(ran.out.startswith('line 7, wrong: "forty-two" to '))
        self.assertEqual(self.check(*right, options=['-q']).out, '39 of 40 right, 1 wrong, 0 undecided\n')

    def test_a_stored_answer_is_never_what_counts(self):
        """The problem is verified, so a line whose stored answer is wrong misleads nobody."""
        line = {'checker': 'countdown', 'facts': {'numbers': [4, 5, 2], 'target': 18}, 'answer': '18'}
        self.assertEqual(self.verdicts(dict(line, given='18'), dict(line, given='5*4-2'), dict(line, given='4.5*2*2')),
                         ['wrong', 'right', 'wrong'])

    def test_problems_of_ones_own_have_checkers_too(self):
        number = {'prompt': 'Half of three?', 'answer': '3/2', 'checker': 'number'}
        text = {'prompt': 'Capital of France?', 'answer': 'Paris', 'checker': 'text'}
        self.assertEqual(self.verdicts(dict(number, given='1.5'), dict(number, given='6/4'), dict(number, given='3'),
                                       dict(number, given='3/2 or 2'), dict(text, given=' paris\n'),
                                       dict(text, given='Paris, France'), dict(text, given='')),
                         ['right', 'right', 'wrong', 'wrong', 'right', 'wrong', 'wrong'])

    def test_answers_are_compared_as_mathematics_where_a_line_names_no_checker(self):
        line = {'prompt': 'Solve 2x = 1.', 'answer': '\\frac{1}{2}'}
        given = ('1/2', '0.5', 'x = 1/2', '$\\frac12$', '2', '1/2 or 2', '2x = 1', '', '1e999')
        self.assertEqual(self.verdicts(*(dict(line, given=one) for one in given)), ['right'] * 4 + ['wrong'] * 5)
        tuples = {'prompt': 'Where do they meet?', 'answer': '(1, 2)', 'checker': 'maths'}
        self.assertEqual(self.verdicts(dict(tuples, given='(1,2)'), dict(tuples, given='(2, 1)')), ['right', 'wrong'])

    def test_of_a_reply_the_one_final_answer_counts(self):
        line = {'checker': 'addition', 'facts': {'numbers': [17, 25]}}
        replies = {'<think>17+25</think><answer>42</answer>': 'right', '<think>..</think> It is \\boxed{42}.': 'right',
                   '<think><answer>42</answer></think><answer>41</answer>': 'wrong', '42': 'wrong', '': 'wrong',
                   '<answer>41</answer><answer>42</answer>': 'wrong', '<answer>42</answer> or 41': 'wrong',
                   '<think>still <answer>42</answer>': 'wrong', '<answer>17 + 25</answer>': 'wrong'}
        self.assertEqual(self.verdicts(*(dict(line, reply=reply) for reply in replies)), list(replies.values()))
        ran = self.check(dict(line, reply='no idea'), dict(line, given='42'))
        self.assertIn('1 of 2 right, 1 wrong (1 without an answer), 0 undecided', ran.out)

    def test_a_bad_line_is_named_with_its_number(self):
        good = {'prompt': 'p', 'answer': '1', 'checker': 'number', 'given': '1'}
        for line, words in (('{"prompt": ', 'line 2'),
                            ('[1, 2]', 'line 2: it is no JSON object'),
                            ({'answer': '1', 'given': '1'}, 'line 2: it has no "prompt"'),
                            ({'prompt': 'p', 'given': '1'}, 'line 2: it has no "answer"'),
                            (dict(good, answer=7), 'line 2: "answer" must be a text'),
                            (dict(good, answer='seven'), 'needs an "answer" that is a number'),
                            (dict(good, checker='numbre'), 'line 2: "checker": there is no kind of problem'),
                            ({'checker': 'gcd', 'given': '1'}, 'line 2: checker gcd needs "facts"'),
                            ({'checker': 'gcd', 'facts': {'numbers': [4]}, 'given': '1'}, 'at least two'),
                            ({'checker': 'gcd', 'facts': {'numbers': [4, 0]}, 'given': '1'}, 'from 1 to'),
                            ({'prompt': 'p', 'answer': '1', 'checker': 'number'},
                             'line 2: it has no "given" answer and no "reply"')):
            ran = self.check(good, line)
            self.assertEqual(ran.code, 2, line)
            self.assertIn(words, ran.err)

    def test_empty_lines_and_an_empty_file_are_fine(self):
        good = {'prompt': 'p', 'answer': '1', 'checker': 'number', 'given': '1'}
        self.assertEqual(self.check('', good, '  ', '').out, '1 of 1 right, 0 wrong, 0 undecided\n')
        self.assertEqual(self.check().out, '0 of 0 right, 0 wrong, 0 undecided\n')

    def test_standard_input_will_do(self):
        line = json.dumps({'prompt': 'p', 'answer': '1', 'checker': 'number', 'given': '1'})
        ran = tap.fathom('tasks', 'check', '-', stdin=line + '\n')
        self.assertEqual((ran.code, ran.out), (0, '1 of 1 right, 0 wrong, 0 undecided\n'))


FOREVER = [
    'addition:15+4854',
    'subtraction:9289-83',
    'multiplication:62*97',
    'division:21/6',
    'fractions:7/6-11/3',
    'gcd:144,1440',
    'lcm:23,60',
    'modulo:952102%38',
    'bases:1736:8>10',
    'equations:4(x+0)+21=0(x+0)+17',
    'conversion:92m>km',
    'calendar:days 9 January 2039 - 3 March 2039',
    'sequences:6,30,150,750,3750,18750',
    'countdown:3,17,25>45',
]

if __name__ == '__main__':
    tap.main()
