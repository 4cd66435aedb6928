"""The two models that train_pytorch trains, as a good user of PyTorch would write them for a CPU.

DeepSeekV3 is the shape of DeepSeek-V3 in small (3.5M active of 11M parameters, d 192, 8 layers); Llama has
GPT-2's sizes (124M). Linear layers have no bias. Both return the mean next-token cross entropy of
tokens [B, T] against targets [B, T], computed in float32.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def rotation(length, dim, theta=10000.0):
    """cos and sin [length, dim/2]."""
    angles = torch.outer(torch.arange(length).float(), theta ** (-torch.arange(0, dim, 2).float() / dim))
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """x [..., T, dim]: its halves are the real and imaginary parts."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), 1e-6)


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out, bias=False)


def swiglu(gate_up):
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


class SwiGLU(nn.Module):
    """Gate and up in one product."""

    def __init__(self, dim, inner):
        super().__init__()
        self.gate_up, self.down = linear(dim, 2 * inner), linear(inner, dim)

    def forward(self, x):
        return self.down(swiglu(self.gate_up(x)))


# ---- DeepSeek-V3 -------------------------------------------------------------------------------------

class LatentAttention(nn.Module):
    """MLA with keys and values made from the latent, as one trains it."""

    def __init__(self, c):
        super().__init__()
        self.heads, self.nope, self.rope, self.v, self.rank = c.heads, c.nope, c.rope, c.v, c.rank
        self.q = linear(c.dim, c.heads * (c.nope + c.rope))
        self.kv_a, self.kv_norm = linear(c.dim, c.rank + c.rope), Norm(c.rank)
        self.kv_b = linear(c.rank, c.heads * (c.nope + c.v))
        self.o = linear(c.heads * c.v, c.dim)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q = self.q(x).view(B, T, self.heads, -1).transpose(1, 2)
        q_nope, q_rope = q.split((self.nope, self.rope), -1)
        latent, k_rope = self.kv_a(x).split((self.rank, self.rope), -1)
        k_nope, v = (self.kv_b(self.kv_norm(latent)).view(B, T, self.heads, -1).transpose(1, 2)
                     .split((self.nope, self.v), -1))
        k_rope = rotate(k_rope.unsqueeze(1), cos, sin).expand(-1, self.heads, -1, -1).to(q.dtype)
        q = torch.cat((q_nope, rotate(q_rope, cos, sin).to(q.dtype)), -1)
        k = torch.cat((k_nope, k_rope), -1)
        y = F.scaled_dot_product_attention(q, k, v.contiguous(), is_causal=True)
        return self.o(y.transpose(1, 2).reshape(B, T, -1))


class Gather(torch.autograd.Function):
    """x[at], where no row is taken twice: the gradient is a copy, not the sum that index_select makes of it."""

    @staticmethod
    def forward(ctx, x, at):
        ctx.save_for_backward(at)
        ctx.rows = len(x)
        return x.index_select(0, at)

    @staticmethod
    def backward(ctx, grad):
        at, = ctx.saved_tensors
        return grad.new_zeros(ctx.rows, grad.shape[1]).index_copy_(0, at, grad), None


class Scatter(torch.autograd.Function):
    """The inverse: row i of x becomes row at[i] of `rows`; the others are zero."""

    @staticmethod
    def forward(ctx, x, at, rows):
        ctx.save_for_backward(at)
        return x.new_zeros(rows, x.shape[1]).index_copy_(0, at, x)

    @staticmethod
    def backward(ctx, grad):
        at, = ctx.saved_tensors
        return grad.index_select(0, at), None, None


class Grouped(torch.autograd.Function):
    """x w[e] for each expert e, x being sorted by expert with sizes[e] rows each; no copies, no lists of views
    for autograd to walk."""

    @staticmethod
    def forward(ctx, x, w, sizes):
        ctx.save_for_backward(x, w)
        ctx.sizes = sizes
        y = x.new_empty(len(x), w.shape[2])
        for x_e, w_e, y_e in zip(x.split(sizes), w, y.split(sizes)):
            torch.mm(x_e, w_e, out=y_e)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx, dw, dy = torch.empty_like(x), torch.empty_like(w), dy.contiguous()
        for x_e, w_e, dy_e, dx_e, dw_e in zip(x.split(ctx.sizes), w, dy.split(ctx.sizes), dx.split(ctx.sizes), dw):
            torch.mm(dy_e, w_e.t(), out=dx_e)
            torch.mm(x_e.t(), dy_e, out=dw_e)
        return dx, dw, None


def each_expert(x, up_weight, down_weight, counts, activation=swiglu):
    """x sorted by expert: one product per expert over its slice."""
    sizes = counts.tolist()
    return Grouped.apply(activation(Grouped.apply(x, up_weight, sizes)), down_weight, sizes)


def all_experts(x, up_weight, down_weight, counts, activation=swiglu):
    """The same by PyTorch's own grouped product."""
    ends = counts.cumsum(0).to(torch.int32)
    return F.grouped_mm(activation(F.grouped_mm(x, up_weight, offs=ends)), down_weight, offs=ends)


def places(counts, starts, rows):
    """Where row i of those sorted by expert goes when expert e's rows begin at starts[e]."""
    shift = starts - (counts.cumsum(0) - counts)
    return torch.arange(rows) + torch.repeat_interleave(shift, counts, output_size=rows)


def aligned_experts(x, up_weight, down_weight, counts, activation=swiglu):
    """A product per expert, each over a multiple of 64 rows: oneDNN generates code for every new shape."""
    room = (counts + 63) // 64 * 64
    place = places(counts, room.cumsum(0) - room, len(x))
    sizes = room.tolist()
    h = activation(Grouped.apply(Scatter.apply(x, place, sum(sizes)), up_weight, sizes))
    return Gather.apply(Grouped.apply(h, down_weight, sizes), place)


def padded_experts(x, up_weight, down_weight, counts, activation=swiglu):
    """One batched product: every expert's rows padded to the longest, none dropped."""
    longest = -(-int(counts.max()) // 64) * 64
    place = places(counts, torch.arange(len(counts)) * longest, len(x))
    rows = Scatter.apply(x, place, len(counts) * longest)
    h = activation(torch.bmm(rows.view(len(counts), longest, -1), up_weight))
    return Gather.apply(torch.bmm(h, down_weight).flatten(0, 1), place)


EXPERTS = {'each': each_expert, 'aligned': aligned_experts, 'grouped': all_experts, 'padded': padded_experts}


class Experts(nn.Module):
    """DeepSeekMoE: sigmoid gate, a bias that only chooses, top-k weights that sum to one, one shared expert."""

    def __init__(self, c):
        super().__init__()
        self.top, self.n = c.top, c.experts
        self.router = linear(c.dim, c.experts)
        self.up = nn.Parameter(torch.randn(c.experts, c.dim, 2 * c.inner) * 0.02)
        self.down = nn.Parameter(torch.randn(c.experts, c.inner, c.dim) * 0.02)
        self.shared = SwiGLU(c.dim, c.inner)
        self.register_buffer('bias', torch.zeros(c.experts))
        self.register_buffer('load', torch.zeros(c.experts))
        self.product, self.activation = EXPERTS[c.way], swiglu

    def compile_parts(self):
        """What lies between has sizes that depend on the data."""
        self.before, self.after = torch.compile(self.before), torch.compile(self.after)
        self.activation = torch.compile(swiglu, dynamic=self.product is not each_expert)

    def before(self, x, norm):
        """Weights [n, top], the rows sorted by expert and whose they are, and how many each expert has."""
        x = norm(x).flatten(0, 1)
        score = self.router(x).float().sigmoid()
        chosen = (score.detach() + self.bias).topk(self.top, -1).indices
        weight = score.gather(-1, chosen)
        order = chosen.flatten().argsort(stable=True)
        counts = (chosen.flatten().unsqueeze(-1) == torch.arange(self.n)).sum(0)
        kind = torch.bfloat16 if torch.is_autocast_enabled('cpu') else x.dtype
        rows = x.to(kind).unsqueeze(1).expand(-1, self.top, -1).reshape(-1, x.shape[-1])
        return x, weight / weight.sum(-1, keepdim=True), order, counts, Gather.apply(rows, order)

    def after(self, residual, x, y, order, weight):
        y = Scatter.apply(y, order, len(order)).view(len(x), self.top, -1)
        y = (y * weight.unsqueeze(-1).to(y.dtype)).sum(1)
        return residual + (y + self.shared(x)).view_as(residual)

    def forward(self, residual, norm):
        x, weight, order, counts, rows = self.before(residual, norm)
        self.load += counts
        y = self.product(rows, self.up.to(rows.dtype), self.down.to(rows.dtype), counts, self.activation)
        return self.after(residual, x, y, order, weight)

    @torch.no_grad()
    def balance(self, gamma=1e-3):
        """Once per optimiser step (DeepSeek-V3, section 2.1.2)."""
        self.bias += gamma * (self.load.mean() - self.load).sign()
        self.load.zero_()


class Layer(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        self.attention, self.attention_norm, self.ffn_norm = LatentAttention(c), Norm(c.dim), Norm(c.dim)
        self.ffn = SwiGLU(c.dim, c.dense) if dense else Experts(c)

    def compile_parts(self):
        self.attend = torch.compile(self.attend)
        if isinstance(self.ffn, Experts):
            self.ffn.compile_parts()
        else:
            self.ffn.compile()

    def attend(self, x, cos, sin):
        return x + self.attention(self.attention_norm(x), cos, sin)

    def forward(self, x, cos, sin):
        x = self.attend(x, cos, sin)
        if isinstance(self.ffn, Experts):
            return self.ffn(x, self.ffn_norm)
        return x + self.ffn(self.ffn_norm(x))


class DeepSeekV3(nn.Module):
    name = 'DeepSeek-V3, 3.5M active of 11M'
    vocab, dim, layers, heads, nope, rope, v, rank = 2048, 192, 8, 6, 24, 8, 32, 64
    dense, experts, inner, top = 512, 24, 96, 4

    def __init__(self, o):
        super().__init__()
        self.way, self.loss = o.experts, loss_of(o)
        self.embedding = nn.Embedding(self.vocab, self.dim)
        self.blocks = nn.ModuleList(Layer(self, dense=i == 0) for i in range(self.layers))
        self.norm = Norm(self.dim)
        self.mtp = nn.ModuleDict({
            'embedding_norm': Norm(self.dim), 'hidden_norm': Norm(self.dim),
            'joint': linear(2 * self.dim, self.dim), 'block': Layer(self, dense=False),
            'norm': Norm(self.dim)}) if o.mtp else None
        for i, table in enumerate(rotation(o.length, self.rope)):
            self.register_buffer(('cos', 'sin')[i], table, persistent=False)
        initialise(self)

    def compiled(self):
        """By parts, as is advised for layers that repeat: code is made once for all of them."""
        for module in self.modules():
            if isinstance(module, Layer):
                module.compile_parts()
        self.loss = torch.compile(self.loss)
        return self

    def forward(self, tokens, targets):
        x = embedded = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        x = self.norm(x)
        loss = self.loss(x, self.embedding.weight, targets)
        if self.mtp is not None:
            m, n = self.mtp, x.shape[1] - 1
            h = m['joint'](torch.cat((m['embedding_norm'](embedded[:, 1:]), m['hidden_norm'](x[:, :-1])), -1))
            h = m['norm'](m['block'](h, self.cos[:n], self.sin[:n]))
            loss = loss + 0.3 * self.loss(h, self.embedding.weight, targets[:, 1:])
        return loss

    def after_step(self):
        for module in self.modules():
            if isinstance(module, Experts):
                module.balance()

    def flops(self, length):
        """Of one trained token; see train_pytorch."""
        d, head = self.dim, self.nope + self.rope
        attention = (d * self.heads * head + d * (self.rank + self.rope) + self.heads * self.v * d
                     + self.rank * self.heads * (self.nope + self.v))
        ffn = (self.top + 1) * 3 * d * self.inner + d * self.experts
        weights = self.layers * attention + 3 * d * self.dense + (self.layers - 1) * ffn + self.vocab * d
        pairs = self.layers
        if self.mtp is not None:
            weights += 2 * d * d + attention + ffn + self.vocab * d
            pairs += 1
        return 6 * weights + 3 * pairs * self.heads * (head + self.v) * (length + 1)


# ---- Llama -------------------------------------------------------------------------------------------

class GroupedAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.qkv, self.o = heads, linear(dim, 3 * dim), linear(dim, dim)

    def forward(self, x, cos, sin):
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(B, T, D))


class LlamaLayer(nn.Module):
    def __init__(self, dim, heads, inner):
        super().__init__()
        self.attention_norm, self.ffn_norm = Norm(dim), Norm(dim)
        self.attention, self.ffn = GroupedAttention(dim, heads), SwiGLU(dim, inner)

    def forward(self, x, cos, sin):
        x = x + self.attention(self.attention_norm(x), cos, sin)
        return x + self.ffn(self.ffn_norm(x))


class Llama(nn.Module):
    name = 'Llama, dense 124M'
    vocab, dim, layers, heads, inner = 50304, 768, 12, 12, 2048

    def __init__(self, o):
        super().__init__()
        self.loss = loss_of(o)
        self.embedding = nn.Embedding(self.vocab, self.dim)
        self.blocks = nn.ModuleList(LlamaLayer(self.dim, self.heads, self.inner) for _ in range(self.layers))
        self.norm = Norm(self.dim)
        for i, table in enumerate(rotation(o.length, self.dim // self.heads)):
            self.register_buffer(('cos', 'sin')[i], table, persistent=False)
        initialise(self)

    def compiled(self):
        return torch.compile(self)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.loss(self.norm(x), self.embedding.weight, targets)

    def after_step(self):
        pass

    def flops(self, length):
        d = self.dim
        weights = self.layers * (4 * d * d + 3 * d * self.inner) + self.vocab * d
        return 6 * weights + 3 * self.layers * 2 * d * (length + 1)


def plain_loss(x, head, targets):
    """Mean over all rows, in float32."""
    return F.cross_entropy(F.linear(x.flatten(0, 1), head).float(), targets.flatten())


def chunked_loss(x, head, targets):
    """The same, by PyTorch's own product and loss in pieces."""
    if torch.is_autocast_enabled('cpu'):
        x, head = x.bfloat16(), head.bfloat16()
    return F.linear_cross_entropy(x.flatten(0, 1), head, targets.flatten(), options=nn.LinearCrossEntropyOptions())


def loss_of(o):
    return chunked_loss if o.loss == 'chunked' else plain_loss


def initialise(model):
    for name, p in model.named_parameters():
        if p.dim() > 1:
            scale = 0.02
            if name.endswith(('.o.weight', '.down.weight', '.down')):
                scale /= math.sqrt(2 * len(model.blocks))
            nn.init.normal_(p, 0.0, scale)


MODELS = {'deepseek': DeepSeekV3, 'llama': Llama}
