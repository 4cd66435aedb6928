#!/usr/bin/env python3
"""The family in double precision: a second implementation, sharing nothing with the program.

    reference.py FOLDER [--ids 1,2,3]      prints the logits of a Hugging Face folder
    reference.py --check FOLDER...         compares a folder that has expected.safetensors with it

It follows tests/golden/README.md, section 2, and nothing else: naive attention, one token after the
other through the gate, every formula where the text has it. It needs numpy. odd_models.py makes the
fixtures of tests/golden/odd with it.
"""
import argparse
import json
import math
import os
import struct
import sys

import numpy as np

# ---- files ----------------------------------------------------------------------------------------

def e4m3_table():
    table = np.zeros(256, np.float32)
    for code in range(256):
        e, m = code >> 3 & 15, code & 7
        v = m / 512.0 if e == 0 else (1 + m / 8.0) * 2.0 ** (e - 7)
        if code & 127 == 127:
            v = math.nan
        table[code] = -v if code & 128 else v
    return table


E4M3 = e4m3_table()


def bf16_to_f32(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def read_safetensors(path):
    """name -> (dtype name, raw array)"""
    with open(path, 'rb') as f:
        n = struct.unpack('<Q', f.read(8))[0]
        header = json.loads(f.read(n))
        data = f.read()
    kinds = {'F32': np.float32, 'F16': np.float16, 'BF16': np.uint16, 'F8_E4M3': np.uint8,
             'F8_E8M0': np.uint8, 'I32': np.int32, 'F64': np.float64}
    out = {}
    for name, e in header.items():
        if name == '__metadata__':
            continue
        a, b = e['data_offsets']
        out[name] = (e['dtype'], np.frombuffer(data[a:b], kinds[e['dtype']]).reshape(e['shape']))
    return out


def read_folder(folder):
    """All weights of a Hugging Face folder as float64, FP8 multiplied out."""
    with open(os.path.join(folder, 'config.json')) as f:
        config = json.load(f)
    index = os.path.join(folder, 'model.safetensors.index.json')
    if os.path.exists(index):
        with open(index) as f:
            files = sorted(set(json.load(f)['weight_map'].values()))
    else:
        files = ['model.safetensors']
    raw = {}
    for name in files:
        raw.update(read_safetensors(os.path.join(folder, name)))
    block = (config.get('quantization_config') or {}).get('weight_block_size') or [128, 128]
    weights = {}
    for name, (kind, a) in raw.items():
        if name.endswith('_scale_inv'):
            continue
        if kind == 'BF16':
            a = bf16_to_f32(a)
        elif kind == 'F8_E4M3':
            a = dequantise_fp8(a, scales_of(raw[name + '_scale_inv']), block)
        weights[name] = a.astype(np.float64)
    return config, weights


def scales_of(entry):
    kind, a = entry
    if kind == 'BF16':
        return bf16_to_f32(a)
    if kind == 'F8_E8M0':
        return np.ldexp(np.float32(1), a.astype(np.int32) - 127)
    return a


def dequantise_fp8(codes, scales, block):
    big = np.repeat(np.repeat(scales, block[0], 0), block[1], 1)[:codes.shape[0], :codes.shape[1]]
    return E4M3[codes] * big.astype(np.float32)

# ---- rotation -------------------------------------------------------------------------------------

def scaling_of(config):
    s = config.get('rope_scaling') or {}
    return s, s.get('rope_type', s.get('type'))


def frequencies(config, d):
    """(f[d/2], factor on cos and sin)"""
    theta = config.get('rope_theta', 10000.0)
    f = np.array([theta ** (-2.0 * i / d) for i in range(d // 2)])
    s, kind = scaling_of(config)
    if kind == 'yarn':
        factor, orig = s['factor'], s['original_max_position_embeddings']

        def corr(rot):
            return d * math.log(orig / (2 * math.pi * rot)) / (2 * math.log(theta))
        lo = max(math.floor(corr(s.get('beta_fast', 32))), 0)
        hi = min(math.ceil(corr(s.get('beta_slow', 1))), d - 1)
        if lo == hi:
            hi += 0.001
        ramp = np.clip((np.arange(d // 2) - lo) / (hi - lo), 0, 1)
        f = f * (1 - ramp) + f / factor * ramp
        return f, m(factor, s.get('mscale')) / m(factor, s.get('mscale_all_dim'))
    if kind == 'llama3':
        t = s['original_max_position_embeddings'] * f / (2 * math.pi)
        low, high = s['low_freq_factor'], s['high_freq_factor']
        u = (t - low) / (high - low)
        mixed = (1 - u) * f / s['factor'] + u * f
        return np.where(t > high, f, np.where(t < low, f / s['factor'], mixed)), 1.0
    if kind == 'linear':
        return f / s['factor'], 1.0
    assert kind in (None, 'default'), kind
    return f, 1.0


def m(factor, x):
    return 1.0 if factor <= 1 or not x else 0.1 * x * math.log(factor) + 1


def rotate(x, angles, factor, interleaved):
    """x [T, ..., d], angles [T, d/2]"""
    d = x.shape[-1]
    shape = (len(x),) + (1,) * (x.ndim - 2) + (d // 2,)
    c, s = (np.cos(angles) * factor).reshape(shape), (np.sin(angles) * factor).reshape(shape)
    y = np.empty_like(x)
    first, second = (slice(0, d, 2), slice(1, d, 2)) if interleaved else (slice(0, d // 2), slice(d // 2, d))
    a, b = x[..., first], x[..., second]
    y[..., first] = a * c - b * s
    y[..., second] = a * s + b * c
    return y

# ---- the model ------------------------------------------------------------------------------------

def linear(w, x):
    return x @ w.T


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v, scale):
    """q [T, H, d], k [T, H, d], v [T, H, dv], causal"""
    t = len(q)
    out = np.empty((t, q.shape[1], v.shape[2]))
    hidden = np.triu(np.ones((t, t), bool), 1)
    for h in range(q.shape[1]):
        s = q[:, h] @ k[:, h].T * scale
        s[hidden] = -np.inf
        out[:, h] = softmax(s) @ v[:, h]
    return out.reshape(t, -1)


class Model:
    def __init__(self, config, weights):
        self.c, self.w = config, weights
        self.family = config['model_type']
        self.mla = self.family.startswith('deepseek')
        self.eps = config['rms_norm_eps']
        # The checkpoints' modelling code builds the norms inside MLA with the default of the class.
        # It is rms_norm_eps in every model but Moonlight, where the difference is below all bounds.
        self.latent_eps = 1e-6
        # Gap by which the closest routing decision was made, over everything computed.
        self.margin = math.inf

    def norm(self, x, name, eps=None):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + (eps or self.eps)) * self.w[name]

    def project(self, name, x):
        y = linear(self.w[name + '.weight'], x)
        return y + self.w[name + '.bias'] if name + '.bias' in self.w else y

    def attention_mla(self, p, x):
        c, t = self.c, len(x)
        heads, r = c['num_attention_heads'], c['kv_lora_rank']
        dn, dr, dv = c['qk_nope_head_dim'], c['qk_rope_head_dim'], c['v_head_dim']
        if c.get('q_lora_rank'):
            q = self.project(p + 'q_a_proj', x)
            q = self.project(p + 'q_b_proj', self.norm(q, p + 'q_a_layernorm.weight', self.latent_eps))
        else:
            q = self.project(p + 'q_proj', x)
        q = q.reshape(t, heads, dn + dr)
        kv = self.project(p + 'kv_a_proj_with_mqa', x)
        latent = self.norm(kv[:, :r], p + 'kv_a_layernorm.weight', self.latent_eps)
        kv_b = self.project(p + 'kv_b_proj', latent).reshape(t, heads, dn + dv)
        f, factor = frequencies(c, dr)
        angles = np.arange(t)[:, None] * f
        q_rope = rotate(q[..., dn:], angles, factor, True)
        k_rope = rotate(kv[:, r:], angles, factor, True)
        q = np.concatenate([q[..., :dn], q_rope], -1)
        k = np.concatenate([kv_b[..., :dn], np.repeat(k_rope[:, None], heads, 1)], -1)
        s, kind = scaling_of(c)
        scale = 1 / math.sqrt(dn + dr)
        if kind == 'yarn':
            scale *= m(s['factor'], s.get('mscale_all_dim')) ** 2
        return self.project(p + 'o_proj', attend(q, k, kv_b[..., dn:], scale))

    def attention_gqa(self, p, x):
        c, t = self.c, len(x)
        heads = c['num_attention_heads']
        kv_heads = c.get('num_key_value_heads') or heads
        d = c.get('head_dim') or c['hidden_size'] // heads
        q = self.project(p + 'q_proj', x).reshape(t, heads, d)
        k = self.project(p + 'k_proj', x).reshape(t, kv_heads, d)
        v = self.project(p + 'v_proj', x).reshape(t, kv_heads, d)
        if self.family == 'qwen3':
            q, k = self.norm(q, p + 'q_norm.weight'), self.norm(k, p + 'k_norm.weight')
        f, factor = frequencies(c, d)
        angles = np.arange(t)[:, None] * f
        q, k = rotate(q, angles, factor, False), rotate(k, angles, factor, False)
        group = heads // kv_heads
        return self.project(p + 'o_proj', attend(q, np.repeat(k, group, 1), np.repeat(v, group, 1), 1 / math.sqrt(d)))

    def swiglu(self, p, x):
        return self.project(p + 'down_proj', silu(self.project(p + 'gate_proj', x)) * self.project(p + 'up_proj', x))

    def route(self, p, x):
        """One token: (ids ascending, their weights)."""
        c = self.c
        n, k = c['n_routed_experts'], c['num_experts_per_tok']
        z = linear(self.w[p + 'gate.weight'], x)
        s = 1 / (1 + np.exp(-z)) if c.get('scoring_func', 'softmax') == 'sigmoid' else softmax(z)
        method = c.get('topk_method', 'greedy')
        choice = s + self.w[p + 'gate.e_score_correction_bias'] if method == 'noaux_tc' else s.copy()
        if method != 'greedy':
            groups, kept = c.get('n_group') or 1, c.get('topk_group') or 1
            size = n // groups
            by_group = choice.reshape(groups, size)
            score = np.sort(by_group, -1)[:, -2:].sum(-1) if method == 'noaux_tc' else by_group.max(-1)
            order = np.argsort(-score, kind='stable')
            if kept < groups:
                self.margin = min(self.margin, score[order[kept - 1]] - score[order[kept]])
            for g in order[kept:]:
                choice[g * size:(g + 1) * size] = -np.inf
        order = np.argsort(-choice, kind='stable')
        if k < n and np.isfinite(choice[order[k]]):
            self.margin = min(self.margin, choice[order[k - 1]] - choice[order[k]])
        ids = np.sort(order[:k])
        weight = s[ids]
        scale = c.get('routed_scaling_factor', 1.0)
        if c.get('norm_topk_prob'):
            weight = weight / weight.sum()
            # V2's modelling code either normalises or scales (architecture notes C.2).
            if self.family == 'deepseek_v2':
                scale = 1.0
        return ids, weight * scale

    def is_moe(self, layer):
        c = self.c
        return bool(self.mla and c.get('n_routed_experts') and layer >= c.get('first_k_dense_replace', 0)
                    and layer % c.get('moe_layer_freq', 1) == 0)

    def moe(self, p, x):
        y = self.swiglu(p + 'shared_experts.', x) if self.c.get('n_shared_experts') else np.zeros_like(x)
        chosen, weights = [], []
        for t in range(len(x)):
            ids, w = self.route(p, x[t])
            for e, we in zip(ids, w):
                y[t] += we * self.swiglu('%sexperts.%d.' % (p, e), x[t])
            chosen.append(ids)
            weights.append(w)
        return y, np.array(chosen, np.int32), np.array(weights)

    def layer(self, l, h, out, prefix=''):
        p = 'model.layers.%d.' % l
        x = self.norm(h, p + 'input_layernorm.weight')
        h = h + (self.attention_mla if self.mla else self.attention_gqa)(p + 'self_attn.', x)
        x = self.norm(h, p + 'post_attention_layernorm.weight')
        if self.is_moe(l):
            y, ids, w = self.moe(p + 'mlp.', x)
            out[prefix + 'expert_ids.%d' % l], out[prefix + 'expert_weights.%d' % l] = ids, w
        else:
            y = self.swiglu(p + 'mlp.', x)
        return h + y

    def head(self, x):
        name = 'model.embed_tokens.weight' if self.c.get('tie_word_embeddings') else 'lm_head.weight'
        return linear(self.w[name], x)

    def prefill(self, ids, mtp=False):
        """hidden [L+1, T, D], final [T, D], logits [T, V], expert_ids.l and expert_weights.l [T, K]"""
        out, states = {}, []
        h = self.w['model.embed_tokens.weight'][ids]
        for l in range(self.c['num_hidden_layers']):
            states.append(h)
            h = self.layer(l, h, out)
        states.append(h)
        out['hidden'] = np.array(states)
        out['final'] = self.norm(h, 'model.norm.weight')
        out['logits'] = self.head(out['final'])
        state = out['final']
        for depth in range(1, 1 + (mtp and self.c['num_nextn_predict_layers'])):
            state = self.module(depth, state, ids, out, 'mtp.' if depth == 1 else 'mtp.%d.' % depth)
        return out

    def module(self, depth, state, ids, out, prefix):
        """DeepSeek-V3, section 2.2: rows i of the state that foretells token i + depth, and that token itself."""
        l = self.c['num_hidden_layers'] + depth - 1
        p = 'model.layers.%d.' % l
        e = self.norm(self.w['model.embed_tokens.weight'][ids[depth:]], p + 'enorm.weight')
        f = self.norm(state[:len(ids) - depth], p + 'hnorm.weight')
        x = self.project(p + 'eh_proj', np.concatenate([e, f], -1))
        out[prefix + 'hidden'] = self.layer(l, x, out, prefix)
        final = self.norm(out[prefix + 'hidden'], p + 'shared_head.norm.weight')
        out[prefix + 'logits'] = self.head(final)
        return final

# ---- commands -------------------------------------------------------------------------------------

def check(folder):
    config, weights = read_folder(folder)
    expected = {k: v for k, (_, v) in read_safetensors(os.path.join(folder, 'expected.safetensors')).items()}
    for p in ('p0', 'p1'):
        model = Model(config, weights)
        mtp = p == 'p1' and 'mtp.logits' in expected
        got = model.prefill(expected[p + '.input_ids'], mtp)
        worst = {}
        for name in ('logits', 'hidden', 'final'):
            if p + '.' + name in expected:
                worst[name] = np.abs(got[name] - expected[p + '.' + name]).max()
        for name in ('mtp.logits', 'mtp.hidden'):
            if mtp:
                worst[name] = np.abs(got[name] - expected[name]).max()
        for name, value in expected.items():
            if name.startswith(p + '.moe.') and name.endswith('expert_ids'):
                l = int(name.split('.')[2])
                assert np.array_equal(got['expert_ids.%d' % l], value), name
                w = expected[p + '.moe.%d.expert_weights' % l]
                worst['weights'] = max(worst.get('weights', 0), np.abs(got['expert_weights.%d' % l] - w).max())
        print(os.path.basename(os.path.normpath(folder)), p,
              ' '.join('%s %.2g' % item for item in worst.items()), 'margin %.2g' % model.margin)
        assert all(v < 3e-5 for v in worst.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--ids', default='1,2,3')
    parser.add_argument('folders', nargs='+')
    args = parser.parse_args()
    for folder in args.folders:
        if args.check:
            check(folder)
            continue
        logits = Model(*read_folder(folder)).prefill(np.array([int(i) for i in args.ids.split(',')]))['logits']
        np.savetxt(sys.stdout, logits, '%.9g')


if __name__ == '__main__':
    main()
