"""A model that says what a test wants it to say.

Its one layer adds nothing; a token's embedding alone decides the next one: the row of the output matrix
that belongs to the next piece of the script is that embedding. So with temperature 0 every reply is the
script, one token per piece, through the same code as any model's.
"""
import array
import json
import os
import random
import struct

import tap

HIDDEN, VOCABULARY, FIRST, LAST = 64, 512, 259, 502  # ids that pieces may take
END, END_THINK = 1, 506
BYTES = {}  # of byte-level BPE


def _letters():
    odd = 0
    for b in range(256):
        plain = 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255
        BYTES[b] = chr(b) if plain else chr(256 + odd)
        odd += not plain


def make(folder, thinking, answer):
    """Writes the model; both arguments are lists of pieces, of at most 244 in all. Returns the folder.
    Give it --style r1 and -T 0."""
    pieces = thinking + answer
    assert len(set(pieces)) == len(pieces) <= LAST - FIRST + 1
    with open(tap.golden('tiny-v3/tokenizer.json')) as f:
        tokenizer = json.load(f)
    vocabulary = {t: i for t, i in tokenizer['model']['vocab'].items() if i < FIRST}
    newline = vocabulary[BYTES[10]]
    for i, piece in enumerate(pieces):
        vocabulary[''.join(BYTES[b] for b in piece.encode())] = FIRST + i
    for i in range(FIRST + len(pieces), LAST + 1):
        vocabulary['unused %d' % i] = i
    tokenizer['model'].update(vocab=vocabulary, merges=[])
    ids = list(range(FIRST, FIRST + len(pieces)))
    chain = [newline] + ids[:len(thinking)] + [END_THINK] + ids[len(thinking):] + [END]
    with open(os.path.join(folder, 'tokenizer.json'), 'w') as f:
        json.dump(tokenizer, f)
    _config(folder)
    _weights(os.path.join(folder, 'model.safetensors'), chain)
    return folder


def _config(folder):
    with open(tap.golden('tiny-llama/config.json')) as f:
        config = json.load(f)
    config.update(num_hidden_layers=1, intermediate_size=32, tie_word_embeddings=False, bos_token_id=0,
                  eos_token_id=END, vocab_size=VOCABULARY, max_position_embeddings=4096,
                  rope_scaling=None)
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump(config, f)


def _weights(path, chain):
    draw = random.Random(1)
    embedding = [[draw.gauss(0, 1) for _ in range(HIDDEN)] for _ in range(VOCABULARY)]
    output = [[0.0] * HIDDEN for _ in range(VOCABULARY)]
    for token, following in zip(chain, chain[1:]):
        output[following] = embedding[token]
    zeros = lambda *shape: (shape, [0.0] * (shape[0] * (shape[1] if len(shape) > 1 else 1)))
    ones = ((HIDDEN,), [1.0] * HIDDEN)
    layer = {'input_layernorm': ones, 'post_attention_layernorm': ones,
             'self_attn.q_proj': zeros(64, HIDDEN), 'self_attn.k_proj': zeros(32, HIDDEN),
             'self_attn.v_proj': zeros(32, HIDDEN), 'self_attn.o_proj': zeros(HIDDEN, 64),
             'mlp.gate_proj': zeros(32, HIDDEN), 'mlp.up_proj': zeros(32, HIDDEN),
             'mlp.down_proj': zeros(HIDDEN, 32)}
    tensors = {'model.layers.0.%s.weight' % name: t for name, t in layer.items()}
    tensors['model.norm.weight'] = ones
    tensors['model.embed_tokens.weight'] = ((VOCABULARY, HIDDEN), sum(embedding, []))
    tensors['lm_head.weight'] = ((VOCABULARY, HIDDEN), sum(output, []))
    header, data = {}, b''
    for name, (shape, values) in tensors.items():
        bytes_ = array.array('f', values).tobytes()
        header[name] = {'dtype': 'F32', 'shape': shape,
                        'data_offsets': [len(data), len(data) + len(bytes_)]}
        data += bytes_
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)


_letters()
