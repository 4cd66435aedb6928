"""Reads safetensors files with nothing but the standard library."""
import array
import json
import struct

KINDS = {'F32': 'f', 'I32': 'i', 'F64': 'd', 'I64': 'q'}


class Tensor:
    def __init__(self, shape, values):
        self.shape, self.values = shape, values

    def row(self, t):
        width = len(self.values) // self.shape[0]
        return self.values[t * width:(t + 1) * width]


def read(path, wanted=lambda name: True):
    with open(path, 'rb') as f:
        size, = struct.unpack('<Q', f.read(8))
        header = json.loads(f.read(size))
        tensors = {}
        for name, about in header.items():
            if name == '__metadata__' or not wanted(name):
                continue
            begin, end = about['data_offsets']
            f.seek(8 + size + begin)
            values = array.array(KINDS[about['dtype']])
            values.frombytes(f.read(end - begin))
            tensors[name] = Tensor(about['shape'], values)
    return tensors


def distance(a, b):
    """Largest absolute difference; NaN counts as infinitely far."""
    if a.shape != b.shape:
        raise AssertionError('shapes %s and %s' % (a.shape, b.shape))
    worst = 0.0
    for x, y in zip(a.values, b.values):
        d = abs(x - y)
        if not d <= worst:
            worst = d if d == d else float('inf')
    return worst


def write(path, tensors):
    """{name: Tensor of float32}."""
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = array.array('f', tensor.values).tobytes()
        header[name] = {'dtype': 'F32', 'shape': tensor.shape, 'data_offsets': [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    head = json.dumps(header).encode()
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(head)) + head + b''.join(blobs))
