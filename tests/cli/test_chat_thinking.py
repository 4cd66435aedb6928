"""Reasoning in a chat: shown while it comes, folded when it is over, and never at the cost of the screen."""
import os
import signal
import tempfile
import time
import unittest

import scripted
import tap
import terminal

THINKING = (['Okay, ', 'so the user ', 'asks about ', 'ships. ']
            + ['Thought %d is here. ' % i for i in range(12)] + ['\n\n', 'So done.\n'])
ANSWER = ['\n\nShips ', 'are ', 'large ', 'boats ', 'that cross seas.']
SHOWN = 'Ships are large boats that cross seas.'
FOLDED = r'thought for \d+\.\d s, 19 tokens — /thoughts shows it'


class Thinking(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.model = scripted.make(holder.name, THINKING, ANSWER)

    def chat(self, *options, model=None, **more):
        return terminal.Terminal('chat', model or self.model, '--style', 'r1', '-T', '0', *options, **more)

    def ask(self, at):
        at.wait_for('› ')
        at.send('What are ships?\n')
        at.wait_for(SHOWN)
        at.wait_for('› ')
        return at.settle(0.1)

    def leave(self, at):
        at.send('/exit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_what_is_over_shrinks_to_one_line_and_nothing_above_is_touched(self):
        for columns in (40, 47, 60, 80, 200):
            at = self.chat(columns=columns, rows=50)
            screen = self.ask(at)
            self.assertRegex(' '.join(screen.split()),
                             r'/help lists .* leaves › What are ships\? %s %s 25 tokens, \d+(\.\d)?/s ›$'
                             % (FOLDED, SHOWN))
            self.assertNotIn('Thought', screen)
            self.leave(at)

    def test_while_it_comes_it_is_dim_and_the_answer_is_not(self):
        at = self.chat(columns=60, rows=12)
        self.ask(at)
        self.assertIn('\x1b[2mOkay, ', at.seen)
        self.assertTrue(at.screen.is_dim('/thoughts shows it'))
        self.assertFalse(at.screen.is_dim('Ships are'))
        self.leave(at)

    def test_what_no_longer_fits_on_the_screen_stays(self):
        # the first row of seven must be on the screen to be taken back
        for rows in range(3, 12):
            at = self.chat(columns=60, rows=rows)
            self.ask(at)
            everything = at.screen.everything()
            self.assertEqual('Thought 11 is here.' in everything, rows < 7, everything)
            self.assertEqual(everything.count('What are ships?'), 1)
            self.assertRegex(everything, FOLDED)
            self.leave(at)

    def test_thoughts_shows_them_again(self):
        at = self.chat(columns=60)
        at.wait_for('› ')
        at.send('/thoughts\n')
        at.wait_for('no answer had any thoughts')
        self.ask(at)
        at.send('/thoughts\n')
        shown = at.wait_for('So done.')
        self.assertIn('Okay, so the user asks about ships.', shown)
        self.assertTrue(at.screen.is_dim('Thought 11'))
        at.wait_for('› ')
        self.leave(at)

    def test_a_terminal_that_cannot_go_back_gets_no_escape_sequences(self):
        for term in ('dumb', ''):
            at = self.chat(env={'TERM': term}, columns=60, rows=30)
            screen = self.ask(at)
            self.assertNotIn('\x1b', at.seen)
            self.assertIn('Thought 11 is here.', screen)
            self.assertRegex(screen, FOLDED)
            self.leave(at)

    def test_without_colour_it_folds_all_the_same(self):
        at = self.chat(env={'NO_COLOR': '1'}, columns=60)
        screen = self.ask(at)
        self.assertNotRegex(at.seen, r'\x1b\[[0-9;]*m')
        self.assertNotIn('Thought', screen)
        self.leave(at)

    def test_hidden_reasoning_leaves_the_same_line(self):
        at = self.chat('--hide-thinking', columns=60)
        screen = self.ask(at)
        self.assertRegex(screen, FOLDED)
        self.assertNotIn('Okay, so', at.seen)
        self.leave(at)

    def test_ctrl_c_in_the_middle_leaves_what_was_thought(self):
        pieces = ['%03d %s\n' % (i, 'x' * 500) for i in range(200)]
        with tempfile.TemporaryDirectory() as d:
            at = self.chat(model=scripted.make(d, pieces, ANSWER), columns=120, rows=2000)
            at.wait_for('› ')
            at.send('Go\n')
            at.wait_for('003 x')
            os.kill(at.pid, signal.SIGINT)
            at.wait_for('stopped', seconds=20)
            at.wait_for('› ')
            self.assertIn('002 x', at.screen.text())
            self.assertNotIn('— /thoughts', at.screen.text())
            self.leave(at)

    def test_a_window_that_changes_meanwhile_keeps_everything(self):
        """The program waits for its reader half-way, so that the change comes in the middle."""
        pieces = ['%03d %s\n' % (i, 'y' * 500) for i in range(220)]
        with tempfile.TemporaryDirectory() as d:
            scripted.make(d, pieces, ANSWER)
            for columns in (80, 300):
                at = self.chat(model=d, columns=120, rows=2000)
                at.wait_for('› ')
                at.send('Go\n')
                at.wait_for('000 y')
                time.sleep(0.2)
                at.resize(columns, 2000)
                at.wait_for(SHOWN)
                at.wait_for('› ')
                screen = at.settle(0.1)
                for i in range(220):
                    self.assertIn('%03d y' % i, screen)
                self.assertEqual(screen.count('› Go'), 1)
                self.assertRegex(screen, r'thought for \d.* tokens — /thoughts')
                self.leave(at)

    def test_words_that_the_terminal_may_see_wider_are_not_taken_back(self):
        with tempfile.TemporaryDirectory() as d:
            at = self.chat(model=scripted.make(d, ['ü' * 100, ' and so on.'], ANSWER), columns=40)
            self.assertIn('üüü', self.ask(at))
            self.leave(at)
            at = self.chat(model=scripted.make(d, ['u' * 100, ' and so on.'], ANSWER), columns=40)
            self.assertNotIn('uuu', self.ask(at))
            self.leave(at)

    def test_an_empty_reasoning_leaves_no_line(self):
        with tempfile.TemporaryDirectory() as d:
            at = self.chat(model=scripted.make(d, ['\n\n'], ANSWER), columns=40)
            self.assertNotIn('thought for', self.ask(at))
            self.leave(at)

    def test_keys_typed_meanwhile_are_not_shown_and_wait_for_the_next_line(self):
        pieces = ['%03d %s\n' % (i, 'z' * 500) for i in range(220)]
        with tempfile.TemporaryDirectory() as d:
            at = self.chat(model=scripted.make(d, pieces, ANSWER), columns=120, rows=2000)
            at.wait_for('› ')
            at.send('Go\n')
            at.wait_for('000 z')
            at.send('typed ahead')
            at.wait_for('› typed ahead')
            screen = at.settle(0.1)
            self.assertEqual(screen.count('typed ahead'), 1)
            self.assertNotIn('zzz', screen) # 1,100 rows were there and could be taken back
            at.interrupt()
            at.wait_for('› ')
            self.leave(at)

    def test_a_pipe_gets_tags_and_no_fold(self):
        ran = tap.fathom('chat', self.model, '--style', 'r1', '-T', '0', stdin='What?\n')
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r'\A<think>\nOkay, [^\x1b]*So done\.\n</think>\n\n%s\n\Z' % SHOWN)

    def test_run_leaves_the_reasoning_standing(self):
        at = terminal.Terminal('run', self.model, '--style', 'r1', '-T', '0', 'What?')
        self.assertEqual(at.finish(), 0)
        self.assertIn('Thought 11', at.screen.text())
        self.assertNotIn('/thoughts', at.screen.text())


if __name__ == '__main__':
    tap.main()
