"""What shapes an answer: stops, a budget for the reasoning, grammars, penalties, guesses."""
import json
import math
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

    def refused(self, says, *options, model=None):
        ran = tap.fathom('run', model or self.folder, *options, 'Hi')
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, ran.err)

    def test_a_stop_ends_the_answer_and_is_not_shown(self):
        said = self.ask('--stop', 'ge bo')
        self.assertEqual((said['text'], said['stop']), ('Ships are lar', 'string'))
        said = self.ask('--stop', 'thought 3') # of the answer, not of the reasoning
        self.assertEqual((said['text'], said['stop']), (''.join(ANSWER), 'end'))

    def test_of_several_stops_the_first_that_comes_ends_the_answer(self):
        said = self.ask('--stop', 'that cross', '--stop', 'never', '--stop', 'large')
        self.assertEqual((said['text'], said['stop'], said['stop_string']), ('Ships are ', 'string', 'large'))
        said = self.ask('--stop', 'that cross', '--stop', 'never')
        self.assertEqual(said['stop_string'], 'that cross')
        self.assertEqual(self.ask('--stop', 'never')['stop_string'], None)
        self.refused('at most 16 times', *['--stop', 'x'] * 17)
        self.refused('not empty', '--stop', '')
        self.refused('not valid UTF-8', '--stop', b'\xff'.decode('utf-8', 'surrogateescape'))

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
        self.refused('contradict', '--grammar', bad, '--json-mode')

    def test_json_mode_is_any_object(self):
        ended = 0
        for seed in range(6):
            said = self.ask('--json-mode', '-T', '0.8', '--seed', seed, '-n', '200', model=tap.golden('tiny-llama'))
            self.assertTrue(said['text'].startswith('{'))
            if said['stop'] == 'end':
                self.assertIsInstance(json.loads(said['text'], strict=False), dict)
                ended += 1
        self.assertGreater(ended, 0)

    def test_biases_forbid_and_force_tokens(self):
        model = tap.golden('tiny-llama')
        plain = self.ask('-n', '20', '--logprobs', '0', model=model)
        ids = [token['id'] for token in plain['tokens']]
        banned = self.ask('-n', '20', '--logprobs', '0', '--logit-bias',
                          ','.join('%d=-inf' % i for i in set(ids)), model=model)
        self.assertFalse(set(ids) & {token['id'] for token in banned['tokens']})
        forced = self.ask('-n', '5', '--logprobs', '0', '--logit-bias', '300=1', '--logit-bias', '77=1e6',
                          model=model)
        self.assertEqual([token['id'] for token in forced['tokens']], [77] * 5)
        for bad in ('x', '5', '5=', '5=nan', '5=1,', '=1', '-5=1', '99999999999=1', '5=1;6=1'):
            self.refused(["'%s'" % bad, '--logit-bias'], '--logit-bias=' + bad)
        self.refused('512', '--logit-bias', '512=1', model=model)

    def test_log_probabilities_are_listed_token_by_token(self):
        model = tap.golden('tiny-v3')
        said = self.ask('-n', '12', '--logprobs', '5', model=model)
        self.assertEqual(len(said['tokens']), 12)
        for token in said['tokens']:
            self.assertEqual(len(token['top']), 5)
            self.assertEqual(token['top'][0]['id'], token['id']) # greedy
            self.assertEqual(token['top'][0]['logprob'], token['logprob'])
            self.assertEqual(token['drawn_logprob'], 0)
            self.assertLess(sum(math.exp(top['logprob']) for top in token['top']), 1.0001)
        self.assertEqual(self.ask('-n', '12', model=model)['logits_hash'], said['logits_hash'])
        self.assertNotIn('tokens', self.ask('-n', '1', model=model))
        self.refused('--json', '--logprobs', '3')
        self.refused('from 0 to 20', '--json', '--logprobs', '21')

    def test_figures_tell_how_it_went(self):
        said = self.ask('-n', '40', model=tap.golden('tiny-llama'))
        self.assertEqual(said['arith'], 'exact')
        self.assertAlmostEqual(said['tokens_per_step'], 40 / said['steps'], 2)
        self.assertLessEqual(said['steps'] - 1, 40 - said['right_guesses'])
        ran = tap.fathom('run', self.folder, '--style', 'r1', '-T', '0', '--stats', '--stop', 'large', 'Hi')
        self.assertRegex(ran.err, r'reply \d+ tokens, [\d.,]+/s, \d+ of reasoning · stopped at "large"'
                                  r'.* · exact, int16 activations · logits [0-9a-f]{16}\n.*\n\Z')
        ran = tap.fathom('run', tap.golden('tiny-v3'), '--arith', 'fast', '--activations', 'f32', '-n', '3',
                         '--stats', 'Hi')
        self.assertIn(' · fast, f32 activations · logits ', ran.err)

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
