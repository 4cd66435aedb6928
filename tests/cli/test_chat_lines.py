"""What is typed in a chat: many lines, pastes, history, completion, other scripts, windows that change."""
import json
import os
import signal
import stat
import tempfile
import termios
import unittest

import tap
import terminal

MODEL = tap.golden('tiny-llama')


class Lines(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.env = {'XDG_STATE_HOME': self.folder + '/state'}

    def chat(self, *options, env=None, **more):
        at = terminal.Terminal('chat', MODEL, '-n', '1', '--seed', '1', *options,
                               env={**self.env, **(env or {})}, **more)
        at.wait_for('› ')
        return at

    def leave(self, at):
        at.send('\x03')
        at.wait_for('› ')
        at.send('/exit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def questions(self, at):
        """What was asked, as the conversation has it."""
        path = os.path.join(self.folder, 'talk.json')
        if os.path.exists(path):
            os.remove(path)
        at.send('/save %s\n' % path)
        at.wait_for('Saved')
        at.wait_for('› ')
        with open(path) as f:
            return [m['content'] for m in json.load(f)['messages'] if m['role'] == 'user']

    def ask(self, at, keys):
        at.send(keys)
        at.wait_for('cut at')
        at.wait_for('› ')
        return self.questions(at)[-1]

    def test_a_backslash_or_quotes_make_one_message_of_many_lines(self):
        at = self.chat()
        for keys, message in (('one\\\ntwo\\\nthree\n', 'one\ntwo\nthree'),
                              ('"""one\n  two\\\n\nthree"""\n', 'one\n  two\\\n\nthree'),
                              ('"""\none\ntwo\n"""\n', 'one\ntwo\n'),
                              ('"""one"""\n', 'one'),
                              ('"""one\ntwo\n\x04', 'one\ntwo\n')):
            at.send('/new\n')
            at.wait_for('A new conversation.')
            at.wait_for('› ')
            self.assertEqual(self.ask(at, keys), message)
        self.leave(at)

    def test_ctrl_c_gives_up_all_lines_of_a_message(self):
        at = self.chat()
        at.send('"""one\n')
        at.wait_for('… ')
        at.send('two')
        at.wait_for('two')
        at.interrupt()
        at.wait_for('› ')
        self.assertEqual(self.ask(at, 'three\n'), 'three')
        self.leave(at)

    def test_ctrl_c_twice_at_an_empty_line_leaves(self):
        at = self.chat()
        at.interrupt()
        at.wait_for('Ctrl-C again, or Ctrl-D, leaves.')
        at.wait_for('› ')
        at.send('x')
        at.wait_for('x')
        at.interrupt() # a line was given up: that is another thing
        at.wait_for('› ')
        at.interrupt()
        at.wait_for('Ctrl-C again')
        at.wait_for('› ')
        at.interrupt()
        self.assertEqual(at.finish(), 0)

    def test_a_paste_of_many_lines_is_one_message(self):
        at = self.chat()
        text = 'first line\rsecond line\r\r    third\r'
        at.send('\x1b[200~%s\x1b[201~' % text)
        at.wait_for('third')
        self.assertIn('› first line\nsecond line\n\n    third', at.settle(0.1))
        self.assertEqual(self.ask(at, ' and more\n'), 'first line\nsecond line\n\n    third and more')
        self.leave(at)

    def test_a_long_paste_stands_as_a_mark_and_goes_out_whole(self):
        at = self.chat('-c', '512')
        lines = ['%d' % i for i in range(60)]
        long = 'w ' * 150
        at.send('see \x1b[200~%s\x1b[201~ and \x1b[200~%s\x1b[201~ ok'
                % ('\r'.join(lines), 'short'))
        at.wait_for('see [paste 1: 60 lines] and short ok')
        self.assertEqual(self.ask(at, '\n'), 'see %s and short ok' % '\n'.join(lines))
        at.send('/new\n')
        at.wait_for('› ')
        at.send('\x1b[200~%s\x1b[201~' % (long * 8))
        at.wait_for('[paste 2: 2400 bytes]')
        at.send('\x15') # all of it goes
        at.send('[paste 7: 1 lines] [paste 1: 61 lines]')
        self.assertEqual(self.ask(at, '\n'), '[paste 7: 1 lines] [paste 1: 61 lines]')
        self.leave(at)

    def test_control_characters_in_a_paste_command_nothing(self):
        at = self.chat()
        at.send('\x1b[200~a\x01b\x1b[31mc\x07d\x7fe\tf\x1b[201~\n')
        at.wait_for('cut at the limit')
        at.wait_for('› ')
        self.assertEqual(self.questions(at), ['ab[31mcde\tf'])
        self.leave(at)

    def test_the_mode_for_pastes_is_on_while_a_line_is_edited_only(self):
        at = self.chat()
        at.settle(0.1)
        self.assertIn(2004, at.screen.modes)
        at.send('/exit\n')
        at.finish(at_prompt=True)
        self.assertNotIn(2004, at.screen.modes)

    def test_history_outlives_the_program_and_is_private(self):
        at = self.chat()
        self.ask(at, 'the first\\\nquestion\n')
        at.send('\x1b[200~%s\x1b[201~\n' % '\r'.join('abcdefghijklmnop'))
        at.wait_for('cut at the limit')
        at.wait_for('› ')
        at.send('/stats\n')
        at.wait_for('seed')
        at.wait_for('› ')
        self.leave(at)
        path = self.folder + '/state/fathom/history'
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path) as f:
            kept = f.read().splitlines()
        self.assertEqual([k for k in kept if not k.startswith('/save')],
                         ['the first\\nquestion', '/stats', '/exit'])
        at = self.chat()
        at.send('\x1b[A\x1b[A')
        at.wait_for('/stats')
        for _ in range(3):
            at.send('\x1b[A')
        at.wait_for('question')
        self.assertIn('› the first\nquestion', at.settle(0.1))
        self.leave(at)

    def test_without_history_nothing_is_kept_or_read(self):
        at = self.chat('--no-history')
        self.ask(at, 'secret\n')
        self.leave(at)
        self.assertFalse(os.path.exists(self.folder + '/state'))

    def test_a_history_that_cannot_be_written_is_no_reason_not_to_chat(self):
        with open(self.folder + '/state', 'w'):
            pass
        at = self.chat()
        self.assertEqual(self.ask(at, 'Hello\n'), 'Hello')
        self.leave(at)

    def test_a_long_history_is_cut_to_its_end(self):
        os.makedirs(self.folder + '/state/fathom')
        path = self.folder + '/state/fathom/history'
        with open(path, 'w') as f:
            f.write(''.join('line %d\n' % i for i in range(2500)))
        at = self.chat()
        at.send('\x1b[A')
        at.wait_for('line 2499')
        self.leave(at)
        with open(path) as f:
            kept = f.read().splitlines()
        self.assertEqual(kept, ['line %d' % i for i in range(1500, 2500)] + ['/exit'])

    def test_tab_completes_commands_settings_and_files(self):
        for name in ('report one.txt', 'report two.txt', 'other.txt', '.hidden'):
            with open(os.path.join(self.folder, name), 'w') as f:
                f.write('The text of %s.' % name)
        os.mkdir(self.folder + '/sub')
        at = self.chat(columns=100)
        for keys, line in (('/he\t', '/help '), ('/se\t', '/set '), ('/set tem\t', '/set temperature '),
                           ('/file %s/o\t' % self.folder, '/file %s/other.txt ' % self.folder),
                           ('/file %s/su\t' % self.folder, '/file %s/sub/' % self.folder),
                           ('/file %s/re\t' % self.folder, '/file %s/report\\ ' % self.folder),
                           ('/file %s/re\tt\t' % self.folder, '/file %s/report\\ two.txt ' % self.folder),
                           ('/file "%s/re\to\t' % self.folder, '/file "%s/report one.txt" ' % self.folder),
                           ('/file %s/none\t' % self.folder, '/file %s/none' % self.folder),
                           ('no command\t', 'no command'), ('/none x\t', '/none x')):
            at.send(keys)
            at.settle(0.15)
            shown = ''.join(at.screen.lines[at.screen.row])[:at.screen.column]
            self.assertEqual(shown, '› ' + line)
            at.send('|')
            at.wait_for('|')
            at.interrupt()
            at.wait_for('› ')
        at.send('/s\t')
        screen = at.settle(0.2)
        self.assertTrue(screen.endswith('save  set  stats  system\n› /s'), screen)
        self.leave(at)

    def test_a_file_with_blanks_in_its_name_and_a_question(self):
        path = self.folder + '/a note.md'
        with open(path, 'w') as f:
            f.write('WORDS')
        at = self.chat()
        for way in ('"%s" What?' % path, "'%s' What?" % path, path.replace(' ', '\\ ') + ' What?'):
            asked = self.ask(at, '/file %s\n' % way)
            self.assertIn('WORDS', asked)
            self.assertIn('What?', asked)
        at.send('/file %s\n' % path)
        at.wait_for('goes with your next question')
        at.wait_for('› ')
        self.assertIn('WORDS', self.ask(at, 'And?\n'))
        at.send('/file %s/none What?\n' % self.folder)
        at.wait_for('No such file')
        at.wait_for('› ')
        self.assertNotIn('WORDS', self.ask(at, 'Hm?\n'))
        self.leave(at)

    def test_characters_of_two_cells_and_of_many_bytes_are_edited_as_one(self):
        at = self.chat(columns=30)
        at.send('größe 日本語 😀 é' * 3 + '\x7f\x7f\x7f\x1b[D\x1b[D\x7fX')
        self.assertIn('X', at.settle(0.1))
        self.assertEqual(self.ask(at, '\n'), 'größe 日本語 😀 é' * 2 + 'größe 日X語 ')
        self.leave(at)

    def test_a_window_that_changes_redraws_the_line_where_it_stands(self):
        at = self.chat(columns=80)
        at.send('abcdefghij' * 5)
        at.settle(0.1)
        at.resize(100, 24)
        at.settle(0.2)
        at.send('X')
        screen = at.settle(0.2)
        self.assertTrue(screen.endswith('› ' + 'abcdefghij' * 5 + 'X'), screen)
        self.assertEqual(screen.count('›'), 1, screen)
        self.assertEqual(self.ask(at, '\n'), 'abcdefghij' * 5 + 'X')
        self.leave(at)

    def test_a_window_that_changes_takes_nothing_that_stands_above(self):
        """On a terminal that does not break lines anew, of which ours is one."""
        line = 'abcdefghij' * 7
        for columns in (90, 60, 36, 20, 120):
            at = self.chat(columns=100)
            before = at.screen.text().split('›')[0]
            at.send(line)
            at.settle(0.1)
            at.resize(columns, 24)
            at.settle(0.2)
            at.send('X')
            screen = at.settle(0.2)
            kept = [l[:columns].rstrip() for l in before.rstrip().split('\n')]
            self.assertEqual(screen.split('\n')[:len(kept)], kept)
            self.assertTrue(screen.replace('\n', '').endswith(line + 'X'), screen)
            self.leave(at)

    def test_ctrl_z_and_back_the_line_is_there_again(self):
        at = self.chat()
        at.send('half a line')
        at.settle(0.1)
        os.kill(at.pid, signal.SIGSTOP) # Ctrl-Z itself needs a shell around it
        os.waitpid(at.pid, os.WUNTRACED)
        mode = termios.tcgetattr(at.fd)
        mode[3] |= termios.ICANON | termios.ECHO # what a shell would have made of it
        termios.tcsetattr(at.fd, termios.TCSANOW, mode)
        os.kill(at.pid, signal.SIGCONT)
        at.settle(0.2)
        self.assertEqual(self.ask(at, ' and more\n'), 'half a line and more')
        self.leave(at)


if __name__ == '__main__':
    tap.main()
