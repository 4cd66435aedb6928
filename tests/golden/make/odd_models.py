#!/usr/bin/env python3
"""Small random models of odd shapes in every family and file form, with what they must compute.

    odd_models.py fixtures FOLDER                 the selection that tests/golden/odd holds
    odd_models.py random FOLDER --count N [--seed S]   others, for tests/soak/odd_models.py

Each model is a folder: the files of the model (config.json and safetensors, or model.gguf) and
expected.safetensors: input_ids, logits, moe.N.expert_ids, moe.N.expert_weights, and mtp.logits (of
a second module mtp.2.logits) where there are MTP modules; computed in double precision by reference.py from the stored (rounded)
weights. Seeds whose routing is decided by less than 2e-5 are passed over, as in the golden models.
Needs numpy, and the PyPI package gguf for the values of quantised blocks.
"""
import argparse
import json
import os
import random
import shutil
import struct

import numpy as np

import reference

# ---- stored forms of a matrix ---------------------------------------------------------------------

# GGUF: number, elements and bytes per block, offsets of the float16 scales in a block
BLOCKS = {
    'Q4_0': (2, 32, 18, (0,)), 'Q4_1': (3, 32, 20, (0, 2)), 'Q5_0': (6, 32, 22, (0,)), 'Q5_1': (7, 32, 24, (0, 2)),
    'Q8_0': (8, 32, 34, (0,)), 'Q2_K': (10, 256, 84, (80, 82)), 'Q3_K': (11, 256, 110, (108,)),
    'Q4_K': (12, 256, 144, (0, 2)), 'Q5_K': (13, 256, 176, (0, 2)), 'Q6_K': (14, 256, 210, (208,)),
    'IQ2_XXS': (16, 256, 66, (0,)), 'IQ2_XS': (17, 256, 74, (0,)), 'IQ3_XXS': (18, 256, 98, (0,)),
    'IQ1_S': (19, 256, 50, (0,)), 'IQ4_NL': (20, 32, 18, (0,)), 'IQ3_S': (21, 256, 110, (0,)),
    'IQ2_S': (22, 256, 82, (0,)), 'IQ4_XS': (23, 256, 136, (0,)), 'IQ1_M': (29, 256, 56, ()),
    'TQ1_0': (34, 256, 54, (52,)), 'TQ2_0': (35, 256, 66, (64,)), 'MXFP4': (39, 32, 17, ()),
}
FLOATS = {'F32': 0, 'F16': 1, 'BF16': 30}


def bf16_bits(x):
    u = np.asarray(x, np.float32).view(np.uint32)
    return ((u + 0x7fff + (u >> 16 & 1)) >> 16).astype(np.uint16)


def e4m3_codes(x):
    """Nearest, ties to even, saturating: by search among the 127 magnitudes."""
    table = reference.E4M3[:127].astype(np.float64)
    a = np.minimum(np.abs(x).astype(np.float64), 448.0)
    i = np.clip(np.searchsorted(table, a), 1, 126)
    low, high = a - table[i - 1], table[i] - a
    pick = np.where((low < high) | ((low == high) & (i % 2 == 1)), i - 1, i).astype(np.uint8)
    return np.where(np.signbit(x), pick | 128, pick).astype(np.uint8)


def store_floats(x, kind):
    """(bytes as an array, the values they stand for)"""
    x = np.asarray(x, np.float32)
    if kind == 'F32':
        return x, x
    if kind == 'F16':
        h = x.astype(np.float16)
        return h, h.astype(np.float32)
    bits = bf16_bits(x)
    return bits, reference.bf16_to_f32(bits)


def store_fp8(x, power_of_two, block=(128, 128)):
    rows, columns = -(-x.shape[0] // block[0]), -(-x.shape[1] // block[1])
    padded = np.zeros((rows * block[0], columns * block[1]), np.float32)
    padded[:x.shape[0], :x.shape[1]] = x
    amax = np.abs(padded.reshape(rows, block[0], columns, block[1])).max((1, 3))
    scale = np.maximum(amax, 1e-4).astype(np.float32) / np.float32(448)
    if power_of_two:
        scale = np.exp2(np.ceil(np.log2(scale))).astype(np.float32)
    big = np.repeat(np.repeat(scale, block[0], 0), block[1], 1)[:x.shape[0], :x.shape[1]]
    codes = e4m3_codes((x / big).astype(np.float32))
    return codes, scale, reference.dequantise_fp8(codes, scale, block)


def random_blocks(rng, shape, kind, std):
    """Random bits under scales that give the values this standard deviation: every code of every
    format occurs, which rounding real weights would not bring about."""
    import gguf
    number, elements, size, scales = BLOCKS[kind]
    n = int(np.prod(shape)) // elements
    raw = rng.integers(0, 256, (n, size), np.uint8)

    def with_scales(unit):
        if kind == 'MXFP4':
            e = 127 + int(np.floor(np.log2(unit)))
            raw[:, 0] = rng.integers(e - 1, e + 2, n)
            return
        if kind == 'IQ1_M':  # a float16 in the top nibbles of the four words of scales
            bits = np.frombuffer(np.float16(unit).tobytes(), np.uint16)[0]
            for i in range(4):
                raw[:, 48 + 2 * i + 1] = raw[:, 48 + 2 * i + 1] & 15 | (bits >> 4 * i & 15) << 4
            return
        d = (unit * rng.uniform(0.5, 1.5, n)).astype(np.float16)
        raw[:, scales[0]:scales[0] + 2] = d.view(np.uint8).reshape(n, 2)
        if len(scales) > 1:  # the minimum: chosen so that the mean is near 0
            ratio = {'Q4_1': -7.5, 'Q5_1': -15.5, 'Q2_K': 1.5, 'Q4_K': 7.5, 'Q5_K': 15.5}[kind]
            m = (d.astype(np.float32) * ratio).astype(np.float16)
            raw[:, scales[1]:scales[1] + 2] = m.view(np.uint8).reshape(n, 2)

    def values():
        flat = raw.reshape(-1, (shape[-1] // elements) * size)
        return gguf.quants.dequantize(flat, gguf.GGMLQuantizationType(number)).astype(np.float32)

    with_scales(1.0)
    with_scales(std / values().std())
    return raw.reshape(shape[:-1] + (-1,)), values().reshape(shape)

# ---- random weights by their Hugging Face names ----------------------------------------------------

def layer_shapes(c, l, moe):
    d, h = c['hidden_size'], c['num_attention_heads']
    p = 'model.layers.%d.' % l
    s = {p + 'input_layernorm.weight': (d,), p + 'post_attention_layernorm.weight': (d,)}
    a, m = p + 'self_attn.', p + 'mlp.'
    if c['model_type'].startswith('deepseek'):
        q = h * (c['qk_nope_head_dim'] + c['qk_rope_head_dim'])
        r, rq = c['kv_lora_rank'], c.get('q_lora_rank')
        if rq:
            s.update({a + 'q_a_proj.weight': (rq, d), a + 'q_a_layernorm.weight': (rq,), a + 'q_b_proj.weight': (q, rq)})
        else:
            s[a + 'q_proj.weight'] = (q, d)
        s[a + 'kv_a_proj_with_mqa.weight'] = (r + c['qk_rope_head_dim'], d)
        s[a + 'kv_a_layernorm.weight'] = (r,)
        s[a + 'kv_b_proj.weight'] = (h * (c['qk_nope_head_dim'] + c['v_head_dim']), r)
        s[a + 'o_proj.weight'] = (d, h * c['v_head_dim'])
    else:
        hd = c.get('head_dim') or d // h
        kv = c.get('num_key_value_heads') or h
        for name, n in (('q', h), ('k', kv), ('v', kv)):
            s[a + name + '_proj.weight'] = (n * hd, d)
            if c['model_type'] == 'qwen2':
                s[a + name + '_proj.bias'] = (n * hd,)
        if c['model_type'] == 'qwen3':
            s.update({a + 'q_norm.weight': (hd,), a + 'k_norm.weight': (hd,)})
        s[a + 'o_proj.weight'] = (d, h * hd)

    def ffn(prefix, f):
        s.update({prefix + 'gate_proj.weight': (f, d), prefix + 'up_proj.weight': (f, d), prefix + 'down_proj.weight': (d, f)})
    if not moe:
        ffn(m, c['intermediate_size'])
        return s
    f = c['moe_intermediate_size']
    s[m + 'gate.weight'] = (c['n_routed_experts'], d)
    if c['topk_method'] == 'noaux_tc':
        s[m + 'gate.e_score_correction_bias'] = (c['n_routed_experts'],)
    for e in range(c['n_routed_experts']):
        ffn('%sexperts.%d.' % (m, e), f)
    if c.get('n_shared_experts'):
        ffn(m + 'shared_experts.', c['n_shared_experts'] * f)
    return s


def shapes_of(c):
    v, d, layers = c['vocab_size'], c['hidden_size'], c['num_hidden_layers']
    model = reference.Model(c, {})
    s = {'model.embed_tokens.weight': (v, d), 'model.norm.weight': (d,)}
    if not c.get('tie_word_embeddings'):
        s['lm_head.weight'] = (v, d)
    for l in range(layers):
        s.update(layer_shapes(c, l, model.is_moe(l)))
    for l in range(layers, layers + (c.get('num_nextn_predict_layers') or 0)):
        p = 'model.layers.%d.' % l
        s.update(layer_shapes(c, l, model.is_moe(l)))
        s.update({p + 'enorm.weight': (d,), p + 'hnorm.weight': (d,), p + 'eh_proj.weight': (d, 2 * d),
                  p + 'shared_head.norm.weight': (d,), p + 'embed_tokens.weight': (v, d),
                  p + 'shared_head.head.weight': (v, d)})
    return s


def spread(name, shape, tied):
    """Standard deviation of a matrix: activations stay near 1, logits near 2, attention is sharp."""
    gain = 1.0
    if 'q_proj' in name or 'q_b_proj' in name:
        gain = 1.6
    if name.endswith('lm_head.weight') or 'shared_head.head' in name:
        gain = 2.0
    if 'down_proj' in name or 'o_proj' in name:
        gain = 1.4
    if 'embed_tokens' in name:
        return 2.0 / shape[1] ** 0.5 if tied else 1.0
    return gain / shape[1] ** 0.5


def random_weights(c, rng, options):
    weights = {}
    for name, shape in shapes_of(c).items():
        if name.endswith('correction_bias'):
            w = options.get('bias_mean', 0.0) + 0.2 * rng.standard_normal(shape)
        elif name.endswith('.bias'):
            w = 0.5 * rng.standard_normal(shape)
        elif len(shape) == 1:
            w = 1 + 0.2 * rng.standard_normal(shape)
        else:
            w = spread(name, shape, c.get('tie_word_embeddings')) * rng.standard_normal(shape)
        weights[name] = w.astype(np.float32)
    for name in list(weights):
        if '.shared_head.head.' in name:
            weights[name] = weights['model.embed_tokens.weight' if c.get('tie_word_embeddings') else 'lm_head.weight']
        elif '.layers.' in name and 'embed_tokens' in name:
            weights[name] = weights['model.embed_tokens.weight']
    return weights

# ---- writing a Hugging Face folder -----------------------------------------------------------------

def write_safetensors(path, tensors):
    """name -> (dtype name, array)"""
    header, at, blobs = {}, 0, []
    for name, (kind, a) in tensors.items():
        blob = np.ascontiguousarray(a).tobytes()
        header[name] = {'dtype': kind, 'shape': list(a.shape), 'data_offsets': [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def write_folder(folder, c, weights, options):
    """Returns the weights as stored."""
    kind, stored, tensors = options.get('kind', 'F32'), {}, {}
    for name, w in weights.items():
        fp8 = kind.startswith('FP8') and w.ndim == 2 and '_proj' in name and 'eh_proj' not in name
        if fp8:
            codes, scale, stored[name] = store_fp8(w, kind == 'FP8_POW2', options.get('block', (128, 128)))
            tensors[name] = ('F8_E4M3', codes)
            tensors[name + '_scale_inv'] = ('F32', scale)
            continue
        own = 'F32' if name.endswith('correction_bias') else 'BF16' if kind.startswith('FP8') else kind
        raw, stored[name] = store_floats(w, own)
        tensors[name] = (own, raw)
    c = dict(c, torch_dtype={'F32': 'float32', 'F16': 'float16'}.get(kind, 'bfloat16'))
    if kind.startswith('FP8'):
        c['quantization_config'] = {'activation_scheme': 'dynamic', 'fmt': 'e4m3', 'quant_method': 'fp8',
                                    'weight_block_size': list(options.get('block', (128, 128)))}
        if kind == 'FP8_POW2':
            c['quantization_config']['scale_fmt'] = 'ue8m0'
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump(c, f, indent=1, sort_keys=True)
        f.write('\n')
    shards = options.get('shards', 1)
    if shards == 1:
        write_safetensors(os.path.join(folder, 'model.safetensors'), tensors)
        return stored
    parts = [{} for _ in range(shards)]
    for i, name in enumerate(tensors):  # a matrix and its scales may part
        parts[i * shards // len(tensors)][name] = tensors[name]
    weight_map = {}
    for i, part in enumerate(parts):
        name = 'model-%05d-of-%05d.safetensors' % (i + 1, shards)
        write_safetensors(os.path.join(folder, name), part)
        weight_map.update({t: name for t in part})
    with open(os.path.join(folder, 'model.safetensors.index.json'), 'w') as f:
        json.dump({'metadata': {}, 'weight_map': weight_map}, f, indent=0)
    return stored

# ---- writing a GGUF --------------------------------------------------------------------------------

DENSE = {
    'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k', 'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output', 'self_attn.q_norm': 'attn_q_norm', 'self_attn.k_norm': 'attn_k_norm',
    'self_attn.q_a_proj': 'attn_q_a', 'self_attn.q_a_layernorm': 'attn_q_a_norm', 'self_attn.q_b_proj': 'attn_q_b',
    'self_attn.kv_a_proj_with_mqa': 'attn_kv_a_mqa', 'self_attn.kv_a_layernorm': 'attn_kv_a_norm',
    'self_attn.kv_b_proj': 'attn_kv_b', 'input_layernorm': 'attn_norm', 'post_attention_layernorm': 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down', 'mlp.gate': 'ffn_gate_inp',
    'mlp.shared_experts.gate_proj': 'ffn_gate_shexp', 'mlp.shared_experts.up_proj': 'ffn_up_shexp',
    'mlp.shared_experts.down_proj': 'ffn_down_shexp',
    'enorm': 'nextn.enorm', 'hnorm': 'nextn.hnorm', 'eh_proj': 'nextn.eh_proj', 'embed_tokens': 'nextn.embed_tokens',
    'shared_head.norm': 'nextn.shared_head_norm', 'shared_head.head': 'nextn.shared_head_head',
}


def gguf_name(name):
    if name == 'model.embed_tokens.weight':
        return 'token_embd.weight'
    if name == 'model.norm.weight':
        return 'output_norm.weight'
    if name == 'lm_head.weight':
        return 'output.weight'
    _, _, l, rest = name.split('.', 3)
    if rest == 'mlp.gate.e_score_correction_bias':
        return 'blk.%s.exp_probs_b.bias' % l
    stem, end = rest.rsplit('.', 1)
    return 'blk.%s.%s.%s' % (l, DENSE[stem], end)


def interleave(w, heads):
    """Rows (i, i + d/2) of each head to (2i, 2i+1), as converters do to Llama's q and k."""
    return w.reshape(heads, 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def halves(w, heads):
    return w.reshape(heads, -1, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def gguf_kind(gname, shape, kinds, turn):
    """Which form a tensor is stored in: what the caller names, where its rows are whole blocks."""
    if len(shape) == 1 or 'ffn_gate_inp' in gname:
        return 'F32'
    if isinstance(kinds, str):
        kinds = [kinds]
    for i in range(len(kinds)):
        k = kinds[(turn + i) % len(kinds)]
        if k in FLOATS or shape[-1] % BLOCKS[k][1] == 0:
            return k
    return 'F16'


def write_gguf(path, c, weights, rng, options):
    """Returns the weights as stored, by their Hugging Face names and in their layout."""
    llama, mla = c['model_type'] == 'llama', c['model_type'].startswith('deepseek')
    kinds, stored, out = options['gguf'], {}, []
    heads, kv = c['num_attention_heads'], c.get('num_key_value_heads') or c['num_attention_heads']

    def put(gname, w):
        kind = gguf_kind(gname, w.shape, kinds, len(out))
        if kind in FLOATS:
            raw, back = store_floats(w, kind)
            out.append((gname, w.shape, FLOATS[kind], raw))
        else:
            raw, back = random_blocks(rng, w.shape, kind, float(w.std()))
            out.append((gname, w.shape, BLOCKS[kind][0], raw))
        return back

    stacked = {}
    for name, w in weights.items():
        if '.mlp.experts.' in name:
            _, _, l, _, _, e, matrix, _ = name.split('.')
            stacked.setdefault((int(l), matrix), []).append((int(e), name))
        elif llama and ('q_proj' in name or 'k_proj' in name):
            n = heads if 'q_proj' in name else kv
            stored[name] = halves(put(gguf_name(name), interleave(w, n)), n)
        elif 'kv_b_proj' in name and options.get('split'):
            dn, dv, r = c['qk_nope_head_dim'], c['v_head_dim'], c['kv_lora_rank']
            both = w.reshape(heads, dn + dv, r)
            k = put(gguf_name(name).replace('kv_b', 'k_b'), np.ascontiguousarray(both[:, :dn].swapaxes(1, 2)))
            v = put(gguf_name(name).replace('kv_b', 'v_b'), np.ascontiguousarray(both[:, dn:]))
            stored[name] = np.concatenate([k.swapaxes(1, 2), v], 1).reshape(w.shape)
            if options['split'] == 'all three':  # some converters leave the fused one in, and the older keys
                stored[name] = put(gguf_name(name), w)
        else:
            stored[name] = put(gguf_name(name), w)
    for (l, matrix), names in stacked.items():
        names = [n for _, n in sorted(names)]
        back = put('blk.%d.ffn_%s_exps.weight' % (l, matrix.split('_')[0]), np.stack([weights[n] for n in names]))
        for i, n in enumerate(names):
            stored[n] = back[i]
    scaling, rope = reference.scaling_of(c)
    if rope == 'llama3':
        d = c.get('head_dim') or c['hidden_size'] // heads
        plain = np.array([c['rope_theta'] ** (-2.0 * i / d) for i in range(d // 2)])
        out.append(('rope_freqs.weight', (d // 2,), 0, (plain / reference.frequencies(c, d)[0]).astype(np.float32)))

    arch = {'deepseek_v2': 'deepseek2', 'deepseek_v3': 'deepseek2'}.get(c['model_type'], c['model_type'])
    nextn = c.get('num_nextn_predict_layers') or 0
    meta = {'general.architecture': arch, 'general.alignment': options.get('alignment', 32)}
    keys = {'block_count': c['num_hidden_layers'] + nextn, 'context_length': c['max_position_embeddings'],
            'embedding_length': c['hidden_size'], 'feed_forward_length': c['intermediate_size'],
            'attention.head_count': heads, 'attention.head_count_kv': kv,
            'attention.layer_norm_rms_epsilon': float(c['rms_norm_eps']), 'rope.freq_base': float(c['rope_theta']),
            'vocab_size': c['vocab_size']}
    if nextn:
        keys['nextn_predict_layers'] = nextn
    if mla:
        dn, dr, dv, r = c['qk_nope_head_dim'], c['qk_rope_head_dim'], c['v_head_dim'], c['kv_lora_rank']
        keys.update({'attention.kv_lora_rank': r, 'rope.dimension_count': dr})
        if options.get('split') is True:
            keys.update({'attention.head_count_kv': 1, 'attention.key_length': r + dr, 'attention.value_length': r,
                         'attention.key_length_mla': dn + dr, 'attention.value_length_mla': dv})
        else:
            keys.update({'attention.head_count_kv': heads, 'attention.key_length': dn + dr, 'attention.value_length': dv})
        if c.get('q_lora_rank'):
            keys['attention.q_lora_rank'] = c['q_lora_rank']
        keys.update({'expert_count': c['n_routed_experts'], 'expert_used_count': c['num_experts_per_tok'],
                     'expert_feed_forward_length': c['moe_intermediate_size'],
                     'expert_shared_count': c.get('n_shared_experts') or 0,
                     'leading_dense_block_count': c['first_k_dense_replace'],
                     'expert_weights_scale': float(c['routed_scaling_factor']),
                     'expert_weights_norm': bool(c['norm_topk_prob']),
                     'expert_gating_func': 2 if c['scoring_func'] == 'sigmoid' else 1})
        if c.get('n_group', 1) > 1:
            keys.update({'expert_group_count': c['n_group'], 'expert_group_used_count': c['topk_group']})
    elif c.get('head_dim'):
        keys.update({'attention.key_length': c['head_dim'], 'attention.value_length': c['head_dim'],
                     'rope.dimension_count': c['head_dim']})
    if rope == 'yarn':
        keys.update({'rope.scaling.type': 'yarn', 'rope.scaling.factor': float(scaling['factor']),
                     'rope.scaling.original_context_length': scaling['original_max_position_embeddings']})
        if mla:
            keys['rope.scaling.yarn_log_multiplier'] = 0.1 * scaling.get('mscale_all_dim', 0.0)
    meta.update({arch + '.' + k: v for k, v in keys.items()})

    def string(s):
        b = s.encode()
        return struct.pack('<Q', len(b)) + b

    def value(v):
        if isinstance(v, bool):
            return struct.pack('<IB', 7, v)
        if isinstance(v, int):
            return struct.pack('<II', 4, v)
        if isinstance(v, float):
            return struct.pack('<If', 6, v)
        return struct.pack('<I', 8) + string(v)

    align = options.get('alignment', 32)
    head = b'GGUF' + struct.pack('<IQQ', 3, len(out), len(meta))
    head += b''.join(string(k) + value(v) for k, v in meta.items())
    data = b''
    for gname, shape, number, raw in out:
        head += string(gname) + struct.pack('<I', len(shape)) + struct.pack('<%dQ' % len(shape), *reversed(shape))
        head += struct.pack('<IQ', number, len(data))
        data += np.ascontiguousarray(raw).tobytes()
        data += bytes(-len(data) % align)
    with open(path, 'wb') as f:
        f.write(head + bytes(-len(head) % align) + data)
    return stored

# ---- one model -------------------------------------------------------------------------------------

def make(folder, c, options):
    for attempt in range(100):
        rng = np.random.default_rng([options.get('seed', 1), attempt])
        os.makedirs(folder, exist_ok=True)
        weights = random_weights(c, rng, options)
        if 'gguf' in options:
            stored = write_gguf(os.path.join(folder, 'model.gguf'), c, weights, rng, options)
        else:
            stored = write_folder(folder, c, weights, options)
        model = reference.Model(c, {k: v.astype(np.float64) for k, v in stored.items()})
        ids = rng.integers(0, c['vocab_size'], options.get('tokens', 17)).astype(np.int32)
        mtp = bool(c.get('num_nextn_predict_layers')) and len(ids) > 1
        out = model.prefill(ids, mtp)
        if model.margin >= 2e-5 and np.isfinite(out['logits']).all():
            break
        shutil.rmtree(folder)
    else:
        raise SystemExit(folder + ': every seed is a near tie')
    expected = {'input_ids': ('I32', ids), 'logits': ('F32', out['logits'].astype(np.float32))}
    if options.get('hidden'):
        expected['hidden'] = ('F32', out['hidden'].astype(np.float32))
    for name in ('mtp.logits', 'mtp.2.logits'):
        if name in out:
            expected[name] = ('F32', out[name].astype(np.float32))
    for l in range(c['num_hidden_layers']):
        if 'expert_ids.%d' % l in out:
            expected['moe.%d.expert_ids' % l] = ('I32', out['expert_ids.%d' % l])
            expected['moe.%d.expert_weights' % l] = ('F32', out['expert_weights.%d' % l].astype(np.float32))
    write_safetensors(os.path.join(folder, 'expected.safetensors'), expected)
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print('%-34s %4d kB  logits std %.2f  margin %.1e' % (os.path.basename(folder), size // 1024, out['logits'].std(),
                                                          model.margin))
    return size

# ---- shapes ----------------------------------------------------------------------------------------

YARN = {'type': 'yarn', 'factor': 40, 'beta_fast': 32, 'beta_slow': 1, 'original_max_position_embeddings': 4096,
        'mscale': 1.0, 'mscale_all_dim': 1.0}
LLAMA3 = {'rope_type': 'llama3', 'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
          'original_max_position_embeddings': 64}


def deepseek(version=3, **changes):
    c = {'model_type': 'deepseek_v%d' % version, 'architectures': ['DeepseekV%dForCausalLM' % version],
         'hidden_act': 'silu', 'hidden_size': 36, 'num_hidden_layers': 2, 'num_attention_heads': 3,
         'num_key_value_heads': 3, 'vocab_size': 71, 'intermediate_size': 52, 'rms_norm_eps': 1e-6,
         'rope_theta': 10000, 'rope_scaling': None, 'max_position_embeddings': 4096, 'q_lora_rank': None,
         'kv_lora_rank': 20, 'qk_nope_head_dim': 10, 'qk_rope_head_dim': 6, 'v_head_dim': 14,
         'n_routed_experts': 8, 'n_shared_experts': 1, 'num_experts_per_tok': 2, 'moe_intermediate_size': 12,
         'n_group': 1, 'topk_group': 1, 'first_k_dense_replace': 1, 'moe_layer_freq': 1,
         'scoring_func': 'sigmoid' if version == 3 else 'softmax', 'topk_method': 'noaux_tc' if version == 3 else 'greedy',
         'norm_topk_prob': version == 3, 'routed_scaling_factor': 2.5 if version == 3 else 1.0,
         'tie_word_embeddings': False}
    c.update(changes)
    c['num_key_value_heads'] = c['num_attention_heads']
    return c


def dense(family, **changes):
    names = {'llama': 'LlamaForCausalLM', 'qwen2': 'Qwen2ForCausalLM', 'qwen3': 'Qwen3ForCausalLM'}
    c = {'model_type': family, 'architectures': [names[family]], 'hidden_act': 'silu', 'hidden_size': 36,
         'num_hidden_layers': 2, 'num_attention_heads': 6, 'num_key_value_heads': 2, 'vocab_size': 71,
         'intermediate_size': 52, 'rms_norm_eps': 1e-6, 'rope_theta': 10000.0, 'rope_scaling': None,
         'max_position_embeddings': 4096, 'tie_word_embeddings': False}
    c.update(changes)
    return c


MOONLIGHT = dict(hidden_size=48, num_attention_heads=4, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8,
                 v_head_dim=16, n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6, moe_intermediate_size=8,
                 routed_scaling_factor=2.446, rms_norm_eps=1e-5, rope_theta=50000.0, num_nextn_predict_layers=0,
                 intermediate_size=64, vocab_size=99)
K_TYPES = ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'IQ4_XS', 'IQ4_NL', 'TQ1_0', 'TQ2_0']
IQ_TYPES = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S', 'MXFP4']
LEGACY = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4', 'BF16', 'F16']


def fixtures():
    """name -> (config, options); BF16 unless they say otherwise, to be small"""
    chosen = {
        # DeepSeek-V3: groups, numbers of experts, rotation
        'v3-moonlight': (deepseek(**MOONLIGHT), dict(kind='BF16', tokens=40)),
        'v3-two-groups-of-8': (deepseek(n_routed_experts=16, n_group=2, topk_group=1, num_experts_per_tok=6), {}),
        'v3-eight-groups-of-2': (deepseek(n_routed_experts=16, n_group=8, topk_group=3, num_experts_per_tok=6), dict(tokens=33)),
        'v3-one-expert-per-token': (deepseek(num_experts_per_tok=1, hidden_size=70, n_group=2, topk_group=2), {}),
        'v3-negative-bias': (deepseek(n_routed_experts=16, n_group=4, topk_group=2, num_experts_per_tok=5),
                             dict(bias_mean=-1.5, tokens=33)),
        'v3-every-expert': (deepseek(n_routed_experts=4, num_experts_per_tok=4), {}),
        'v3-no-shared-no-dense': (deepseek(n_shared_experts=0, first_k_dense_replace=0, q_lora_rank=23), {}),
        'v3-every-second-layer': (deepseek(moe_layer_freq=2, num_hidden_layers=5, first_k_dense_replace=1), {}),
        'v3-mscales-differ': (deepseek(qk_rope_head_dim=32, rope_scaling=dict(YARN, mscale=0.707, mscale_all_dim=1.3)), dict(tokens=40)),
        'v3-yarn-no-mscale': (deepseek(qk_rope_head_dim=16, rope_scaling={k: v for k, v in dict(YARN, original_max_position_embeddings=32).items()
                                                    if 'mscale' not in k}), dict(tokens=40)),
        'v3-one-pair-one-head': (deepseek(num_attention_heads=1, qk_rope_head_dim=2, q_lora_rank=9, tie_word_embeddings=True), dict(kind='F32')),
        'v3-two-blocks-of-positions': (deepseek(num_hidden_layers=1, first_k_dense_replace=0, vocab_size=37, rope_scaling=YARN,
                                                qk_rope_head_dim=16), dict(tokens=300, seed=3)),
        'v3-two-modules': (deepseek(num_nextn_predict_layers=2, num_hidden_layers=2, vocab_size=61, hidden_size=28, n_group=1, topk_group=1,
                                    n_routed_experts=5, num_experts_per_tok=2, moe_intermediate_size=11), dict(tokens=23)),
        'v3-mtp': (deepseek(num_nextn_predict_layers=1, q_lora_rank=17, vocab_size=83), dict(kind='F16', shards=3)),
        'v3-fp8': (deepseek(hidden_size=200, kv_lora_rank=136, q_lora_rank=130, qk_nope_head_dim=40, v_head_dim=24, num_attention_heads=4,
                            n_routed_experts=4, moe_intermediate_size=20, num_hidden_layers=1, first_k_dense_replace=0), dict(kind='FP8', shards=2)),
        'v3-fp8-powers-of-two': (deepseek(hidden_size=264, kv_lora_rank=70, n_routed_experts=4, num_hidden_layers=1, first_k_dense_replace=0), dict(kind='FP8_POW2')),
        # DeepSeek-V2
        'v2-norm-instead-of-scale': (deepseek(2, norm_topk_prob=True, routed_scaling_factor=16.0, n_shared_experts=2), dict(kind='F32')),
        'v2-groups': (deepseek(2, topk_method='group_limited_greedy', n_routed_experts=20, n_group=5, topk_group=2, q_lora_rank=33,
                               num_experts_per_tok=6, routed_scaling_factor=3.0, rope_scaling=dict(YARN, mscale=0.707, mscale_all_dim=0.707),
                               qk_rope_head_dim=8), dict(kind='F16')),
        # dense
        'llama-tied': (dense('llama', tie_word_embeddings=True, num_key_value_heads=6, rms_norm_eps=1e-5), dict(kind='F16')),
        'llama-wide-heads': (dense('llama', head_dim=14, num_key_value_heads=1, rope_scaling=LLAMA3, rope_theta=500000.0), dict(tokens=90)),
        'llama-one-head-linear': (dense('llama', num_attention_heads=1, num_key_value_heads=1, hidden_size=34,
                                        rope_scaling={'type': 'linear', 'factor': 4.0}), {}),
        'llama-fp8': (dense('llama', hidden_size=140, num_attention_heads=5, num_key_value_heads=5, intermediate_size=150,
                            num_hidden_layers=1), dict(kind='FP8')),
        'qwen2-tied': (dense('qwen2', tie_word_embeddings=True, hidden_size=70, num_attention_heads=7, num_key_value_heads=1), dict(kind='BF16')),
        'qwen3': (dense('qwen3', head_dim=22, hidden_size=50, num_attention_heads=4, num_key_value_heads=2, rope_theta=1000000.0), {}),
        'qwen3-tied': (dense('qwen3', head_dim=8, tie_word_embeddings=True), dict(kind='BF16', tokens=270)),
        # GGUF
        'gguf-v3-fused-f32': (deepseek(n_group=4, topk_group=2, q_lora_rank=20, num_nextn_predict_layers=1,
                                       num_hidden_layers=1, first_k_dense_replace=0), dict(gguf='F32', alignment=64)),
        'gguf-v3-split-f16': (deepseek(first_k_dense_replace=0, rope_scaling=YARN, qk_rope_head_dim=16), dict(gguf='F16', split=True)),
        'gguf-v2-all-three': (deepseek(2, num_hidden_layers=1, first_k_dense_replace=0), dict(gguf='BF16', split='all three')),
        'gguf-v3-legacy-split': (deepseek(hidden_size=96, kv_lora_rank=64, qk_nope_head_dim=32, v_head_dim=32, q_lora_rank=32,
                                          intermediate_size=96, moe_intermediate_size=32), dict(gguf=LEGACY, split=True)),
        'gguf-moonlight-q8_0': (deepseek(**dict(MOONLIGHT, hidden_size=64, moe_intermediate_size=32, intermediate_size=64, n_routed_experts=24)), dict(gguf='Q8_0')),
        'gguf-v2-iq': (deepseek(2, hidden_size=256, kv_lora_rank=256, q_lora_rank=256, qk_nope_head_dim=48, qk_rope_head_dim=16, v_head_dim=64,
                                num_attention_heads=4, n_routed_experts=2, num_experts_per_tok=2, moe_intermediate_size=256, n_shared_experts=0,
                                num_hidden_layers=1, first_k_dense_replace=0, intermediate_size=256, vocab_size=40), dict(gguf=IQ_TYPES)),
        'gguf-llama-k': (dense('llama', hidden_size=256, num_attention_heads=8, num_key_value_heads=2, intermediate_size=256,
                               num_hidden_layers=1, rope_scaling=LLAMA3, vocab_size=40), dict(gguf=K_TYPES)),
        'gguf-llama-tied-q6': (dense('llama', hidden_size=256, num_attention_heads=2, num_key_value_heads=2, intermediate_size=64,
                                     num_hidden_layers=1, tie_word_embeddings=True, vocab_size=33, head_dim=64), dict(gguf=['Q6_K', 'Q5_0'])),
        'gguf-qwen2-legacy': (dense('qwen2', hidden_size=64, num_attention_heads=4, intermediate_size=96), dict(gguf=LEGACY)),
        'gguf-qwen3-legacy': (dense('qwen3', hidden_size=64, num_attention_heads=4, head_dim=24, intermediate_size=96), dict(gguf=LEGACY)),
    }
    return {name: (c, dict({'kind': 'BF16'}, **options)) for name, (c, options) in chosen.items()}


def random_model(seed):
    """Any family, any shape that config checks allow, any file form."""
    r = random.Random(seed)
    family = r.choice(['v3', 'v3', 'v3', 'v2', 'v2', 'llama', 'qwen2', 'qwen3'])
    gguf = r.random() < 0.4
    big = gguf and r.random() < 0.3  # whole blocks of 256
    unit = 256 if big else 32 if gguf and r.random() < 0.6 else 1
    size = lambda low, high: max(unit, r.randint(low, high) // unit * unit) if unit > 1 else r.randint(low, high)
    options = dict(seed=seed, tokens=r.choice([1, 2, 3, 9, 16, 17, 40, 63, 64, 65, 130] + ([257, 300] if not big else [])))
    common = dict(vocab_size=r.randint(3, 200), num_hidden_layers=r.randint(1, 2 if big else 4), tie_word_embeddings=r.random() < 0.3,
                  rms_norm_eps=r.choice([1e-6, 1e-5]), rope_theta=r.choice([10000.0, 50000.0, 500000.0, 1000000.0]),
                  intermediate_size=size(3, 300))
    if family in ('v2', 'v3'):
        groups = r.choice([1, 1, 2, 4, 8])
        per_group = r.randint(2, 3 if big else 9) if groups < 8 else r.randint(2, 3)
        experts = groups * per_group
        kept = r.randint(1, groups)
        k = r.randint(1, min(8, kept * per_group))
        rope = 2 * r.randint(1, 16)
        c = deepseek(3 if family == 'v3' else 2, hidden_size=size(5, 300), num_attention_heads=r.randint(1, 2 if big else 5),
                     q_lora_rank=r.choice([None, size(4, 160)]), kv_lora_rank=size(4, 160), qk_nope_head_dim=r.randint(1, 48),
                     qk_rope_head_dim=rope, v_head_dim=r.randint(1, 48), n_routed_experts=experts, num_experts_per_tok=k,
                     n_group=groups, topk_group=kept, n_shared_experts=r.randint(0, 3), moe_intermediate_size=size(1, 40),
                     first_k_dense_replace=r.randint(0, common['num_hidden_layers']),
                     routed_scaling_factor=r.choice([1.0, 1.0, 2.5, 2.446]), **common)
        if family == 'v2':
            c['topk_method'] = 'group_limited_greedy' if groups > 1 else 'greedy'
            c['norm_topk_prob'] = r.random() < 0.3 and k > 1
        else:
            c['norm_topk_prob'] = r.random() < 0.8
            options['bias_mean'] = r.choice([0, 0, -2, 1])
        if not gguf:
            c['moe_layer_freq'] = r.choice([1, 1, 2, 3])
        if r.random() < 0.5:
            a = r.choice([0.707, 1.0, 0.4])
            c['rope_scaling'] = dict(YARN, factor=r.choice([2, 40]), original_max_position_embeddings=r.choice([16, 256, 4096]), mscale=a,
                                     mscale_all_dim=a if gguf else r.choice([a, 0.8]))
        if not gguf and r.random() < 0.3:
            c['num_nextn_predict_layers'] = 1
        options['split'] = r.choice([False, True, 'all three'])
    else:
        kv = r.randint(1, 3)
        heads = kv * r.randint(1, 4)
        hd = 2 * r.randint(1, 20)
        c = dense({'llama': 'llama'}.get(family, family), num_attention_heads=heads, num_key_value_heads=kv, hidden_size=size(5, 300), head_dim=hd,
                  **common)
        if unit == 1 and r.random() < 0.5:
            c['hidden_size'] = hd * heads
            if family != 'qwen3':
                del c['head_dim']
        if family == 'llama' and r.random() < 0.5:
            c['rope_scaling'] = dict(LLAMA3, original_max_position_embeddings=r.choice([16, 64, 8192]))
    if gguf:
        options['gguf'] = r.choice([K_TYPES, IQ_TYPES]) if big else LEGACY if unit > 1 else r.choice(['F32', 'F16', 'BF16'])
        if not isinstance(options['gguf'], str):
            options['gguf'] = r.sample(options['gguf'], len(options['gguf']))
    else:
        options['kind'] = r.choice(['F32', 'F32', 'BF16', 'F16', 'FP8', 'FP8_POW2'])
        options['shards'] = r.choice([1, 1, 2, 3])
    return c, options


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=['fixtures', 'random'])
    parser.add_argument('folder')
    parser.add_argument('--count', type=int, default=100)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    total = 0
    if args.what == 'fixtures':
        for name, (c, options) in fixtures().items():
            if args.only in name:
                total += make(os.path.join(args.folder, name), c, options)
    else:
        for seed in range(args.seed, args.seed + args.count):
            c, options = random_model(seed)
            form = 'gguf' if 'gguf' in options else options['kind'].lower()
            total += make(os.path.join(args.folder, '%06d-%s-%s' % (seed, c['model_type'], form)), c, options)
    print('%d kB' % (total // 1024))


if __name__ == '__main__':
    main()
