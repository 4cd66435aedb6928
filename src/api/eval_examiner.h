/* eval_examiner.h: the program that examines a function which a model wrote, inside the jail.
 *
 * Two processes, because in one interpreter the examined can do as it likes with the examiner: answer with an object
 * that equals everything, replace what the tests call, read the word that says they were passed. Here a child of the
 * examiner has the function and nothing else; calls and answers pass between them as literals (numbers, texts, lists,
 * tuples, dictionaries, sets), one a line, and the child's output goes nowhere. The beginning that the question gave is
 * known to the tests too, since some use its helpers. What a function does to its arguments is not seen. */
#pragma once

#define FM_EVAL_EXAMINER                                                                                              \
    "import ast, builtins, json, os, subprocess, sys\n"                                                               \
    "\n"                                                                                                              \
    "SHARED = '''\n"                                                                                                  \
    "import ast, os, sys\n"                                                                                           \
    "class Reals(ast.NodeTransformer):\n"                                                                             \
    "    def visit_Name(self, node):\n"                                                                               \
    "        return ast.Constant(float(node.id)) if node.id in ('inf', 'nan') else node\n"                            \
    "def read(line):\n"                                                                                               \
    "    return ast.literal_eval(Reals().visit(ast.parse(line.strip(), mode='eval')))\n"                              \
    "def write(file, value):\n"                                                                                       \
    "    file.write(' '.join(repr(value).splitlines()) + '\\\\n')\n"                                                  \
    "    file.flush()\n"                                                                                              \
    "'''\n"                                                                                                           \
    "EXAMINED = SHARED + '''\n"                                                                                       \
    "def serve(path, name, calls, answers):\n"                                                                        \
    "    module = {'__name__': 'examined'}\n"                                                                         \
    "    with open(path) as f:\n"                                                                                     \
    "        exec(compile(f.read(), path, 'exec'), module)\n"                                                         \
    "    for line in os.fdopen(calls):\n"                                                                             \
    "        arguments, named = read(line)\n"                                                                         \
    "        try:\n"                                                                                                  \
    "            answer = ('value', module[name](*arguments, **named))\n"                                             \
    "        except Exception as e:\n"                                                                                \
    "            answer = ('raised', type(e).__name__, str(e))\n"                                                     \
    "        write(answers, answer)\n"                                                                                \
    "serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), os.fdopen(int(sys.argv[4]), 'w'))\n"                           \
    "'''\n"                                                                                                           \
    "exec(SHARED)\n"                                                                                                  \
    "\n"                                                                                                              \
    "job = json.load(sys.stdin)\n"                                                                                    \
    "with open('/tmp/examined.py', 'w') as f:\n"                                                                      \
    "    f.write(job['code'])\n"                                                                                      \
    "calls, to_child = os.pipe()\n"                                                                                   \
    "from_child, answers = os.pipe()\n"                                                                               \
    "child = subprocess.Popen([sys.executable, '-s', '-B', '-c', EXAMINED, '/tmp/examined.py', job['name'],\n"        \
    "                          str(calls), str(answers)], pass_fds=(calls, answers), stdin=subprocess.DEVNULL,\n"     \
    "                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"                                \
    "os.close(calls)\n"                                                                                               \
    "os.close(answers)\n"                                                                                             \
    "asked, told = os.fdopen(to_child, 'w'), os.fdopen(from_child)\n"                                                 \
    "\n"                                                                                                              \
    "def candidate(*arguments, **named):\n"                                                                           \
    "    write(asked, (arguments, named))\n"                                                                          \
    "    line = told.readline(1 << 20)\n"                                                                             \
    "    if not line.endswith('\\n'):\n"                                                                              \
    "        raise EOFError('the function has ended its program, or says too much')\n"                                \
    "    kind, answer, *words = read(line)\n"                                                                         \
    "    if kind == 'value':\n"                                                                                       \
    "        return answer\n"                                                                                         \
    "    known = getattr(builtins, answer, None)\n"                                                                   \
    "    raise (known if isinstance(known, type) and issubclass(known, Exception) else Exception)(*words)\n"          \
    "\n"                                                                                                              \
    "known = {'__name__': 'tests'}\n"                                                                                 \
    "for beginning in (job['prompt'], job['prompt'] + '\\n    pass\\n'):\n"                                           \
    "    try:\n"                                                                                                      \
    "        exec(beginning, known)\n"                                                                                \
    "        break\n"                                                                                                 \
    "    except SyntaxError:\n"                                                                                       \
    "        pass\n"                                                                                                  \
    "known[job['name']] = candidate\n"                                                                                \
    "exec(job['test'], known)\n"                                                                                      \
    "known['check'](candidate)\n"                                                                                     \
    "print()\n"                                                                                                       \
    "print(job['word'])\n"
