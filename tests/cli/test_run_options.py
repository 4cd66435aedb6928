"""What shapes an answer: stops, a budget for the reasoning, grammars, penalties, guesses."""
import json
import os
import tempfile
import unittest

import scripted
import tap

THINKING = ['thought %d, ' % i for i in range(8)]
ANSWER = ['Ships ', 'are ', 'large ', 'boats ', 'that cross seas.']


class Options(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        scripted.make(self.folder, THINKING, ANSWER)

    def ask(self, *options, model=None):
        ran = tap.fathom('run', *([model] if model else [self.folder, '--style', 'r1']), '-T', '0',
                         '--json', *options, 'Hi')
        self.assertEqual(ran.code, 0, ran)
        return json.loads(ran.out)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def refused(self, says, *options):
        ran = tap.fathom('run', self.folder, *options, 'Hi')
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn(says, ran.err)

    def test_a_stop_ends_the_answer_and_is_not_shown(self):
        said = self.ask('--stop', 'ge bo')
        self.assertEqual((said['text'], said['stop']), ('Ships are lar', 'string'))
        said = self.ask('--stop', 'thought 3') # of the answer, not of the reasoning
        self.assertEqual((said['text'], said['stop']), (''.join(ANSWER), 'end'))

    def test_a_budget_closes_the_reasoning(self):
        whole = self.ask()
        self.assertEqual(whole['text'], ''.join(ANSWER))
        for budget in (0, 1, 3):
            said = self.ask('--thinking-budget', budget, '-n', budget + 6)
            self.assertLessEqual(said['reasoning_tokens'], budget + 2)
            self.assertNotIn('thought %d' % budget, said['thinking'] or '')
        said = self.ask('--thinking-budget', '1000')
        self.assertEqual((said['thinking'], said['text']), (whole['thinking'], whole['text']))

    def test_a_grammar_and_a_schema_hold_the_answer(self):
        model = tap.golden('tiny-llama')
        grammar = self.file('g.gbnf', 'root ::= ("yes" | "no") " " [0-9] [0-9]')
        for seed in range(4):
            said = self.ask('--grammar', grammar, '-T', '1', '--seed', seed, model=model)
            self.assertRegex(said['text'], r'\A(yes|no) \d\d\Z')
            self.assertEqual(said['stop'], 'end')
        schema = self.file('s.json', '{"type": "object", "properties": {"n": {"enum": [1, 2]}}, '
                                     '"required": ["n"], "additionalProperties": false}')
        said = self.ask('--schema', schema, '-T', '1', model=model)
        self.assertIn(json.loads(said['text'])['n'], (1, 2))

    def test_a_grammar_that_is_none_is_refused_before_the_model_is_loaded(self):
        bad = self.file('bad', 'root ::= (')
        self.refused(bad, '--grammar', bad)
        self.refused(bad, '--schema', bad)
        self.refused('/none', '--grammar', '/none')
        self.refused('contradict', '--grammar', bad, '--schema', bad)

    def test_penalties_change_what_is_said_and_guesses_do_not(self):
        model = tap.golden('tiny-llama')
        plain = self.ask('-n', '40', model=model)
        for option, value in (('--repetition-penalty', '1.5'), ('--presence-penalty', '3'),
                              ('--frequency-penalty', '2')):
            self.assertNotEqual(self.ask('-n', '40', option, value, model=model)['text'], plain['text'])
        for guesses in (0, 1, 15):
            said = self.ask('-n', '40', '--guesses', guesses, model=model)
            self.assertEqual((said['text'], said['logits_hash']), (plain['text'], plain['logits_hash']))
            if guesses == 0:
                self.assertEqual(said['guessed_tokens'], 0)


if __name__ == '__main__':
    tap.main()
