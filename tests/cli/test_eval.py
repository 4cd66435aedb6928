"""fathom eval: figures, results that survive a kill, and refusals through the program."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import tap

QUICK = ('-n', '10', '-T', '1', '--top-p', '1', '--threads', '2')


class Eval(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.out = self.path('results.jsonl')

    def path(self, name):
        return os.path.join(self.folder, name)

    def questions(self, n=6, **fields):
        path = self.path('questions.jsonl')
        with open(path, 'w') as f:
            for i in range(n):
                f.write(json.dumps({'question': 'What is %d + 1?' % i, 'answer': i + 1, **fields}) + '\n')
        return path

    def ask(self, *options, model='tiny-v3', err=''):
        ran = tap.fathom('eval', tap.golden(model), *QUICK, '--json', *options)
        self.assertEqual((ran.code, ran.err), (0, err), ran)
        return json.loads(ran.out)

    def results(self):
        """Questions by line, without what a clock says."""
        with open(self.out) as f:
            head, *lines = [json.loads(line) for line in f]
        for line in lines:
            for sample in line['samples']:
                del sample['seconds']
        self.assertEqual(len({line['line'] for line in lines}), len(lines))
        return head, sorted(lines, key=lambda line: line['line'])

    def lines(self):
        if not os.path.exists(self.out):
            return 0
        with open(self.out, 'rb') as f:
            return f.read().count(b'\n')

    def refused(self, *arguments, says):
        ran = tap.fathom('eval', *arguments)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def test_figures_agree_with_the_results(self):
        got = self.ask(self.questions(), '-k', '3', '--out', self.out)
        head, lines = self.results()
        self.assertEqual((got['items'], got['done'], got['resumed'], got['samples']), (6, 6, 0, 18))
        self.assertEqual((head['fathom_eval'], head['samples'], head['max_tokens'], head['temperature'],
                          head['arith']), (2, 3, 10, 1, 'exact'))
        samples = [s for line in lines for s in line['samples']]
        self.assertEqual(len(samples), 18)
        all = got['rows'][0]
        self.assertEqual((all['questions'], all['replies'], all['domain'], all['undecided']), (6, 18, None, 0))
        self.assertEqual(sum(s['correct'] for s in samples), all['correct'])
        self.assertEqual(sum(s['formed'] for s in samples), all['formed'])
        self.assertEqual(sum(s['tokens'] for s in samples), got['tokens'])
        self.assertEqual(sum(s['stop'] == 'length' for s in samples), all['cut'])
        self.assertEqual(sum(not s['answer'] for s in samples), all['unanswered'])
        self.assertAlmostEqual(all['pass@1']['value'], all['correct'] / 18)
        for figure in ('pass@1', 'pass@2', 'pass@3', 'cons'):
            self.assertLessEqual(all[figure]['low'], all[figure]['value'])
            self.assertLessEqual(all[figure]['value'], all[figure]['high'])
        wrong = sorted(s['tokens'] for s in samples if not s['correct'])
        self.assertAlmostEqual(all['wrong_tokens_mean'], sum(wrong) / len(wrong))
        self.assertEqual([line['expected'] for line in lines], ['1', '2', '3', '4', '5', '6'])
        shown = tap.fathom('eval', tap.golden('tiny-v3'), *QUICK, self.questions(), '-k', '3', '--out', self.out)
        self.assertEqual((shown.code, shown.err), (0, ''), shown)
        for words in ('pass@1', 'pass@2', 'cons@3', 'format', 'cut at the limit', '6 of them from ' + self.out):
            self.assertIn(words, shown.out)

    def test_the_same_figures_come_twice_and_after_any_resumption(self):
        def figures(*options):
            got = self.ask(path, '-k', '4', '--raw', '--out', self.out, *options)
            return [got['rows'], self.results()]
        path = self.path('questions.jsonl')
        with open(path, 'w') as f:
            for i in range(8):
                f.write(json.dumps({'question': 'What is %d + 1?' % i, 'answer': i + 1, 'subject': 'ab'[i % 2],
                                    'level': i // 4}) + '\n')
        first = figures()
        self.assertEqual([(row['domain'], row['band']) for row in first[0]],
                         [(None, None), ('a', None), ('a', '0'), ('a', '1'), ('b', None), ('b', '0'), ('b', '1')])
        os.remove(self.out)
        self.assertEqual(figures('--parallel', '3'), first)
        with open(self.out) as f:
            lines = f.readlines()
        with open(self.out, 'w') as f:
            f.writelines([lines[0], *reversed(lines[4:])])
        self.assertEqual(figures(), first)
        self.assertNotEqual(figures('--out', self.path('other'), '--seed', '2')[0], first[0])

    def test_several_samples_are_drawn_as_the_papers_draw(self):
        for options, expected in ((['-k', '2'], (0.6, 0.95)), (['-k', '2', '-T', '1'], (1, 0.95)),
                                  (['-k', '2', '--top-p', '1'], (0.6, 1))):
            ran = tap.fathom('eval', tap.golden('tiny-v3'), self.questions(1), '-n', '2', *options, '--out', self.out)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            head, _ = self.results()
            self.assertEqual((head['temperature'], head['top_p']), expected)
            os.remove(self.out)

    def test_questions_that_training_saw_are_counted(self):
        path, seen = self.path('questions.jsonl'), self.path('train.jsonl')
        long = 'A train leaves the town of %s at nine and goes for three hours at sixty miles an hour.'
        with open(path, 'w') as f:
            for i, name in enumerate(('Aa', 'Bb', 'Cc')):
                f.write(json.dumps({'prompt': long % name, 'answer': 180, 'key': 'k%d' % i, 'phrasing': 'p'}) + '\n')
            f.write(json.dumps({'prompt': 'What is two plus two?', 'answer': 4}) + '\n')
        def overlap(data):
            with open(seen, 'w') as f:
                f.write(data)
            got = self.ask(path, '--train-data', seen)['overlap']
            return [got[name] for name in ('lines', 'with_key', 'keys', 'with_phrasing', 'phrasings', 'grams_8',
                                           'grams_13')]
        self.assertEqual(overlap('nothing of\nthe kind\n'), [2, 3, 0, 3, 0, 0, 0])
        self.assertEqual(overlap(json.dumps({'prompt': 'x', 'key': 'k1', 'phrasing': 'q'})), [1, 3, 1, 3, 0, 0, 0])
        self.assertEqual(overlap(json.dumps({'messages': [{'role': 'user', 'content': (long % 'Bb').upper()}],
                                             'phrasing': 'p'})), [1, 3, 0, 3, 3, 3, 1])
        self.assertEqual(overlap('so: WHAT is two,\nplus two? Four.'), [2, 3, 0, 3, 0, 1, 1])
        self.assertEqual(overlap('{"a": "What is two", "b": "plus two"}'), [1, 3, 0, 3, 0, 0, 0])
        shown = tap.fathom('eval', tap.golden('tiny-v3'), *QUICK, path, '--train-data', seen)
        self.assertIn('by canonical key', shown.out)
        self.refused(tap.golden('tiny-v3'), path, '--train-data', self.path('none'), says='none')

    def test_penalties_count_and_results_with_others_are_not_joined(self):
        questions = self.questions()
        said = []
        for n, options in enumerate(([], ['--repetition-penalty', '1.5'], ['--presence-penalty', '4'],
                                     ['--frequency-penalty', '3'])):
            self.out = self.path('results-%d.jsonl' % n)
            self.ask(questions, '--out', self.out, *options)
            said.append(self.results()[1])
        self.assertNotIn(said[0], said[1:])
        self.refused(tap.golden('tiny-v3'), *QUICK, questions, '--out', self.out, '--frequency-penalty', '2',
                     says='frequency_penalty 3 and this run has 2')

    def test_replies_depend_on_seed_and_question_and_not_on_threads_or_neighbours(self):
        def texts(*options):
            if os.path.exists(self.out):
                os.remove(self.out)
            self.ask(self.questions(), '--out', self.out, '--raw', *options)
            return [line['samples'][0]['text'] for line in self.results()[1]]
        usual = texts('--parallel', '1')
        self.assertEqual(len(usual), 6)
        self.assertEqual(texts('--parallel', '5'), usual)
        self.assertEqual(texts('--threads', '1'), usual)
        self.assertEqual(texts('--cpu', 'ref'), usual)
        self.assertEqual(texts('--limit', '2'), usual[:2])
        self.assertNotEqual(texts('--seed', '1'), usual)
        self.assertNotEqual(texts('--instruction', 'Be brief.'), usual)
        self.assertNotEqual(texts('--system', 'Be brief.'), usual)

    def test_a_killed_run_loses_no_question_that_was_done(self):
        path = self.questions(30)
        command = ['--raw', '-n', '100', '-k', '4', '--parallel', '3', path, '--out', self.out]
        self.ask(*command)
        whole = self.results()
        os.remove(self.out)
        for kill in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            before = self.lines()
            with subprocess.Popen([tap.FATHOM, 'eval', tap.golden('tiny-v3'), *QUICK, *command],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as p:
                while self.lines() < before + 3 and p.poll() is None:
                    time.sleep(0.001)
                p.send_signal(kill)
                err = p.communicate(timeout=60)[1]
            self.assertEqual(p.returncode, 130 if kill == signal.SIGINT else -kill, err)
        head, lines = self.results()
        self.assertEqual(head, whole[0])
        self.assertTrue(all(line in whole[1] for line in lines))
        got = self.ask(*command)
        self.assertEqual((got['done'], got['items'], got['resumed']), (30, 30, len(lines)))
        self.assertEqual(self.results(), whole)

    def test_a_torn_last_line_is_asked_again(self):
        path = self.questions()
        self.ask(path, '--out', self.out)
        whole = self.results()
        with open(self.out, 'rb') as f:
            data = f.read()
        last = data.rindex(b'\n', 0, -1) + 1
        for cut in (last + 1, last + 40, len(data) - 1):
            with open(self.out, 'wb') as f:
                f.write(data[:cut])
            self.assertEqual(self.ask(path, '--out', self.out)['resumed'], 5)
            self.assertEqual(self.results(), whole)

    def test_results_of_others_are_not_added_to(self):
        path = self.questions()
        self.ask(path, '--out', self.out)
        model = tap.golden('tiny-v3')
        for options, says in ((['-T', '0'], 'temperature 1 and this run has 0:'),
                              (['-k', '2'], 'samples 1 and this run has 2:'),
                              (['--instruction', 'x'], "instruction none and this run has 'x':"),
                              (['-n', '11'], 'max_tokens 10 and this run has 11:')):
            self.refused(model, path, *QUICK, '--out', self.out, *options, says=says)
        self.refused(tap.golden('tiny-v2-lite'), path, *QUICK, '--out', self.out, says='architecture')
        self.refused(tap.golden('tiny-v3-bf16'), path, *QUICK, '--out', self.out,
                     says='of another model')
        self.refused(model, self.questions(5, id='other'), *QUICK, '--out', self.questions(3),
                     says='holds no results of fathom eval')
        with open(path, 'a') as f:
            f.write('{"question": "more?", "answer": 1}\n')
        self.assertEqual(self.ask(self.questions(7), '--out', self.out)['resumed'], 6)

    def test_a_bad_line_is_named_before_the_model_is_opened(self):
        path = self.questions(2)
        with open(path, 'a') as f:
            f.write('\n{"question": "no answer"}\n')
        model = tap.golden('tiny-v3')
        self.refused(model, path, says='%s, line 4: there is no "answer"' % path)
        with open(path, 'wb') as f:
            f.write(b'\xff\n')
        self.refused(model, path, says='line 1')
        self.refused(model, self.path('nothing'), says='nothing')
        self.refused(model, '/dev/null', says='holds no questions')
        self.refused('/no/such/model', self.questions(), says='/no/such/model')
        self.refused(model, says='QUESTIONS is missing')
        self.refused(says='MODEL is missing')
        self.refused(model, self.questions(), '-k', '2', '--pass-at', '1,3', says='pass@k')
        self.refused(model, self.questions(), '--model', 'x', says='--endpoint')
        self.refused(tap.golden('tiny-v3'), self.questions(), '--style', 'nonsense', says="'nonsense'")
        self.refused(tap.golden('tiny-v3'), self.questions(), '--raw', '--style', 'r1', says='--raw')
        self.refused(tap.golden('tiny-v3'), self.questions(), '-n', '5', '--out', self.folder, says=self.folder)
        long = self.path('long.jsonl')
        with open(long, 'w') as f:
            f.write(json.dumps({'prompt': 'word ' * 5000, 'answer': 1}))
        self.refused(tap.golden('tiny-v3'), long, says='question of line 1')

    def test_a_real_model_answers_what_it_is_known_to_answer(self):
        """tests/golden/peers: llama.cpp's greedy reply to the same prompt."""
        model = tap.fixture('smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')
        path = self.path('real.jsonl')
        with open(path, 'w') as f:
            f.write(json.dumps({'question': 'What is the capital of France?',
                                'answer': 'The capital of France is Paris'}) + '\n')
            f.write(json.dumps({'question': 'What is the capital of France?', 'answer': 'Rome'}) + '\n')
        ran = tap.fathom('eval', model, path, '-T', '0', '-n', '20', '--json', '--out', self.out)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        got = json.loads(ran.out)
        all = got['rows'][0]
        self.assertEqual((all['correct'], all['replies'], all['cut']), (1, 2, 0))
        texts = [line['samples'][0]['text'] for line in self.results()[1]]
        self.assertEqual(texts, ['The capital of France is Paris.'] * 2)

    def test_a_real_model_gives_the_same_table_twice(self):
        model = tap.fixture('smollm2/SmolLM2-135M-Instruct.Q4_1.gguf')
        path = os.path.join(tap.SOURCE, 'examples', 'questions.jsonl')
        def table(*options):
            ran = tap.fathom('eval', model, path, '--limit', '8', '-k', '2', '-n', '24', '--json', *options)
            self.assertEqual((ran.code, ran.err), (0, ''), ran)
            return json.loads(ran.out)['rows']
        first = table('--parallel', '3')
        self.assertEqual(table('--parallel', '8', '--threads', '1'), first)
        self.assertGreater(first[0]['correct'], 0)
        self.assertLess(first[0]['pass@1']['low'], first[0]['pass@1']['high'])


if __name__ == '__main__':
    tap.main()
