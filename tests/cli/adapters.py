"""Low-rank adapters as PEFT writes them, of random numbers, for the golden models in float32."""
import glob
import json
import os
import random

import safetensors

RANK, ALPHA = 3, 6.0
MODULES = ('q_proj', 'k_proj', 'o_proj', 'kv_a_proj_with_mqa', 'down_proj')


def weights(folder):
    found = {}
    for path in glob.glob(os.path.join(folder, 'model*.safetensors')):
        found.update(safetensors.read(path))
    return found


def make(folder, model, layers=None, size=0.1):
    """Writes an adapter for the matrices of the folder `model` whose modules have one of MODULES' names, experts
    excepted, into the new `folder`; `layers`: only those. Returns {weight: (A, B)}."""
    draw, tensors, made = random.Random(7), {}, {}
    for name, w in sorted(weights(model).items()):
        module = name[:-len('.weight')]
        wanted = name.endswith('.weight') and module.split('.')[-1] in MODULES and '.experts.' not in name
        if not wanted or layers is not None and int(name.split('.')[2]) not in layers:
            continue
        a, b = (safetensors.Tensor(shape, [draw.gauss(0, size) for _ in range(shape[0] * shape[1])])
                for shape in ([RANK, w.shape[1]], [w.shape[0], RANK]))
        tensors['base_model.model.%s.lora_A.weight' % module] = a
        tensors['base_model.model.%s.lora_B.weight' % module] = b
        made[name] = a, b
    os.mkdir(folder)
    path = os.path.join(folder, 'adapter_model.safetensors')
    safetensors.write(path, tensors)
    with open(os.path.join(folder, 'adapter_config.json'), 'w') as f:
        json.dump({'peft_type': 'LORA', 'r': RANK, 'lora_alpha': ALPHA, 'bias': 'none',
                   'target_modules': list(MODULES)}, f)
    read = safetensors.read(path)  # as they are in float32
    return {name: tuple(read['base_model.model.%s.lora_%s.weight' % (name[:-len('.weight')], which)] for which in 'AB')
            for name in made}
