"""tools/first-chat: which model `make chat` opens, and what becomes of a piped question."""
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest

import tap
import terminal

sys.path.append(os.path.join(tap.SOURCE, 'tests', 'hub'))
from hub_server import Hub  # noqa: E402  at the place that only now is known

DISTILL = 'unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF'
SMOLLM = 'smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'


class Clone(unittest.TestCase):
    """A copy of the few files it looks at, so that models can come and go."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = holder.name
        for folder in ('tools', 'build', 'tests/fixtures', 'models'):
            os.makedirs(os.path.join(self.home, folder))
        shutil.copy(os.path.join(tap.SOURCE, 'tools', 'first-chat'), self.home + '/tools')
        os.symlink(tap.FATHOM, self.home + '/build/fathom')
        self.fetcher("echo fetched >&2; cat; exit 1")

    def fetcher(self, script):
        path = self.home + '/tests/fixtures/fetch_smollm2'
        with open(path, 'w') as f:
            f.write('#!/bin/sh\n' + script + '\n')
        os.chmod(path, 0o755)

    def chat(self, *options, **env):
        return tap.run(self.home + '/tools/first-chat', '-n', '8', *options, stdin='Hello\n',
                       env=self.environment(**env))

    def environment(self, **env):
        return {'MODEL': '', 'FATHOM_MODEL': '', 'FATHOM_HOME': self.home + '/data', 'HF_TOKEN': '',
                'HF_ENDPOINT': 'http://127.0.0.1:9', 'http_proxy': '', 'all_proxy': '', **env}

    def answer(self, model, *options):
        ran = tap.fathom('chat', model, '-n', '8', *options, stdin='Hello\n')
        self.assertEqual(ran.code, 0, ran)
        return ran.out


class FirstChat(Clone):
    def test_the_model_that_is_named_comes_first(self):
        llama, qwen = tap.golden('tiny-llama'), tap.golden('gguf/tiny-qwen2.f16.gguf')
        os.symlink(tap.golden('tiny-v3'), self.home + '/models/shipped')
        for env, model in (({'MODEL': llama, 'FATHOM_MODEL': qwen}, llama),
                           ({'FATHOM_MODEL': qwen}, qwen), ({}, tap.golden('tiny-v3'))):
            ran = self.chat(**env)
            self.assertEqual((ran.code, ran.out, ran.err), (0, self.answer(model), ''), ran)

    def test_a_gguf_file_in_models_is_found(self):
        os.symlink(tap.golden('gguf/tiny-llama.q8_0.gguf'), self.home + '/models/a.gguf')
        self.assertEqual(self.chat().out, self.answer(tap.golden('gguf/tiny-llama.q8_0.gguf')))

    def test_where_there_is_none_one_is_fetched_once_and_said_so(self):
        self.fetcher('mkdir -p "$FATHOM_FIXTURES/smollm2" && cp "%s" "$FATHOM_FIXTURES/%s"'
                     % (tap.golden('gguf/tiny-llama.q8_0.gguf'), SMOLLM))
        first = self.chat()
        self.assertEqual((first.code, first.out),
                         (0, self.answer(tap.golden('gguf/tiny-llama.q8_0.gguf'), '-T', '0')), first)
        self.assertIn('93 MB', first.err)
        second = self.chat()
        self.assertEqual((second.code, second.out, second.err), (0, first.out, ''), second)

    def test_a_fetch_that_fails_says_what_else_to_do(self):
        ran = self.chat()
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn('make chat MODEL=path', ran.err)

    def test_a_model_that_is_not_there_is_named(self):
        ran = self.chat(MODEL='/none.gguf')
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn('/none.gguf', ran.err)


class Offer(Clone):
    """Somebody at the terminal, a hub, and a model in models/ that is there at once."""

    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.__exit__)
        with open(tap.golden('gguf/tiny-qwen2.f16.gguf'), 'rb') as f:
            self.weights = f.read()
        os.symlink(tap.golden('tiny-llama'), self.home + '/models/tiny-llama')

    def there(self):
        self.hub.add(DISTILL, {'DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf': self.weights})

    def at_terminal(self, **env):
        return terminal.Terminal('-n', '4', program=self.home + '/tools/first-chat',
                                 env=self.environment(**{'HF_ENDPOINT': self.hub.url, **env}))

    def opens(self, at, model):
        """The chat opens with this model; returns all that was on the screen."""
        at.wait_for(model)
        at.wait_for('› ')
        at.send('/exit\n')
        self.assertEqual(at.finish(at_prompt=True), 0)
        return terminal.plain(at.seen)

    def test_a_yes_fetches_it_and_it_is_the_model_from_then_on(self):
        self.there()
        at = self.at_terminal()
        at.wait_for('thinks aloud')
        at.wait_for('[y/N] ')
        at.send('y\n')
        self.opens(at, 'qwen2 ·')
        self.hub.site.requests.clear()
        self.assertNotIn('[y/N]', self.opens(self.at_terminal(), 'qwen2 ·'))
        self.assertEqual(self.hub.requests, [])
        self.assertEqual(self.chat(HF_ENDPOINT=self.hub.url).out,
                         self.answer(tap.golden('gguf/tiny-qwen2.f16.gguf')))

    def test_a_no_is_remembered_by_this_clone(self):
        for answer in ('n\n', '\n', 'what?\n', '\x04'):
            self.setUp()
            self.there()
            at = self.at_terminal()
            at.wait_for('[y/N] ')
            at.send(answer)
            self.assertIn('Not asked again here.', self.opens(at, 'tiny-llama'))
            self.hub.site.requests.clear()
            self.assertNotIn('[y/N]', self.opens(self.at_terminal(), 'tiny-llama'))
            self.assertEqual(self.hub.requests, [])

    def test_a_hub_that_does_not_answer_is_not_mentioned_nor_waited_for(self):
        deaf = socket.socket()
        deaf.bind(('127.0.0.1', 0))
        deaf.listen(8)
        self.addCleanup(deaf.close)
        for endpoint in ('http://127.0.0.1:9', 'http://127.0.0.1:%d' % deaf.getsockname()[1],
                         'http://no-such-host.invalid', self.hub.url):
            start = time.time()
            seen = self.opens(self.at_terminal(HF_ENDPOINT=endpoint), 'tiny-llama')
            self.assertLess(time.time() - start, 10)
            self.assertTrue(seen.startswith(('needs', 'tiny-llama')), seen)
            self.assertFalse(os.path.exists(self.home + '/.cache'))

    def test_a_fetch_that_fails_opens_the_model_that_is_there(self):
        self.there()
        at = self.at_terminal()
        at.wait_for('[y/N] ')
        self.hub.repositories.clear()
        at.send('y\n')
        self.assertIn('Another model, then.', self.opens(at, 'tiny-llama'))
        self.there()
        at = self.at_terminal()
        at.wait_for('[y/N] ') # it was no "no"
        at.send('y\n')
        self.opens(at, 'qwen2 ·')

    def test_a_model_that_is_named_or_a_piped_question_asks_no_hub(self):
        self.there()
        for env in ({'MODEL': tap.golden('tiny-llama')}, {'FATHOM_MODEL': tap.golden('tiny-llama')}):
            self.opens(self.at_terminal(**env), 'tiny-llama')
        ran = self.chat(HF_ENDPOINT=self.hub.url)
        self.assertEqual((ran.code, ran.out, ran.err), (0, self.answer(tap.golden('tiny-llama')), ''))
        self.assertEqual(self.hub.requests, [])


if __name__ == '__main__':
    tap.main()
