"""The commands of a chat that change the conversation, the settings, or files."""
import json
import os
import tempfile
import unittest

import scripted
import tap
import terminal

MODEL = tap.golden('tiny-llama')


class Commands(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.path = os.path.join(self.folder, 'talk.json')

    def chat(self, *options, model=MODEL):
        at = terminal.Terminal('chat', model, '-n', '6', '--seed', '1', *options)
        at.wait_for('› ')
        return at

    def say(self, at, line, answer):
        at.send(line + '\n')
        seen = at.wait_for(answer)
        at.wait_for('› ')
        return seen

    def ask(self, at, question):
        """Returns the reply as it was shown."""
        at.send(question + '\n')
        at.wait_for(question + '\n\n')
        reply = at.wait_for('tokens')
        at.wait_for('› ')
        return reply.rsplit('\n\n', 1)[0]

    def saved(self, at):
        if os.path.exists(self.path):
            os.remove(self.path)
        self.say(at, '/save ' + self.path, 'Saved')
        with open(self.path) as f:
            return json.load(f)

    def leave(self, at):
        at.send('/exit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)

    def test_saved_and_loaded_a_conversation_goes_on_as_if_never_stopped(self):
        at = self.chat('--system', 'Be "kind".')
        first = self.ask(at, 'Hello')
        kept = self.saved(at)
        second = self.ask(at, 'and again')
        self.leave(at)
        self.assertEqual([m['role'] for m in kept['messages']], ['system', 'user', 'assistant'])
        self.assertEqual([m['content'] for m in kept['messages'][:2]], ['Be "kind".', 'Hello'])
        self.assertEqual(kept['model'], 'tiny-llama')
        at = self.chat()
        self.say(at, '/load ' + self.path, 'Loaded 2 messages from')
        self.say(at, '/system', 'Be "kind".')
        self.assertEqual(self.ask(at, 'and again'), second)
        self.assertNotEqual(first, second)
        self.say(at, '/save', 'Saved 4 messages to')
        self.leave(at)

    def test_reasoning_is_saved_beside_the_answer(self):
        scripted.make(self.folder, ['Well, ', 'thought.\n'], ['\n\nShips.'])
        at = self.chat('--style', 'r1', '-T', '0', model=self.folder)
        self.ask(at, 'What?')
        message = self.saved(at)['messages'][1]
        self.assertEqual(message['reasoning_content'].strip(), 'Well, thought.')
        self.assertEqual(message['content'].strip(), 'Ships.')
        self.say(at, '/new', 'A new')
        self.say(at, '/thoughts', 'no answer')
        self.say(at, '/load ' + self.path, 'Loaded')
        self.say(at, '/thoughts', 'Well, thought.')
        self.leave(at)

    def test_what_another_made_is_not_overwritten(self):
        at = self.chat()
        self.ask(at, 'Hello')
        other = os.path.join(self.folder, 'other file')
        with open(other, 'w') as f:
            f.write('precious')
        for way in (other, '"%s"' % other, other.replace(' ', '\\ ')):
            self.say(at, '/save ' + way, 'is there already')
        with open(other) as f:
            self.assertEqual(f.read(), 'precious')
        self.say(at, '/save', 'to which file?')
        self.say(at, '/save /none/talk.json', 'No such file')
        for _ in range(2):
            self.say(at, '/save ' + self.path, 'Saved 2 messages')
        self.leave(at)

    def test_a_file_that_is_no_conversation_is_refused_and_the_one_at_hand_stays(self):
        at = self.chat()
        self.ask(at, 'Hello')
        before = self.saved(at)
        for text, why in (('', 'is not JSON'), ('{"a": ', 'is not JSON'), ('{}', 'no conversation'),
                          ('{"messages": {}}', 'no conversation'), ('[]', 'no conversation'),
                          ('[{"role": "king", "content": "x"}]', 'the role of message 1'),
                          ('[{"role": "user"}]', 'message 1 has no "content"'),
                          ('[{"role": "user", "content": "a\\u0000b"}]', 'message 1 has no "content"'),
                          ('[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]',
                           'message 2 is a system prompt')):
            path = os.path.join(self.folder, 'bad.json')
            with open(path, 'w') as f:
                f.write(text)
            self.say(at, '/load ' + path, why)
        self.assertEqual(self.saved(at), before)
        self.leave(at)

    def test_a_loaded_question_is_answered_by_retry(self):
        with open(self.path, 'w') as f:
            json.dump([{'role': 'user', 'content': 'Hello'}], f)
        at = self.chat()
        seen = self.say(at, '/load ' + self.path, '/retry has it answered')
        self.assertIn('Loaded 1 message from', seen)
        self.say(at, '/retry', 'tokens')
        self.assertEqual([m['role'] for m in self.saved(at)['messages']], ['user', 'assistant'])
        self.leave(at)

    def test_undo_and_retry_take_back_the_last_answer(self):
        at = self.chat('-T', '2')
        self.ask(at, 'one')
        first = self.saved(at)['messages']
        self.ask(at, 'two')
        self.say(at, '/undo', '2 messages are left')
        self.assertEqual(self.saved(at)['messages'], first)
        self.say(at, '/retry', 'tokens')
        again = self.saved(at)['messages']
        self.assertEqual([m['role'] for m in again], ['user', 'assistant'])
        self.assertNotEqual(again[1], first[1])
        self.say(at, '/set seed 1', 'seed')
        self.say(at, '/undo', 'Nothing has been said.')
        self.ask(at, 'one')
        self.assertEqual(self.saved(at)['messages'], first)
        self.say(at, '/set temperature 0', 'temperature')
        self.say(at, '/retry', 'the answer will be the same')
        self.leave(at)

    def test_settings_are_shown_changed_and_checked(self):
        at = self.chat()
        seen = self.say(at, '/set', 'hide-thinking')
        for name in ('temperature', 'top-p', 'top-k', 'min-p', 'seed', 'max-tokens', 'think'):
            self.assertIn(name, seen)
        for line, answer in (('/set temperature 0.25', r'temperature +0\.25 '), ('/set top_p=0.5', r'top-p +0\.5 '),
                             ('/set top-k 40', r'top-k +40 '), ('/set min-p .1', r'min-p +0\.1 '),
                             ('/set seed 7', r'seed +7 '), ('/set max-tokens 2', r'max-tokens +2 '),
                             ('/set think on', r'think +on '), ('/set hide-thinking on', r'hide-thinking +on '),
                             ('/set seed', r'seed +7 ')):
            at.send(line + '\n')
            self.assertRegex(at.wait_for('› ').split('\n', 1)[1], answer)
        for line, answer in (('/set temperature hot', 'from 0 to 100'), ('/set top-p 2', 'from 0 to 1'),
                             ('/set top-k 1.5', 'whole number'), ('/set think maybe', '"on" or "off"'),
                             ('/set temprature 1', 'did you mean temperature?'),
                             ('/set x', 'there is no setting x')):
            self.say(at, line, answer)
        self.say(at, '/stats', 'temperature 0.25 · top-p 0.5 · top-k 40 · min-p 0.1 · seed 7')
        at.send('Hello\n')
        at.wait_for('2 tokens')
        at.wait_for('cut at the limit')
        at.wait_for('› ')
        self.leave(at)

    def test_a_question_may_begin_with_a_path(self):
        at = self.chat()
        self.ask(at, '/etc/fstab is what?')
        self.assertEqual(self.saved(at)['messages'][0]['content'], '/etc/fstab is what?')
        for line in ('/quit', '/exit'):
            at.send(line + '\n')
            self.assertEqual(at.finish(at_prompt=True), 0)
            at = self.chat()
        self.leave(at)


if __name__ == '__main__':
    tap.main()
