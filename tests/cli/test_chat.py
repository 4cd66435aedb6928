"""fathom chat, at a terminal and in a pipe."""
import os
import random
import signal
import tempfile
import time
import unittest

import tap
import terminal

MODEL = tap.golden('tiny-llama')
SMOLLM = 'smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'


def chat(*options, model=MODEL, **more):
    return terminal.Terminal('chat', model, '-n', '12', '--seed', '1', *options, **more)


class Keyboard(unittest.TestCase):
    def test_questions_are_answered_until_ctrl_d(self):
        at = chat()
        self.assertIn('/help', at.wait_for('› '))
        for question in ('Hello', 'and again'):
            at.send(question + '\n')
            at.wait_for(question)
            at.wait_for('› ')
        at.send('\x04')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_commands_answer(self):
        at = chat('--system', 'Be kind.')
        at.wait_for('› ')
        for line, answer in (('/help', 'Ctrl-R searches'), ('/system', 'Be kind.'),
                             ('/system Be brief.', 'A new conversation'), ('/system', 'Be brief.'),
                             ('/system none', 'without a system prompt'),
                             ('/clear', 'A new conversation.'), ('/new', 'A new conversation.'),
                             ('/stats', 'seed 1'), ('/undo', 'nothing to take back'),
                             ('/retry', 'nothing has been asked'), ('/save', 'nothing to save'),
                             ('/load', 'from which file?'), ('/load /none', 'No such file'),
                             ('/hlep', 'did you mean /help?'), ('/xyzzy', '/help lists'),
                             ('/file', 'which file?'), ('/file /none', 'No such file')):
            at.send(line + '\n')
            at.wait_for(answer)
            at.wait_for('› ')
        at.send('/quit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_a_file_goes_with_the_next_question_only(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, 'note.md')
            with open(path, 'w') as f:
                f.write('A note of some length, so that its tokens can be counted. ' * 5)
            at = chat()
            at.wait_for('› ')
            at.send('/file %s\n' % path)
            at.wait_for('It goes with your next question.')
            counts = []
            for _ in range(2):
                at.wait_for('› ')
                at.send('Hello\n')
                at.wait_for('› ')
                at.send('/stats\n')
                seen = terminal.plain(at.wait_for('temperature'))
                counts.append(int(seen.split('prompt ')[1].split(' token')[0]))
            self.assertGreater(counts[0], counts[1] + 60)
            at.wait_for('› ')
            at.send('\x04')
            self.assertEqual(at.finish(at_prompt=True), 0)

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        at = terminal.Terminal('chat', tap.fixture(SMOLLM), '-T', '1.2')
        at.wait_for('› ')
        at.send('Tell me a very long story about a ship.\n')
        at.wait_for('a ship.\n\n')
        at.wait_for(' ')
        at.interrupt()
        at.wait_for('stopped')
        at.wait_for('› ')
        at.send('half a line')
        at.wait_for('half a line')
        at.interrupt()
        at.wait_for('› ')
        at.send('/stats\n')
        at.wait_for('context')
        at.wait_for('› ')
        at.send('/quit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_no_ctrl_c_waits_for_the_next_key(self):
        """However close behind a key it comes: between two reads of the keyboard, too."""
        at = chat()
        at.wait_for('› ')
        delays = random.Random(1)
        for _ in range(1000):
            at.send('y')
            at.wait_for('y', seconds=5) # so that it is no empty line that is given up
            at.send('x')
            end = time.perf_counter() + delays.random() * 0.0003
            while time.perf_counter() < end:
                pass
            os.kill(at.pid, signal.SIGINT)
            at.wait_for('› ', seconds=5)
        at.send('/quit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_a_conversation_that_no_longer_fits_says_so_and_goes_on(self):
        at = chat('-c', '64')
        at.wait_for('› ')
        at.send('word ' * 80 + '\n')
        at.wait_for('64')
        at.wait_for('› ')
        at.send('Hi\n')
        at.wait_for('› ')
        at.send('\x04')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_without_colour_there_are_no_colours(self):
        at = chat(env={'NO_COLOR': '1'})
        at.wait_for('› ')
        at.send('Hello\n')
        at.wait_for('› ')
        at.send('/quit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)
        self.assertNotRegex(at.seen, r'\x1b\[[0-9;]*[1-9][0-9;]*m')


class Pipe(unittest.TestCase):
    def test_the_piped_question_is_answered_as_run_answers_it(self):
        asked = tap.fathom('chat', MODEL, '-n', '12', stdin='Hello\nthere\n')
        run = tap.fathom('run', MODEL, '-n', '12', 'Hello\nthere')
        self.assertEqual((asked.code, asked.err), (0, ''), asked)
        self.assertEqual(asked.out, run.out)

    def test_an_empty_question_is_refused(self):
        for text in (b'', b'\n\n'):
            ran = tap.fathom('chat', MODEL, stdin=text)
            self.assertEqual((ran.code, ran.out), (2, ''), ran)
            self.assertIn('standard input is empty', ran.err)

    def test_text_that_is_none_is_refused(self):
        for text in (b'a\0b', b'\xff\xfe\xfd'):
            ran = tap.fathom('chat', MODEL, stdin=text)
            self.assertEqual((ran.code, ran.out), (2, ''), ran)
            self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')


if __name__ == '__main__':
    tap.main()
