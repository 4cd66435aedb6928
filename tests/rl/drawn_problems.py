"""How many problems the oracles look at, and where they come from: `fathom tasks sample`.

make test takes 2,000 problems of each kind, make soak 100,000.
"""
import json
import os
import subprocess

import tap

SOAK = bool(os.environ.get('FATHOM_SOAK'))
EACH = 100000 if SOAK else 300 if tap.SANITIZED else 2000
SPLITS = ('train', 'validation', 'test')


def sample(kind, split, n, seed):
    """One by one, so that a soak's hundred thousand are never all in memory."""
    command = [tap.FATHOM, 'tasks', 'sample', kind, '--split', split, '-n', n, '--seed', seed, '--json']
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stdout:
        yield json.loads(line)
    error = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    assert process.wait() == 0, error


def shares():
    """(split, problems, seed) that make EACH together."""
    for split, n in zip(SPLITS, (EACH - 2 * (EACH // 4), EACH // 4, EACH // 4)):
        for seed in (1, 2):
            yield split, n // 2, seed
