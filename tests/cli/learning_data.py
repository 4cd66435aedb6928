"""A small dataset to learn from, made by the program under test."""
import json
import os
import random

import tap

WORDS = 'the a cat dog sat ran on under mat tree and then it was very old'.split()


def make(scratch, documents=300, seed=1):
    """Makes scratch/text.jsonl, scratch/tokenizer and scratch/data; the path of the last."""
    text, tokenizer, data = (os.path.join(scratch, name) for name in ('text.jsonl', 'tokenizer', 'data'))
    draw = random.Random(seed)
    with open(text, 'w') as f:
        for _ in range(documents):
            line = ' '.join(draw.choice(WORDS) for _ in range(draw.randrange(5, 60)))
            f.write(json.dumps({'text': line + '.'}) + '\n')
    for arguments in (('tokenizer', 'train', '--vocab', '320', '--out', tokenizer, text),
                      ('data', 'build', '--tokenizer', tokenizer, '--out', data, '--valid', '0.1', text)):
        ran = tap.fathom(*arguments)
        assert ran.code == 0, ran.err
    return data


def make_answers(scratch, documents=200, seed=2):
    """Questions with answers, for the tokenizer that make() left; the folder of the data."""
    text, data = os.path.join(scratch, 'answers.jsonl'), os.path.join(scratch, 'answers')
    draw = random.Random(seed)
    with open(text, 'w') as f:
        for _ in range(documents):
            words = [draw.choice(WORDS) for _ in range(draw.randrange(2, 12))]
            f.write(json.dumps({'prompt': ' '.join(words), 'completion': ' '.join(sorted(words))}) + '\n')
    ran = tap.fathom('data', 'build', '--tokenizer', os.path.join(scratch, 'tokenizer'), '--out', data, '--valid', '0.1', text)
    assert ran.code == 0, ran.err
    return data


def settings(**more):
    """A tiny model in tiny steps: -s KEY=VALUE for each, the dots written as two underscores."""
    keys = dict(model__shape='pico', data__context=64, batch__tokens=512, batch__micro_tokens=256, optimizer__lr=0.01,
                checkpoint__every=3, validation__every=0, samples__every=0)
    keys.update(more)
    return [word for key, value in keys.items() for word in ('-s', '%s=%s' % (key.replace('__', '.'), value))]
