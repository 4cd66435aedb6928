"""What the program says about itself."""
import glob
import os
import re
import unittest

import tap
import terminal


def commands():
    """Their names; those of two words have a space."""
    text = open(os.path.join(tap.SOURCE, 'src/cli/commands.def')).read()
    return [name.replace('_', ' ') for name in re.findall(r'^COMMAND\((\w+),', text, re.M)]


class Help(unittest.TestCase):
    def test_the_list_of_commands_fits_one_screen(self):
        ran = tap.fathom('--help')
        self.assertEqual(ran.code, 0, ran)
        lines = ran.out.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLess(max(map(len, lines)), 80)
        for name in commands():
            self.assertRegex(ran.out, r'(?m)^  %s +\S|: .*\b%s\b' % (name, name))
        self.assertEqual(tap.fathom('help').out, ran.out)

    def test_without_arguments_the_list_goes_to_standard_error(self):
        ran = tap.fathom()
        self.assertEqual((ran.code, ran.out), (2, ''))
        self.assertEqual(ran.err, tap.fathom('--help').out)

    def test_every_command_explains_itself_in_80_columns(self):
        for name in commands():
            with self.subTest(name):
                ran = tap.fathom(*name.split(), '--help')
                self.assertEqual(ran.code, 0, ran)
                self.assertTrue(ran.out.startswith('Usage: fathom %s ' % name), ran.out)
                self.assertIn('\nExamples\n', ran.out)
                self.assertLess(max(map(len, ran.out.splitlines())), 80)
                self.assertEqual(tap.fathom('help', *name.split()).out, ran.out)
                self.assertEqual(tap.fathom(*name.split(), 'x', '--nonsense', '-h').out, ran.out)

    def test_help_is_plain_in_a_pipe_and_bold_at_a_terminal(self):
        self.assertNotIn('\x1b', tap.fathom('help', 'tokenize').out)
        at = terminal.Terminal('help', 'tokenize')
        self.assertEqual(at.finish(), 0)
        self.assertIn('\x1b[1m', at.seen)
        at = terminal.Terminal('help', 'tokenize', env={'NO_COLOR': '1'})
        self.assertEqual(at.finish(), 0)
        self.assertNotIn('\x1b', at.seen)
        self.assertEqual(terminal.plain(at.seen), tap.fathom('help', 'tokenize').out)

    def test_the_version_is_that_of_the_build(self):
        version = re.search(r"version: '([^']+)'", open(os.path.join(tap.SOURCE, 'meson.build'))
                            .read()).group(1)
        self.assertEqual(tap.fathom('--version').out, 'fathom %s\n' % version)


class Manual(unittest.TestCase):
    def test_the_pages_in_the_tree_are_what_the_option_tables_say(self):
        pages = {'fathom': None, **{'fathom-' + name.replace(' ', '-'): name for name in commands()}}
        found = {os.path.basename(p)[:-2] for p in
                 glob.glob(os.path.join(tap.SOURCE, 'docs', 'man', '*.1'))}
        self.assertEqual(found, set(pages), 'run tools/man')
        with open(os.path.join(tap.SOURCE, 'docs', 'man', 'meson.build')) as f:
            self.assertEqual(set(re.findall(r"'(.*)\.1',", f.read())), found, 'run tools/man')
        for page, name in pages.items():
            with self.subTest(page):
                ran = tap.fathom('help', '--man', *(name.split() if name else []))
                with open(os.path.join(tap.SOURCE, 'docs', 'man', page + '.1')) as f:
                    self.assertEqual(f.read(), ran.out, 'run tools/man')

    def test_every_option_has_its_place_in_the_page(self):
        for name in commands():
            options = set(re.findall(r'^  (?:-\w, |    )?--([\w-]+)', tap.fathom('help', *name.split()).out,
                                     re.M))
            page = tap.fathom('help', '--man', *name.split()).out.replace('\\-', '-')
            for option in options:
                self.assertIn('\\fB--%s\\fR' % option, page)


class Mistakes(unittest.TestCase):
    def refused(self, *arguments, says, **options):
        ran = tap.fathom(*arguments, **options)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, ran.err)

    def test_a_misspelt_command_gets_a_proposal(self):
        self.refused('tokenise', says="did you mean 'tokenize'?")
        self.refused('help', 'tokenise', says="did you mean 'tokenize'?")
        self.refused('frobnicate', says=["no command 'frobnicate'", 'fathom --help'])
        self.refused('tokenizer', says="'tokenizer' is the first word of 'tokenizer train'")
        self.refused('tasks', says="'tasks' is the first word of 'tasks list', 'tasks sample', 'tasks check'")
        self.refused('tokenizer', 'trian', says="no command 'tokenizer trian'; did you mean 'tokenizer train'?")
        self.refused('tokenizer', '--vocab', '300', says="the first word of 'tokenizer train'")
        self.refused('--threads', '2', says='no option --threads before the command')

    def test_a_misspelt_option_gets_a_proposal(self):
        self.refused('tokenize', 'x', '--idz', says=['no option --idz', 'did you mean --ids?'])
        self.refused('tokenize', 'x', '--jsno', says='did you mean --json?')
        self.refused('tokenize', 'x', '--decod=1', says='did you mean --decode?')
        self.refused('tokenize', 'x', '--frobnicate', says=['no option --frobnicate',
                                                          'fathom help tokenize'])
        self.refused('tokenize', 'x', '-z', says='no option -z')

    def test_values_must_be_there_and_nowhere_else(self):
        self.refused('tokenize', 'x', '--ids=1', says='--ids takes no value')
        self.refused('tokenize', says='needs PATH')
        self.refused('tokenize', 'a', 'b', 'c', says=["'c'", 'quotes'])

    def test_the_full_disk_and_the_closed_stream_are_noticed(self):
        for command in (['--help'], ['--version'], ['help', 'tokenize'],
                        ['tokenize', tap.golden('tiny-v3'), 'Hello']):
            with self.subTest(command):
                with open('/dev/full', 'w') as full:
                    ran = tap.run('sh', '-c', '"$0" "$@" > /dev/full', tap.FATHOM, *command)
                self.assertEqual(ran.code, 2, ran)
                self.assertEqual(ran.err, 'fathom: cannot write to standard output: '
                                 'No space left on device\n')
                ran = tap.run('sh', '-c', '"$0" "$@" >&-', tap.FATHOM, *command)
                self.assertEqual(ran.code, 2, ran)
                self.assertIn('cannot write to standard output: Bad file descriptor', ran.err)


if __name__ == '__main__':
    tap.main()
