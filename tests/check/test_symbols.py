"""Looks into the built libraries: names that others can see, and instructions that may not leak."""
import glob
import os
import re
import unittest

import tap

CORE = os.path.join(tap.BUILD, 'src', 'libfathom_core.a')
SHARED = os.path.join(tap.BUILD, 'src', 'libfathom.so')


def nm(*arguments):
    ran = tap.run('nm', *arguments)
    assert ran.code == 0, ran
    return [line.split() for line in ran.out.splitlines() if len(line.split()) >= 3]


class Symbols(unittest.TestCase):
    def test_everything_external_in_the_static_library_starts_with_our_prefix(self):
        names = {row[-1] for row in nm('-g', '--defined-only', CORE)}
        self.assertGreater(len(names), 20)
        self.assertEqual([n for n in sorted(names) if not n.startswith(('fm_', 'fathom_'))], [])

    def test_the_shared_library_shows_the_public_functions_and_nothing_else(self):
        names = {row[-1] for row in nm('-D', '--defined-only', SHARED)}
        self.assertEqual([n for n in sorted(names) if not n.startswith('fathom_')], [])

    def test_every_function_that_the_public_headers_declare_is_there(self):
        text = ''
        for path in glob.glob(os.path.join(tap.SOURCE, 'include', 'fathom', '*.h')):
            with open(path, encoding='utf-8') as f:
                text += re.sub(r'/\*.*?\*/|//[^\n]*', '', f.read(), flags=re.DOTALL)
        declared = set(re.findall(r'\b(fathom_\w+)\s*\(', text)) - set(
            re.findall(r'\(\s*\*\s*(fathom_\w+)\s*\)', text))
        exported = {row[-1] for row in nm('-D', '--defined-only', SHARED)}
        self.assertEqual(sorted(declared - exported), [])

    def test_static_data_that_can_change_is_rare_and_named_here(self):
        """Globals make a library that two callers cannot share; these few are process-wide facts."""
        # memory's counters and fault injection; the processor's name; the kernel tables, filled once; whether
        # this machine can jail; whose functions FLINT and GMP had for memory
        known = re.compile(r'^(tables|live|allocations|fail_countdown|failing|brand|once\.\d+|jailing|host_memory)$')
        ran = tap.run('objdump', '-t', CORE)
        self.assertEqual(ran.code, 0, ran.err)
        rows = [line.split() for line in ran.out.splitlines()]
        found = {row[-1] for row in rows if len(row) >= 5 and 'O' in row[1:4] and any(
            part in ('.data', '.bss') or part.startswith(('.data.', '.bss.')) and
            not part.startswith('.data.rel.ro') for part in row[1:5])}
        self.assertIn('live', found)  # or the table was not understood
        self.assertEqual([n for n in sorted(found) if not known.match(n)], [])


class Instructions(unittest.TestCase):
    @unittest.skipUnless(os.uname().machine == 'x86_64', 'not an x86-64 machine')
    def test_only_objects_named_after_an_instruction_set_contain_it(self):
        ran = tap.run('objdump', '-d', '--no-show-raw-insn', CORE)
        self.assertEqual(ran.code, 0, ran.err)
        member, function, leaks, seen = '', '', [], set()
        vector = re.compile(r'\t(v\w+) .*%([xyz])mm')
        for line in ran.out.splitlines():
            if line.endswith('file format elf64-x86-64'):
                member = line.split(':')[0]
            elif line.endswith('>:'):
                function = line.split('<')[1][:-2]
            else:
                found = vector.search(line)
                if not found:
                    continue
                level = 'avx512' if found.group(2) == 'z' or '%k' in line else 'avx'
                seen.add(member)
                allowed = 'avx512' in member or ('avx2' in member and level == 'avx')
                if not allowed and (member, function) not in leaks:
                    leaks.append((member, function))
        self.assertEqual(leaks, [])
        if glob.glob(os.path.join(tap.SOURCE, 'src', 'kernel', 'x86', '*.c')):
            self.assertTrue(seen, 'the kernels contain no vector instruction at all?')


if __name__ == '__main__':
    tap.main()
