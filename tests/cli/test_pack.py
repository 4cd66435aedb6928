"""fathom pack: packed weights in a file beside the model, which whatever opens the model then maps."""
import glob
import json
import os
import shutil
import tempfile
import unittest

import tap
from small_disk import SmallDisk

MODEL = 'gguf/tiny-v2-lite.q8_0.gguf'


class Pack(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.model = self.path('m.gguf')
        shutil.copy(tap.golden(MODEL), self.model)

    def path(self, name):
        return os.path.join(self.folder, name)

    def pack(self, *options, model=None):
        ran = tap.fathom('pack', model or self.model, '--json', *options)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        return json.loads(ran.out)

    def answer(self, *options, model=None):
        ran = tap.fathom('run', model or self.model, 'Hello', '-n', '8', '--json', *options)
        self.assertEqual(ran.code, 0, ran)
        return json.loads(ran.out), ran.err

    def refused(self, *arguments, says):
        ran = tap.fathom(*arguments)
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertRegex(ran.err, r'\Afathom: [^\n]+\n\Z')
        self.assertIn(says, ran.err)

    def test_what_is_beside_the_model_is_found_and_gives_the_same_bits(self):
        packed, err = self.answer()
        self.assertEqual((packed['panels'], err), (None, ''))
        made = self.pack()
        self.assertEqual((made['path'], made['bytes'], made['checked']),
                         (self.model + '.panels', os.path.getsize(self.model + '.panels'), False))
        for options in [], ['--eager'], ['-t', '3'], ['--cpu', 'ref'], ['--context', '64']:
            mapped, err = self.answer(*options)
            self.assertEqual((mapped['panels'], err), (self.model + '.panels', ''))
            self.assertEqual(mapped['logits_hash'], packed['logits_hash'])
        for options in ['--panels', 'none'], ['--map-only']:
            without, err = self.answer(*options)
            self.assertEqual((without['panels'], err), (None, ''))
        ran = tap.fathom('run', self.model, 'Hello', '-n', '2', '--stats')
        self.assertRegex(ran.err, r'[KM]iB mapped from \S+/m\.gguf\.panels in [\d.]+ s · \d+ of \d+ experts read since')
        ran = tap.fathom('bench', self.model, '-p', '4', '-n', '2', '-r', '1', '--no-bandwidth', '--json')
        self.assertEqual(json.loads(ran.out)['panels'], self.model + '.panels')

    def test_a_folder_has_its_panels_inside(self):
        folder = self.path('v3')
        shutil.copytree(tap.golden('tiny-v3-fp8'), folder)
        packed, _ = self.answer(model=folder)
        self.assertEqual(self.pack(model=folder)['path'], folder + '/model.panels')
        mapped, err = self.answer(model=folder + '/')
        self.assertEqual((os.path.realpath(mapped['panels']), err), (os.path.realpath(folder + '/model.panels'), ''))
        self.assertEqual(mapped['logits_hash'], packed['logits_hash'])

    def test_memory_that_is_mapped_is_not_promised(self):
        before = json.loads(tap.fathom('inspect', self.model, '--json').out)['memory']
        made = self.pack()
        after = json.loads(tap.fathom('inspect', self.model, '--json').out)['memory']
        self.assertEqual((before['weights_mapped'], after['weights_later']), (0, 0))
        self.assertEqual(before['weights'] - after['weights'], after['weights_mapped'])
        self.assertLess(after['weights_mapped'], made['bytes'])
        self.assertRegex(tap.fathom('inspect', self.model).out, r'weights .*and [\d.]+ [KM]iB mapped from a file of panels')

    def test_panels_of_files_that_have_changed_are_passed_over_with_a_note(self):
        packed, _ = self.answer()
        self.pack()
        os.utime(self.model, ns=(0, 1600000000 * 10**9))
        again, err = self.answer()
        self.assertEqual((again['panels'], again['logits_hash']), (None, packed['logits_hash']))
        self.assertRegex(err, r'\Anote: [^\n]*m\.gguf\.panels: it was made of other files than [^\n]*m\.gguf[^\n]*fathom pack[^\n]*\n\Z')
        self.refused('run', self.model, 'Hello', '--panels', self.model + '.panels', says='made of other files')
        self.refused('pack', self.model, '--check', says='made of other files')
        self.pack()
        self.assertEqual(self.answer()[0]['panels'], self.model + '.panels')

    def test_damage_is_passed_over_or_found_by_checking(self):
        packed, _ = self.answer()
        self.pack()
        self.assertTrue(self.pack('--check')['checked'])
        with open(self.model + '.panels', 'r+b') as f:
            f.seek(4096 + 30000)
            byte = f.read(1)
            f.seek(-1, 1)
            f.write(bytes([byte[0] ^ 255]))
        self.refused('pack', self.model, '--check', says='are damaged')
        os.truncate(self.model + '.panels', 30000)
        again, err = self.answer()
        self.assertEqual(again['logits_hash'], packed['logits_hash'])
        self.assertIn('it was cut short', err)

    def test_a_file_elsewhere_is_named(self):
        self.pack('-o', self.path('elsewhere'))
        self.assertFalse(os.path.exists(self.model + '.panels'))
        packed, _ = self.answer()
        mapped, _ = self.answer('--panels', self.path('elsewhere'))
        self.assertEqual((packed['panels'], mapped['panels']), (None, self.path('elsewhere')))
        self.assertEqual(mapped['logits_hash'], packed['logits_hash'])
        self.refused('run', self.model, 'Hello', '--panels', self.path('absent'), says='cannot open')

    def test_nothing_but_panels_is_written_over(self):
        with open(self.path('letter'), 'w') as f:
            f.write('Dear reader')
        self.refused('pack', self.model, '-o', self.path('letter'), says='no file of panels')
        self.refused('pack', self.model, '-o', self.model, says='no file of panels')
        self.refused('pack', self.model, '-o', self.folder, says='no file of panels')
        self.refused('pack', self.path('absent.gguf'), says='cannot open')
        self.refused('pack', self.model, '--check', says='cannot open')
        with open(self.path('letter')) as f:
            self.assertEqual(f.read(), 'Dear reader')

    def test_a_full_disk_leaves_nothing(self):
        with SmallDisk(1 << 20) as disk:
            disk.fill(leave=100 << 10)
            self.refused('pack', self.model, '-o', disk.path + '/m.panels', says='GiB free')
            self.assertEqual(glob.glob(disk.path + '/*'), [disk.path + '/ballast'])
            disk.make_room()
            made = self.pack('-o', disk.path + '/m.panels')
            disk.fill(leave=made['bytes'] - 2000)  # room for the panels, not for their directory
            before = open(disk.path + '/m.panels', 'rb').read()
            self.refused('pack', self.model, '-o', disk.path + '/m.panels', says='No space left on device')
            self.assertEqual(sorted(glob.glob(disk.path + '/*')), [disk.path + '/ballast', disk.path + '/m.panels'])
            self.assertEqual(open(disk.path + '/m.panels', 'rb').read(), before)

    def test_a_text_is_measured_over_mapped_weights(self):
        text = self.path('text.txt')
        with open(text, 'w') as f:
            f.write('The ship of the line sailed from the harbour at dawn. ' * 20)
        packed = tap.fathom('perplexity', self.model, text, '-c', '64', '--json')
        self.pack()
        mapped = tap.fathom('perplexity', self.model, text, '-c', '64', '--json')
        self.assertEqual((packed.code, mapped.code), (0, 0), mapped)
        self.assertEqual(json.loads(mapped.out)['nll'], json.loads(packed.out)['nll'])


if __name__ == '__main__':
    tap.main()
