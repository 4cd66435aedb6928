#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets for model files: small files that reach every branch.

    tests/fuzz/make_corpus.py            into tests/fuzz/corpus/TARGET/
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def put(target, name, data):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data if isinstance(data, bytes) else data.encode())


# ---- GGUF ----------------------------------------------------------------------------------------

def text(s):
    s = s.encode()
    return struct.pack('<Q', len(s)) + s


SCALARS = [(0, '<B', 200), (1, '<b', -3), (2, '<H', 60000), (3, '<h', -300), (4, '<I', 4 << 29),
           (5, '<i', -9), (6, '<f', 1e-6), (7, '<B', 1), (10, '<Q', 1 << 62), (11, '<q', -5),
           (12, '<d', 0.1)]


def scalar(kind, fmt, v):
    return struct.pack('<I', kind) + struct.pack(fmt, v)


def array(kind, elements):
    return struct.pack('<IIQ', 9, kind, len(elements)) + b''.join(elements)


def gguf(pairs, tensors, data, version=3, alignment=32):
    out = b'GGUF' + struct.pack('<IQQ', version, len(tensors), len(pairs))
    out += b''.join(text(k) + v for k, v in pairs)
    for name, dims, kind, offset in tensors:
        out += text(name) + struct.pack('<I', len(dims))
        out += b''.join(struct.pack('<Q', d) for d in dims) + struct.pack('<IQ', kind, offset)
    return out + bytes(-len(out) % alignment) + data


def gguf_seeds():
    arch = ('general.architecture', struct.pack('<I', 8) + text('deepseek2'))
    every = [('k%d' % kind, scalar(kind, fmt, v)) for kind, fmt, v in SCALARS]
    every += [('a%d' % kind, array(kind, [struct.pack(fmt, v)] * 3)) for kind, fmt, v in SCALARS]
    every += [('tokens', array(8, [text(t) for t in ('a', '', '\u4f60', '<s>')]))]
    yield 'empty', gguf([], [], b'')
    yield 'kinds', gguf([arch] + every, [], b'')
    yield 'v2', gguf([arch], [('t', [4], 0, 0)], bytes(16), version=2)
    yield 'tensors', gguf([arch], [('f32', [4, 2], 0, 0), ('f16', [4], 1, 32), ('q8', [32, 2], 8, 64),
                                   ('i32', [2, 1, 1, 1], 26, 160), ('q4_k', [256], 12, 192)],
                          bytes(range(192)) + bytes(144))
    yield 'align', gguf([('general.alignment', scalar(4, '<I', 64))],
                        [('t', [4], 0, 0), ('u', [4], 0, 64)], bytes(80), alignment=64)
    yield 'split', gguf([('split.no', scalar(2, '<H', 0)), ('split.count', scalar(2, '<H', 2)),
                         ('split.tensors.count', scalar(5, '<i', 3))], [('t', [4], 0, 0)], bytes(16))
    yield 'huge_counts', b'GGUF' + struct.pack('<IQQ', 3, 1 << 63, 1 << 63)
    yield 'huge_array', gguf([('a', struct.pack('<IIQ', 9, 4, 1 << 62))], [], b'')
    yield 'nested', gguf([('a', struct.pack('<IIQ', 9, 9, 1) + struct.pack('<IQ', 4, 0))], [], b'')
    yield 'overflow', gguf([], [('t', [1 << 33, 1 << 33], 0, 0)], b'')
    yield 'twice', gguf([], [('t', [4], 0, 0), ('t', [4], 0, 0)], bytes(16))


# ---- safetensors ---------------------------------------------------------------------------------

def safetensors(header, data=b'', pad=0):
    h = (header if isinstance(header, str) else json.dumps(header)).encode() + b' ' * pad
    return struct.pack('<Q', len(h)) + h + data


def t(dtype, shape, begin, end):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


def safetensors_seeds():
    yield 'empty', safetensors('{}')
    yield 'floats', safetensors({'__metadata__': {'format': 'pt'}, 'a': t('F32', [2, 3], 0, 24),
                                 'b': t('BF16', [4], 24, 32), 'c': t('F16', [], 32, 34)},
                                bytes(range(34)), pad=5)
    yield 'integers', safetensors({'i': t('I32', [3], 0, 12), 'j': t('I64', [2], 12, 28),
                                   'k': t('BOOL', [4], 28, 32)}, bytes(32))
    yield 'fp8', safetensors({'w': t('F8_E4M3', [130, 3], 0, 390),
                              'w_scale_inv': t('F32', [2, 1], 390, 398)}, bytes(398))
    yield 'fp8_e8m0', safetensors({'w': t('F8_E4M3', [2, 130], 0, 260),
                                   'w_scale_inv': t('F8_E8M0', [1, 2], 260, 262)}, bytes(262))
    yield 'fp8_bf16', safetensors({'w_scale_inv': t('BF16', [1, 2], 0, 4),
                                   'w': t('F8_E4M3', [2, 130], 4, 264)}, bytes(264))
    yield 'fp8_without', safetensors({'w': t('F8_E4M3', [2, 2], 0, 4)}, bytes(4))
    yield 'past_end', safetensors({'a': t('F32', [2], 0, 8)}, bytes(7))
    yield 'overflow', safetensors({'a': t('F32', [1 << 40, 1 << 40], 0, 8)}, bytes(8))
    yield 'huge_header', struct.pack('<Q', 1 << 63) + b'{}'
    yield 'twice', safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                               '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))


# ---- JSON of a Hugging Face folder ---------------------------------------------------------------

def config_seeds():
    golden = os.path.join(HERE, '..', 'golden')
    for model in ('tiny-v3-fp8', 'tiny-llama'):
        for name in ('config.json', 'tokenizer_config.json'):
            with open(os.path.join(golden, model, name)) as f:
                yield '%s.%s' % (model, name), f.read()
    yield 'kinds', json.dumps({'a': [1, 2], 'b': [1, 2.5], 'c': [True, False], 'd': ['x', ''],
                               'e': [], 'f': [1, 'x', None, [2, [3]], {'k': {'l': None}}],
                               'g': {'h': {'i': -1e300}}, 'n': None, 'z': 'a\0b'})
    yield 'large_integer', '{"model_max_length": 1000000000000000019884624838656, "n": -1}'
    yield 'index', json.dumps({'metadata': {'total_size': 12}, 'weight_map': {
        'a': 'model-00001-of-00002.safetensors', 'b': 'model-00002-of-00002.safetensors'}})
    yield 'index_escape', json.dumps({'weight_map': {'a': '../../etc/passwd'}})
    yield 'deep', '{"a":' * 40 + '1' + '}' * 40


# ---- chat templates and conversations; the form is told in fuzz_template.c --------------------------

def template_seeds():
    for name, jinja in (
            ('v2', "{{ 'User: ' + m }}{{ 'Assistant:' }}"), ('v3', "{{'<｜Assistant｜>'}}"),
            ('v31', "{{'<｜Assistant｜></think>'}}"), ('r1', "is_first_sp{{'<｜Assistant｜><think>\\n'}}"),
            ('0528', "<｜Assistant｜>is_last_user split('</think>')"), ('none', '{% for'),
            ('qwen', '<|im_start|>You are Qwen, created by Alibaba Cloud'),
            ('llama', '<|start_header_id|>Cutting Knowledge Date')):
        yield 'jinja_' + name, 'J' + jinja

    tools = json.dumps([{'name': 'f', 'parameters': {'a': [1, 2.5e-7, None, True, {}, []]}}, '<tool_call>'])
    turns = ['system\x1fBe <kind>.', 'user\x1fHi <｜User｜> </think> <|im_end|>',
             'assistant\x1f\x1fget\x1f{"city": "é\\n"}\x1fput\x1fnot json', 'tool\x1f22 <b>',
             'assistant\x1f<think>a</think>b</think>c', 'user\x1f \u3000x\x85 ', 'critic<|eot_id|>\x1fno',
             'assistant\x1fwords\x1fget\x1f7']
    for style in range(14):
        yield 'whole_%d' % style, chr(style) + chr(5) + tools + '\x1e' + '\x1e'.join(turns)
        yield 'plain_%d' % style, chr(style) + chr(3) + '\x1e'.join(turns[:2] + turns[4:6])
        yield 'one_call_%d' % style, chr(style) + chr(1) + 'user\x1fq\x1eassistant\x1f\x1ff\x1f{}\x1etool\x1fr'
    yield 'prefix', '\x04\x0auser\x1fq\x1eassistant\x1fbegun'
    yield 'nothing', '\x0a\x01'
    yield 'bad_utf8', b'\x02\x01user\x1f\xff\xfe'


# ---- tokenizers ----------------------------------------------------------------------------------

def tokenizer(stages, text, normalizer=None, added=(), merges=('a b', 'ab c', ['c', 'd']), **model):
    pieces = ['a', 'b', 'c', 'd', "'", 's', '1', '2', '!', '\u0120', '\u010a', '\u00c3', '\u00a9', 'ab',
              'abc', 'cd', '\u0120a']
    description = {
        'added_tokens': [dict(id=len(pieces) + i, content=c, **flags) for i, (c, flags) in enumerate(added)],
        'normalizer': normalizer, 'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': stages},
        'model': dict(type='BPE', vocab={p: i for i, p in enumerate(pieces)}, merges=list(merges), **model)}
    return json.dumps(description).encode() + b'\0' + text.encode()


def split(pattern, behavior='Isolated', invert=False, kind='Regex'):
    return {'type': 'Split', 'pattern': {kind: pattern}, 'behavior': behavior, 'invert': invert}


def tokenizer_seeds():
    level = {'type': 'ByteLevel', 'add_prefix_space': False, 'use_regex': False}
    own = {'type': 'ByteLevel', 'add_prefix_space': True, 'use_regex': True}
    digits = {'type': 'Digits', 'individual_digits': True}
    words = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    text = "abcd ab's 12  12!\n\n caf\u00e9 <s> e\u0301 \u4f60\U0001f600" + 'ab' * 40
    marks = [('<s>', {'special': True}), ('<sss', {'normalized': True, 'lstrip': True, 'rstrip': True})]
    yield 'llama3', tokenizer([split(words), level], text, added=marks, ignore_merges=True)
    yield 'smollm', tokenizer([digits, dict(own, add_prefix_space=False)], text, added=marks)
    yield 'prefix', tokenizer([own], text, unk_token='a')
    yield 'nfc', tokenizer([level], text, {'type': 'NFC'}, marks)
    yield 'v2', tokenizer([split('[\r\n]'), split(r'\s?[A-Za-z\u00b5]+'), split(r'\s+$'), digits, level],
                          text)
    for i, behavior in enumerate(('Removed', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext')):
        yield 'split%d' % i, tokenizer([split('x*|(?<=a)b', behavior, i == 1),
                                        split(' ', behavior, False, 'String'), level], text)
    yield 'escapes', tokenizer([split(r'[\x{41}-\u005a\S]|\P{L}|a{2,}|(?>b)|^.\.|[\-\]]$'), level], text)


# ---- listings of the hub, and names of models ------------------------------------------------------

def listing(*files, commit='a' * 40, **more):
    return json.dumps({'sha': commit, 'siblings': [
        {'rfilename': name, 'size': 5, **rest} for name, rest in files], **more})


def hub_seeds():
    large = {'lfs': {'sha256': 'b' * 64, 'size': 5}, 'blobId': 'c' * 40, 'here': True}
    yield 'folder', listing(('config.json', {}), ('model-00001-of-00002.safetensors', large),
                            ('model.safetensors.index.json', {}), ('README.md', {}),
                            ('consolidated.safetensors', large), ('sub/model.safetensors', large))
    yield 'parts', listing(*[('q/m-Q4_K_M-0000%d-of-00003.gguf' % i, large) for i in (1, 2, 3)],
                           ('m-Q4_K_S.gguf', large), ('mmproj-Q4_K_M.gguf', large))
    yield 'part_missing', listing(('m-Q4_K_M-00002-of-00003.gguf', large))
    yield 'part_odd', listing(('-00001-of-00001.gguf', large), ('a-+0001-of-00001.gguf', large),
                              ('x-99999-of-99999.gguf', large), ('.gguf', large))
    yield 'several', listing(('a-Q4_K_M.gguf', large), ('b-Q4_K_M.gguf', large), ('x.gguf', large))
    yield 'escape', listing(('../config.json', {}))
    yield 'twice', listing(('config.json', {}), ('config.json', {}))
    yield 'sizes', listing(('config.json', {'size': -7}), ('a.json', {'size': 1 << 60}))
    yield 'kinds', listing(('config.json', {'size': 'x', 'lfs': 5, 'blobId': [], 'here': 'x'}), sha=1)
    yield 'name', 'hf.co/owner/name:dir/file-Q4_K_M.gguf@refs/pr/1'
    yield 'short', 'deepseek-r1:1.5b@main'


# ---- JSON schemas, and how to choose among what they allow ----------------------------------------

def schema_seeds():
    choices = b'\0' + bytes(i * 37 % 251 for i in range(300))
    with open(os.path.join(HERE, '..', 'engine', 'json_schema_cases.json')) as f:
        cases = json.load(f)
    for i in range(0, len(cases), 8):  # eight at a time, as the members of an object
        some = {c['about']: c['schema'] for c in cases[i:i + 8] if '"$ref"' not in json.dumps(c)}
        yield 'cases_%02d' % (i // 8), json.dumps({'properties': some}, ensure_ascii=False).encode() + choices
    for i, c in enumerate(c for c in cases if '"$ref"' in json.dumps(c)):
        yield 'references_%d' % i, json.dumps(c['schema']).encode() + choices
    yield 'loop', '{"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#/anyOf/1"}]}]}'
    yield 'huge', '{"maxItems": 1e9, "items": {"pattern": "((a{9999}){9999})*", "maxLength": 99999}}'
    yield 'wrong', '{"type": 5, "enum": {}, "required": [1], "properties": [], "minimum": "x", "not": {}}'


# ---- saved sequences ----------------------------------------------------------------------------

def snapshot(tokens, kind=0, last=True, mode=4, ids=None, claims={}):
    """As engine/snapshot.c draws it, for tests/golden/odd/qwen3-tied; the target fills in the hashes and
    the fingerprint where mode has bit 2. Kinds: 0 float32, 1 bytes with scales, 2 bfloat16."""
    layers, width, block, vocabulary, hidden = 2, 32, 8, 71, 36
    h = dict(magic=b'fathomkv', version=1, bytes=128, fingerprint=0, arith=0, type=kind, block=block,
             page=64, layers=layers, width=width, vocabulary=vocabulary, hidden=hidden, tokens=tokens,
             flags=int(last))
    h.update(claims)
    out = struct.pack('<8sIIQIIIIQQQQQI36xQ', *h.values(), 0)
    row = {0: 4 * width, 1: width + width // block * 4, 2: 2 * width}[kind]
    ids = ids or [i * 5 % vocabulary for i in range(tokens)]
    out += struct.pack('<%di' % len(ids), *ids) + bytes(8)
    for at in range(0, tokens, 64):
        n = layers * min(64, tokens - at) * row
        out += (bytes(range(1, 60)) * (n // 59 + 1))[:n] + bytes(8)
    if last:
        out += struct.pack('<%df' % (vocabulary + hidden), *range(vocabulary + hidden)) + bytes(8)
    return bytes([mode | kind]) + out


def snapshot_seeds():
    for kind, name in enumerate(('f32', 'int8', 'bf16')):
        yield name, snapshot(3, kind)
        yield name + '-two-pages', snapshot(66, kind)
        yield name + '-without-logits', snapshot(5, kind, last=False)
    yield 'empty', snapshot(0, last=False)
    yield 'a-full-page', snapshot(64, 1)
    yield 'as-it-is', snapshot(3, 1, mode=0)
    yield 'id-outside', snapshot(3, 1, ids=[1, 71, 2])
    yield 'id-negative', snapshot(3, 1, ids=[1, 2, -5])
    for change in ({'version': 9}, {'magic': b'fathomxx'}, {'bytes': 64}, {'arith': 1}, {'type': 7},
                   {'block': 16}, {'page': 32}, {'layers': 3}, {'width': 1 << 60}, {'vocabulary': 70},
                   {'hidden': 1 << 63}, {'tokens': (1 << 64) - 1}, {'tokens': 4}, {'flags': 3},
                   {'flags': 1 << 31}):
        (key, value), = change.items()
        yield '%s-%s' % (key, value if isinstance(value, int) else 'other'), snapshot(3, 1, claims=change)


# ---- shards of tokens ----------------------------------------------------------------------------

def shard(documents, width=2, mask=False, mode=1, claims={}, entries=None):
    """As train/shard.h draws it; the target fills in the header's hash."""
    h = dict(magic=b'fathomtk', version=1, bytes=128, width=width, flags=int(mask), vocabulary=300, vhash=7,
             documents=len(documents), tokens=sum(map(len, documents)), contents=0)
    h.update(claims)
    out = struct.pack('<8sIIIIQQQQQ56xQ', *h.values(), 0)
    index, at = b'', 0
    for ids in documents:
        index += struct.pack('<QII', at, len(ids), 0)
        at += len(ids)
    tokens = b''.join(struct.pack('<H' if width == 2 else '<I', i) for ids in documents for i in ids)
    for section in [entries or index, tokens] + [bytes(range(5, 5 + (at + 7) // 8))] * mask:
        out += section + bytes(-len(section) % 64)
    return bytes([mode]) + out


def shard_seeds():
    documents = [[1, 2, 3], [299], list(range(40, 140))]
    yield 'narrow', shard(documents)
    yield 'wide', shard(documents, width=4)
    yield 'mask', shard(documents, mask=True)
    yield 'empty', shard([])
    yield 'as-it-is', shard(documents, mode=0)
    yield 'id-outside', shard([[1, 300]])
    yield 'overlap', shard([[1, 2], [3]], entries=struct.pack('<QIIQII', 0, 2, 0, 1, 2, 0))
    yield 'none', shard([[1, 2], [3]], entries=struct.pack('<QIIQII', 0, 3, 0, 3, 0, 0))
    for change in ({'version': 2}, {'magic': b'fathomxx'}, {'bytes': 64}, {'width': 3}, {'flags': 2},
                   {'vocabulary': 0}, {'vocabulary': 70000}, {'documents': 1 << 60}, {'documents': 4},
                   {'tokens': (1 << 64) - 1}, {'tokens': 1 << 63}, {'tokens': 105}):
        (key, value), = change.items()
        yield '%s-%s' % (key, value if isinstance(value, int) else 'other'), shard(documents, claims=change)


# ---- programs of the small language --------------------------------------------------------------

def program_seeds():
    yield 'numbers', 'x = -7 // 2 + 7 % -2 * 3 ** 4\nprint(x, 1 < x <= 3 != 4, not x or x and 5)\nx += 9223372036854775807\nx *= 2\n'
    yield 'lists', ('a = [3, [1], "b"]\na.append(a)\na[0], a[1] = a[1], a[0]\nb = a[::-1] + a[1:] * 2\n'
                    'print(a == b, a in b, len(b), b.pop(), sorted([2, 1]), b)\na[0] += 1\na += [1]\n')
    yield 'texts', ('s = "a b\\n" * 3 + \'"\'\nprint(s.split(), s.split("a"), s.upper().lower(), "-".join(["x", s[0]]), [s])\n'
                    'for c in s: print(ord(c), chr(65), end="; ", sep="")\n')
    yield 'functions', 'def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\nprint(f(12))\nf(-1)\n'
    yield 'loops', ('i = 0\nwhile True:\n    i += 1\n    if i == 3: continue\n    elif i > 9: break\n    else: pass\n'
                    'for j in range(10, 0, -3):\n    for k in [j, i]: print(j, k)\n')
    yield 'input', 'n = int(input())\nprint([int(x) for_x in []])\0007\n'
    yield 'read', 'n = int(input())\na = input().split(",")\nprint(sum([n, int(a[0])]), max(a), min(n, 2))\0007\n3,4\n'
    yield 'endless', 'while 1: a = [1]\n'
    yield 'deep', 'def f(): f()\nf()\n'
    yield 'large', 'a = "x"\nwhile 1: a += a\n'
    yield 'loud', 'while 1: print(12345)\n'
    yield 'nested', 'x = ' + '(' * 90 + '1' + ')' * 90 + '\nprint(((((x)))))\n'
    yield 'wrong', 'if x:\n  y = (1,\n'


for name, data in program_seeds():
    put('program', name, data)


# ---- recipes and lines to learn from -------------------------------------------------------------

def recipe_seeds():
    every = {'run': {'stage': 'sft', 'steps': 7, 'seed': 9e15, 'precision': 'f32', 'recompute': True, 'hours': 0.1},
             'model': {'start': 'a folder', 'shape': 'pico', 'init_std': 0.02},
             'data': {'train': 'caf\u00e9 \u4f60', 'context': 2, 'isolate': 'on', 'fim': 1e-9},
             'optimizer': {'name': 'muon', 'lr': 1 / 3, 'epsilon': 1e-30, 'decay_norms': False},
             'samples': {'prompts': ['a', '', 'b|c', 'd\n"'], 'temperature': 0}}
    yield 'every', b'\0' + json.dumps(every).encode()
    yield 'empty', b'\0{}'
    for name, text in (('list', '[]'), ('flat', '{"run": 3}'), ('section', '{"rnu": {}}'), ('key', '{"run": {"step": 1}}'),
                       ('kind', '{"run": {"steps": "many"}}'), ('range', '{"run": {"steps": 0}}'),
                       ('huge', '{"run": {"seed": 1e400}}'), ('third', '{"run": {"steps": {}}}'),
                       ('half', '{"run": {"steps": 5, "stage": "sleep"}}'), ('deep', '{"run":' * 100 + '1'),
                       ('many', json.dumps({'samples': {'prompts': ['x'] * 65}})),
                       ('escape', '{"run": {"st\\u0065ps": 2}, "ru\\"n": {"a": 1}}')):
        yield name, b'\0' + text.encode()
    yield 'latin', b'\1data.train=caf\xe9\nsamples.prompts=a|\xff|b\n'
    yield 'lines', (b'\1run.steps=5\noptimizer.lr=0x1p-3\nsamples.prompts=a|b||c\nrun.stage=sft\nrun.recompute=true\n'
                    b'data.train=a=b\nrun.steps=nan\nrun.steps=inf\nrun.steps=1e3\nrun.step=1\n=\nrun=\n.=\nrun.stage=sf\n')


def jsonl_seeds():
    lines = [{'text': 'a'}, {'text': ''}, {'prompt': 'a', 'completion': 'b'}, {'prompt': 'a'}, {'text': 1}, [], 3,
             {'messages': [{'role': 'system', 'content': ''}, {'role': 'user', 'content': 'u'},
                           {'role': 'assistant', 'content': 'x', 'reasoning_content': 'y'},
                           {'role': 'tool', 'content': 't'}, {'role': 'assistant', 'content': 'z'}]},
             {'messages': [{'role': 'user', 'content': 'u'}]}, {'messages': [{'role': 'king', 'content': 'u'}]},
             {'messages': [{'role': 'assistant', 'content': None}]}, {'messages': []}, {'messages': {}},
             {'messages': [{'role': 'assistant', 'content': 'x', 'tool_calls': [{}]}]},
             {'text': 'a', 'messages': []}, {'text': 'a\0b'}, {'text': '\u4f60' * 20}]
    yield 'lines', '\r\n'.join(json.dumps(line) for line in lines) + '\n\n{"text": "last"}'
    yield 'broken', b'{"text": "\xff"}\n{"text": "a"\n' + b'[' * 300 + b'\n{"text":"\\ud800"}\n\0\n'


for name, data in recipe_seeds():
    put('recipe', name, data)
for name, data in jsonl_seeds():
    put('jsonl', name, data)
for name, data in shard_seeds():
    put('shard', name, data)
for name, data in snapshot_seeds():
    put('snapshot', name, data)
for name, data in gguf_seeds():
    put('gguf', name, data)
for name, data in safetensors_seeds():
    put('safetensors', name, data)
for name, data in config_seeds():
    put('config', name, data)
for name, data in template_seeds():
    put('template', name, data)
for name, data in tokenizer_seeds():
    put('tokenizer', name, data)
for name, data in hub_seeds():
    put('hub', name, data)
for name, data in schema_seeds():
    put('json_schema', name, data)

# ---- lines of task sets --------------------------------------------------------------------------

FACTS = {
    'addition': ('{"numbers": [999999999999, 0, 7, 70, 700]}', '1000000000776'),
    'subtraction': ('{"a": 0, "b": 999999999999}', '-999999999999'),
    'multiplication': ('{"a": 99999999, "b": 99999999}', '9999999800000001'),
    'division': ('{"a": 999999999999, "b": 999999}', '1000001 remainder 0'),
    'fractions': ('{"operation": 4, "a": -9999, "b": 9998, "c": -9997, "d": 9999}', '1 1/2'),
    'gcd': ('{"numbers": [999999999, 999999998, 1]}', '1'),
    'lcm': ('{"numbers": [99999, 99998, 99997]}', '999900000299970'),
    'modulo': ('{"form": 2, "a": 999999999, "b": 999999999, "m": 99999}', '0'),
    'bases': ('{"value": 999999999999, "from": 10, "to": 2}', '0b1_2'),
    'equations': ('{"a": 9999, "p": -9999, "b": 9999, "c": -9999, "q": 9999, "d": -9999, "unknown": "x"}', 'x = -1.5'),
    'conversion': ('{"amount": 99999999, "decimals": 6, "from": "km^2", "to": "cm^2"}', '1 1/2 cm^2'),
    'calendar': ('{"asks": 1, "weekday": 0, "days": 0, "year": 1584, "month": 2, "day": 29, "to_year": 2199, '
                 '"to_month": 12, "to_day": 31}', '13th of June, 2024'),
    'sequences': ('{"rule": 4, "terms": [-1, 31, -3, 37, -5, 43, -7, 49]}', '-9'),
    'countdown': ('{"numbers": [3, 3, 8, 8], "target": 24}', '8/(3-8/3) = 24'),
}


def task_line_seeds():
    for kind, (facts, answer) in FACTS.items():
        yield kind, '{"checker": "%s", "facts": %s}\n%s' % (kind, facts, answer)
    yield 'date', ('{"checker": "calendar", "facts": {"asks": 2, "weekday": 0, "days": 9999, "year": 2199, "month": 12, '
                   '"day": 31, "to_year": 0, "to_month": 0, "to_day": 0}}\n2024-06-13')
    yield 'no_way', '{"checker": "countdown", "facts": {"numbers": [1, 1, 1, 1], "target": 999}}\n((((1+1)'
    yield 'no_decimals', ('{"checker": "conversion", "facts": {"amount": 1, "decimals": 0, "from": "s", "to": "wk"}}\n'
                          '1/604800 weeks')
    yield 'number', '{"prompt": "Half of three?", "answer": "3/2", "checker": "number"}\n1,500.0'
    yield 'text', '{"prompt": "Capital?", "answer": " Paris \\n", "checker": "text", "key": "france"}\nPARIS'
    yield 'maths', '{"prompt": "x?", "answer": "\\\\frac{1}{2}"}\n\\frac{1}{2}'
    yield 'phrasing', '{"checker": "gcd", "facts": {"numbers": [4, 6]}, "phrasing": 4, "band": 99, "given": "2"}\n2'


def more_task_line_seeds():
    """Kinds whose facts have more to them."""
    def line(kind, answer, **members):
        return json.dumps({'checker': kind, 'facts': members}) + '\n' + answer
    for asked, answer in enumerate(['TT, TF', 'none', 'not p or (q and ~r)', '~(p & ~q)', '\\neg p \\lor \u00acq']):
        yield 'logic_%d' % asked, line('logic', answer, asked=asked, names='pqr', formula='p -> (q <-> not (r xor p))')
    for asked, lengths, c, answer in [(0, [3], [1, -2, 3], '-17.0'), (1, [2, 2], [1, 2, 3, 4], '6x + 4'),
                                      (2, [2, 2], [1, 2, 3, 4], '-2x-2'), (3, [2, 2], [1, 2, 3, 4], '8x^{2}+10x+3'),
                                      (4, [4], [0, 1, 0, 5], '15x**2 + 1'), (5, [3], [-6, 2, 4], '2(2x+3)(x-1)')]:
        yield 'polynomials_%d' % asked, line('polynomials', answer, asked=asked, at=-2 * (asked == 0), unknown='x',
                                             lengths=lengths, coefficients=c)
    yield 'sorting', line('sorting', '[-1, 3 3,20]', order=1, k=0, numbers=[3, -1, 20, 3], words='')
    yield 'sorting_words', line('sorting', "'apple', \"pea\" pear", order=2, k=0, numbers=[], words='pear apple pea')
    yield 'sorting_k', line('sorting', '3', order=3, k=2, numbers=[3, -1, 20, 3], words='')
    yield 'counting', line('counting', '3', what=0, by=17, numbers=[], text='strawberry')
    yield 'counting_numbers', line('counting', '2', what=5, by=3, numbers=[3, 4, 9], text='')
    yield 'strings', line('strings', 'ELCCA', text='apple', steps=[0, 0, 7, 392, 1, 0, 8, 0])
    yield 'tracing', line('tracing', '[1, 2] 3', program='a = [1]\nfor i in range(2):\n    a.append(i)\nprint(a, len(a))')
    yield 'stories', line('stories', '82', family='change', numbers=[3, 6, 100], first=0, second=1, thing=0, aside=1,
                          aside_number=7)
    yield 'stories_share', line('stories', '5', family='share', numbers=[3, 9, 2], first=0, second=1, thing=0, aside=0,
                                aside_number=0)


for name, data in more_task_line_seeds():
    put('task_line', name, data)
for name, data in task_line_seeds():
    put('task_line', name, data)

# ---- replies and what they are paid --------------------------------------------------------------

REPLIES = {
    'formed': (4, '<think>\nHalf of one is 1/2.\n</think>\n<answer>\n\\frac{1}{2}\n</answer>\n'),
    'boxed': (5, '<think>x</think>It is \\boxed{0.5}.'),
    'opened': (6, 'so, then</think><answer>1/2</answer>'),
    'cut': (0, '<think>wait, wait, wait, wait, wait'),
    'text_after': (4, '<think>a</think><answer>1/2</answer>\nor 2'),
    'several': (4, '<think>a</think><answer>1/2</answer><answer>2</answer>'),
    'nested': (4, '<think><think>a</think></think><answer><answer>1/2</answer></answer>'),
    'scripts': (4, '<think>Die Summe ist 四十二, сорок два, أربعون und \\alpha + x</think><answer>٤٢</answer>'),
    'broken': (4, b'<think>\xff\xfe\xe4\xb8</think><answer>1e999</answer>'),
    'program': (13, '<think>a</think>```python\nn = int(1)\nprint(n + 1)\n```\n\0' '2\n'),
    'answer_program': (12, '<think>a</think><answer>print(0.50000001, "x")</answer>\0' '0.5 x\n'),
    'floats': (28, '<think>a</think><answer>print("1e2 -.5 nan")</answer>\0' '100 -0.5 nan'),
    'two_programs': (13, '<think>a</think>```\nprint(1)\n```\n```\nprint(2)\n```\n'),
    'endless': (12, '<think>a</think><answer>while True:\n    print(1)\n</answer>'),
}
for name, (flags, reply) in REPLIES.items():
    put('reward', name, bytes([flags]) + (reply if isinstance(reply, bytes) else reply.encode()))

# ---- files of panels -------------------------------------------------------------------------------

def panels_file(flags, entries, panels, tail=8, version=0, reserved=0):
    """Version and hashes are left to the target, as `flags` tell it; an entry is (key, offset, bytes)."""
    head = b'fathompn' + struct.pack('<IIQQQQQQ', version, 0x01020304, 7, len(entries), len(panels), reserved, 0, 0)
    directory = b''.join(struct.pack('<5Q', key, offset, size, 9, 5) for key, offset, size in entries)
    return bytes([flags]) + head + bytes(4096 - len(head)) + panels + directory + bytes(tail)


def panels_seeds():
    some = [(1, 4096, 128), (2, 4224, 64), (3, 4288, 0)]
    yield 'whole', panels_file(39, some, bytes(range(192)))
    yield 'damaged', panels_file(7, some, bytes(range(192)))
    yield 'empty', panels_file(7, [], b'')
    yield 'cut', panels_file(7, some, bytes(range(192)), tail=3)
    yield 'version', panels_file(3, some, bytes(192))
    yield 'elsewhere', panels_file(7, [(1, 4160, 128), (2, 4224, 64)], bytes(192))
    yield 'beyond', panels_file(7, [(1, 4096, 128), (2, 4224, (1 << 64) - 64)], bytes(192))
    yield 'uncovered', panels_file(7, some, bytes(256))
    yield 'unhashed', panels_file(4, some, bytes(192))
    yield 'directory', panels_file(5, some, bytes(192))
    yield 'made', panels_file(63, [(i, 3 * i, 5 * i) for i in range(9)], bytes(700), tail=11)
    yield 'head', b'\7fathompn'


for name, data in panels_seeds():
    put('panels', name, data)
