"""Who may include whom. The storeys of the house, lowest first: a room may use the rooms named here,
never the ones above it (docs/ARCHITECTURE.md says why). test_layers.py reads every #include."""

ROOMS = {
    # room       may include
    'base':     '',
    'tensor':   'base',
    'token':    'base',
    'jail':     'base',
    'hub':      'base',
    'report':   'base',
    'dist':     'base tensor',
    'format':   'base tensor',
    'kernel':   'base tensor',
    'graph':    'base tensor',
    'pack':     'base tensor kernel',
    'op':       'base tensor dist kernel pack graph',
    'model':    'base tensor format kernel pack graph op',
    'engine':   'base tensor token dist kernel graph model',
    'train':    'base tensor token format dist kernel graph pack op model',
    'eval':     'base token model engine',
    'compress': 'base tensor token format kernel pack graph model',
    'rl':       'base tensor token dist jail graph op model engine train eval',
    'serve':    'base token jail',
    'api':      'base tensor token jail hub report dist format kernel graph pack op model engine '
                'train eval compress rl',
    'cli':      'fathom base serve train eval compress rl hub report',
}

# Single files that may see more than their room, and why.
EXCEPTIONS = {
    # 'serve/worker.c': 'engine',   the one file behind the wire that holds an engine
}

# Headers of the system and of libraries that only one file may know, so that the library can change.
ADAPTERS = {
    'jansson.h': 'base/json.c',
    'utf8proc.h': 'base/unicode.c',
    'pcre2.h': 'token/',
    'histedit.h': 'cli/',
    'sqlite3.h': 'serve/',
    'sodium.h': 'base/ serve/ hub/',
    'uv.h': 'serve/',
    'llhttp.h': 'serve/',
    'curl/curl.h': 'hub/',
    'mpi.h': 'dist/comm_mpi.c',
    'immintrin.h': 'kernel/x86/',
    'seccomp.h': 'jail/',
    'flint/flint.h': 'rl/maths/flint.h',
    'flint/fmpq.h': 'rl/maths/flint.h',
    'flint/ulong_extras.h': 'rl/maths/flint.h',
    'flint/acb.h': 'rl/maths/flint.h',
    'acb.h': 'rl/maths/flint.h',
}

# Files longer than 600 lines, each with the reason why it has no second idea.
LONG_FILES = {
}
