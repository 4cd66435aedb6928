"""What the tests of `fathom pull` share: a hub, a home for its models, and calling the program."""
import glob
import hashlib
import json
import os
import random
import sys
import tempfile
import unittest

import tap
from hub_server import Hub

sys.path.append(os.path.join(tap.SOURCE, 'tests', 'cli'))
import terminal  # noqa: E402,F401  at the place that only now is known

NO_PROXY = {name: '' for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY',
                                  'HTTPS_PROXY', 'ALL_PROXY')}


def noise(n, seed=0):
    return random.Random(seed).randbytes(n)


def model(weights=None):
    """A repository of safetensors that pull understands; its bytes are no model's."""
    return {'config.json': b'{"model_type": "llama"}', 'tokenizer.json': b'{}',
            'tokenizer_config.json': b'{ }', 'generation_config.json': b'{  }',
            'chat_template.jinja': b'{{ bos_token }}', 'README.md': b'read me', 'pytorch_model.bin': b'old',
            'model.safetensors': noise(300000) if weights is None else weights}


def read(path):
    with open(path, 'rb') as f:
        return f.read()


class Pulling(unittest.TestCase):
    """Each test has a hub of its own, and a home that is empty."""
    REPOSITORY = 'owner/small'

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = os.path.join(holder.name, 'home')
        self.hub = self.make_hub()
        self.addCleanup(self.hub.__exit__)

    def make_hub(self):
        return Hub()

    def environment(self, **more):
        return {**NO_PROXY, 'FATHOM_HOME': self.home, 'HF_ENDPOINT': self.hub.url, 'HF_TOKEN': '',
                'SSL_CERT_FILE': '', **more}

    def pull(self, *arguments, env=None, **options):
        return tap.fathom('pull', *arguments, env=self.environment(**(env or {})), **options)

    def pulled(self, *arguments, **options):
        """The JSON object of a pull that must succeed."""
        ran = self.pull('--json', *arguments, **options)
        if ran.code != 0:
            raise AssertionError(ran)
        return json.loads(ran.out)

    def refused(self, *arguments, says, **options):
        ran = self.pull(*arguments, **options)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        last = ran.err.splitlines()[-1]
        self.assertRegex(last, r'\Afathom: [^\n]+\Z')
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, last)
        return ran

    def folder(self, repository=None):
        return os.path.join(self.home, 'models', repository or self.REPOSITORY)

    def names(self, folder=None):
        """The files that a user sees there."""
        top = folder or self.folder()
        return sorted(os.path.relpath(p, top) for p in glob.glob(top + '/**', recursive=True)
                      if os.path.isfile(p))

    def parts(self, folder=None):
        return [n for n in self.names(folder) if n.endswith('.part')]

    def leave_part(self, name, whole, data):
        """A .part as an earlier run would have left it: `data`, said to be of the file `whole`."""
        os.makedirs(self.folder(), exist_ok=True)
        path = os.path.join(self.folder(), '%s.%s.part'
                            % (name, hashlib.sha256(whole).hexdigest()[:12]))
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def assert_holds(self, name, data):
        self.assertEqual(hashlib.sha256(read(os.path.join(self.folder(), name))).digest(),
                         hashlib.sha256(data).digest(), name)
