"""tools/setup on machines that lack something, played with stand-ins for apt-get, sudo and id."""
import os
import shutil
import tempfile
import unittest

import tap

SETUP = os.path.join(tap.SOURCE, 'tools', 'setup')
TOOLS = ['sh', 'dirname', 'uname', 'ls', 'cut', 'sed', 'grep', 'mkdir', 'pkg-config', 'cc', 'gcc', 'g++',
         'ninja', 'pip3', 'python3', 'npm', 'pdftotext', 'bwrap', 'qemu-x86_64', 'env']


class Setup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='fathom-setup-')
        self.bin = os.path.join(self.folder, 'bin')
        os.mkdir(self.bin)
        for tool in TOOLS:
            real = shutil.which(tool)
            if real:
                os.symlink(real, os.path.join(self.bin, tool))
        # A tree of its own: what is configured here must not be touched.
        os.makedirs(os.path.join(self.folder, 'tree', 'tools'))
        self.setup = shutil.copy(SETUP, os.path.join(self.folder, 'tree', 'tools', 'setup'))

    def tearDown(self):
        shutil.rmtree(self.folder)

    def stand_in(self, name, text):
        path = os.path.join(self.bin, name)
        if os.path.lexists(path):
            os.remove(path)
        with open(path, 'w') as f:
            f.write('#!/bin/sh\n' + text + '\n')
        os.chmod(path, 0o755)
        return path

    def run_setup(self, mode):
        return tap.run('/bin/sh', self.setup, mode,
                       env={'PATH': self.bin, 'HERE': self.folder, 'CC': ''})

    def said(self):
        path = os.path.join(self.folder, 'said')
        if not os.path.exists(path):
            return ''
        with open(path) as f:
            return f.read()

    def test_nothing_is_said_or_done_when_all_is_there(self):
        self.stand_in('meson', 'echo meson "$@" >>"$HERE/said"; mkdir -p build; : >build/build.ninja')
        first = self.run_setup('build')
        self.assertEqual(first.code, 0, first)
        self.assertIn('meson setup build -Dtests=false', self.said())
        before = self.said()
        again = self.run_setup('build')
        self.assertEqual((again.code, again.out, again.err), (0, '', ''))
        self.assertEqual(self.said(), before)

    def test_root_installs_what_is_missing_and_only_that(self):
        self.stand_in('id', 'echo 0')
        meson = os.path.join(self.bin, 'meson')
        self.stand_in('apt-get', 'echo "$@" >>"$HERE/said"\n'
                      'case "$*" in *install*) printf "#!/bin/sh\\nmkdir -p build; : >build/build.ninja\\n"'
                      ' >%s; /bin/chmod +x %s;; esac' % (meson, meson))
        ran = self.run_setup('build')
        self.assertEqual(ran.code, 0, ran)
        self.assertIn('install -y --no-install-recommends meson\n', self.said())
        self.assertEqual(ran.out, '')  # a question may be piped through: nothing on standard output

    def test_anybody_else_without_a_terminal_is_told_the_command(self):
        self.stand_in('id', 'echo 1000')
        self.stand_in('apt-get', 'echo "$@" >>"$HERE/said"')
        self.stand_in('sudo', 'echo sudo "$@" >>"$HERE/said"')
        ran = self.run_setup('build')
        self.assertEqual(ran.code, 2)
        self.assertIn('sudo apt-get install --no-install-recommends meson\n', ran.err)
        self.assertEqual(self.said(), '')  # neither apt-get nor sudo was called

    def test_another_distribution_is_told_the_names(self):
        ran = self.run_setup('build')
        self.assertEqual(ran.code, 2)
        self.assertIn('meson', ran.err)

    def test_an_installation_that_did_not_help_is_an_error(self):
        self.stand_in('id', 'echo 0')
        self.stand_in('apt-get', 'exit 0')
        ran = self.run_setup('build')
        self.assertEqual(ran.code, 2)
        self.assertIn('still missing', ran.err)

    def test_an_unknown_mode_is_refused(self):
        self.assertEqual(self.run_setup('everything').code, 2)


if __name__ == '__main__':
    tap.main()
