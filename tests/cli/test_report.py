"""fathom report: a page from a log, where it goes, and what it refuses."""
import os
import shutil
import tempfile
import unittest

import tap

LOG = '''{"event": "start", "step": 0, "recipe": {"report": {"price": 1, "currency": "EUR", "watts": 0}}}
{"event": "step", "step": 1, "loss": 7.5, "tokens": 100, "seconds": 3600}
{"event": "step", "step": 2, "loss": 6.25, "tokens": 200, "seconds": 7200}
'''


class Report(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='fathom-test.')
        self.addCleanup(shutil.rmtree, self.folder)
        self.write('log.jsonl', LOG)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)

    def page(self, name):
        with open(self.path(name), encoding='utf-8') as f:
            return f.read()

    def test_the_page_lies_beside_the_log(self):
        ran = tap.fathom('report', self.folder)
        self.assertEqual((ran.code, ran.out, ran.err), (0, self.path('report.html') + '\n', ''))
        ran = tap.fathom('report', self.path('log.jsonl'))
        self.assertEqual((ran.code, ran.out, ran.err), (0, self.path('report.html') + '\n', ''))
        page = self.page('report.html')
        self.assertIn('<h1>' + os.path.basename(self.folder) + '</h1>', page)
        self.assertIn('2.00 EUR', page)
        self.assertIn('6.25', page)

    def test_a_log_is_as_good_as_its_folder_and_stated_figures_count_over_the_recipe(self):
        ran = tap.fathom('report', self.path('log.jsonl'), '-o', self.path('x.html'), '--price', '3', '--currency', 'CHF',
                         '--watts', '50')
        self.assertEqual((ran.code, ran.out, ran.err), (0, self.path('x.html') + '\n', ''))
        page = self.page('x.html')
        self.assertIn('6.00 CHF', page)
        self.assertIn('100 Wh</b><span>energy, from a stated 50 W', page)

    def test_what_is_no_log_is_refused_and_an_old_page_stays(self):
        self.write('report.html', 'old')
        self.write('log.jsonl', 'hello\n')
        ran = tap.fathom('report', self.folder)
        self.assertNotEqual(ran.code, 0)
        self.assertIn('log.jsonl: no line tells of a run', ran.err)
        self.assertEqual(self.page('report.html'), 'old')
        ran = tap.fathom('report', self.path('nowhere'))
        self.assertNotEqual(ran.code, 0)
        self.assertIn('nowhere', ran.err)


if __name__ == '__main__':
    tap.main()
