"""fathom pull against a hub that behaves: what is fetched, where it goes, what is not fetched twice."""
import os
import re

import tap
from hub_server import drop, send, slowly
from pulling import Pulling, model, noise, read, terminal

GGUF = {
    'README.md': b'x',
    'm-Q4_K_M.gguf': noise(1000, 1), 'm-Q4_K_S.gguf': noise(900, 2), 'm-Q8_0.gguf': noise(2000, 3),
    'mmproj-m-Q8_0.gguf': noise(100, 4),
    'm-BF16/m-BF16-00001-of-00002.gguf': noise(3000, 5),
    'm-BF16/m-BF16-00002-of-00002.gguf': noise(3000, 6),
    'm-UD-Q2_K_XL-00001-of-00002.gguf': noise(10, 7),
}


class Folder(Pulling):
    def test_the_files_of_a_model_come_and_no_others(self):
        files = model()
        commit = self.hub.add(self.REPOSITORY, files)
        got = self.pulled(self.REPOSITORY)
        wanted = ['chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json',
                  'tokenizer_config.json']
        self.assertEqual(self.names(), wanted)
        for name in wanted:
            self.assert_holds(name, files[name])
        self.assertEqual((got['path'], got['commit'], got['repository']),
                         (self.folder(), commit, self.REPOSITORY))
        self.assertEqual([f['name'] for f in got['files']], wanted)
        self.assertEqual(got['bytes'], sum(len(files[n]) for n in wanted))

    def test_every_file_is_asked_for_at_the_pinned_commit(self):
        commit = self.hub.add(self.REPOSITORY, model())
        self.pulled(self.REPOSITORY)
        asked = [r.path for r in self.hub.requests if '/resolve/' in r.path]
        self.assertEqual(len(asked), 6)
        for path in asked:
            self.assertIn('/resolve/%s/' % commit, path)

    def test_shards_come_with_their_index_and_other_weights_stay(self):
        files = {**model(), 'model.safetensors.index.json': b'{}',
                 'model-00001-of-00002.safetensors': noise(100, 1),
                 'model-00002-of-00002.safetensors': noise(100, 2),
                 'consolidated.safetensors': noise(100, 3), 'onnx/model.safetensors': noise(9, 4)}
        del files['model.safetensors']
        self.hub.add(self.REPOSITORY, files)
        self.pulled(self.REPOSITORY)
        self.assertEqual([n for n in self.names() if 'safetensors' in n],
                         ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors',
                          'model.safetensors.index.json'])

    def test_a_second_pull_fetches_nothing(self):
        self.hub.add(self.REPOSITORY, model())
        self.pulled(self.REPOSITORY)
        before = len(self.hub.requests)
        self.assertEqual(self.pulled(self.REPOSITORY)['fetched_bytes'], 0)
        self.assertEqual(len(self.hub.requests), before + 1)

    def test_a_file_that_was_deleted_or_cut_comes_again(self):
        files = model()
        self.hub.add(self.REPOSITORY, files)
        self.pulled(self.REPOSITORY)
        os.unlink(os.path.join(self.folder(), 'config.json'))
        os.truncate(os.path.join(self.folder(), 'model.safetensors'), 1000)
        self.pulled(self.REPOSITORY)
        self.assert_holds('config.json', files['config.json'])
        self.assert_holds('model.safetensors', files['model.safetensors'])

    def test_a_new_commit_brings_what_has_changed_and_nothing_else(self):
        files = model()
        self.hub.add(self.REPOSITORY, files)
        self.pulled(self.REPOSITORY)
        newer = {**files, 'config.json': files['config.json'].replace(b'llama', b'qwen2')}
        self.hub.add(self.REPOSITORY, newer)
        before = len(self.hub.requests)
        self.pulled(self.REPOSITORY)
        self.assert_holds('config.json', newer['config.json'])
        self.assertEqual([r.path.split('/')[-1] for r in self.hub.requests[before + 1:]],
                         ['config.json'])

    def test_weights_that_lie_there_already_are_checked_and_kept(self):
        files = model()
        self.hub.add(self.REPOSITORY, files)
        os.makedirs(self.folder())
        with open(os.path.join(self.folder(), 'model.safetensors'), 'wb') as f:
            f.write(files['model.safetensors'])
        self.pulled(self.REPOSITORY)
        self.assertEqual(self.hub.cdn.requests, [])
        self.assertIn('config.json', self.names())

    def test_weights_that_only_look_right_are_replaced(self):
        files = model()
        self.hub.add(self.REPOSITORY, files)
        os.makedirs(self.folder())
        with open(os.path.join(self.folder(), 'model.safetensors'), 'wb') as f:
            f.write(noise(len(files['model.safetensors']), 99))
        self.pulled(self.REPOSITORY)
        self.assert_holds('model.safetensors', files['model.safetensors'])

    def test_a_revision_has_a_folder_of_its_own(self):
        self.hub.add(self.REPOSITORY, model())
        older = self.hub.add(self.REPOSITORY, model(noise(10, 8)), revision='refs/pr/1')
        got = self.pulled(self.REPOSITORY + '@refs/pr/1')
        self.assertEqual((got['commit'], got['path']), (older, self.folder() + '@refs_pr_1'))
        self.assertIn('/revision/refs%2Fpr%2F1?', self.hub.requests[0].path)
        self.assertEqual(self.pulled(self.REPOSITORY + '@' + older)['commit'], older)

    def test_a_folder_can_be_named(self):
        self.hub.add(self.REPOSITORY, model())
        place = os.path.join(self.home, 'here') + '/'
        self.assertEqual(self.pulled(self.REPOSITORY, '--dir', place)['path'], place[:-1])
        self.assertIn('model.safetensors', self.names(place))

    def test_the_place_of_models_follows_the_environment(self):
        self.hub.add(self.REPOSITORY, model())
        for env, place in (({'FATHOM_HOME': '', 'XDG_DATA_HOME': self.home + '/x'}, '/x/fathom'),
                           ({'FATHOM_HOME': '', 'XDG_DATA_HOME': 'relative',
                             'HOME': self.home + '/h'}, '/h/.local/share/fathom')):
            self.assertEqual(self.pulled(self.REPOSITORY, env=env)['path'],
                             '%s%s/models/%s' % (self.home, place, self.REPOSITORY))

    def test_a_file_of_no_bytes_is_a_file(self):
        self.hub.add(self.REPOSITORY, {**model(), 'generation_config.json': b''})
        self.pulled(self.REPOSITORY)
        self.assert_holds('generation_config.json', b'')


class Gguf(Pulling):
    def setUp(self):
        super().setUp()
        self.hub.add(self.REPOSITORY, GGUF)

    def test_a_quantisation_is_found_by_its_whole_name(self):
        for asked in ('Q4_K_M', 'q4_k_m', 'm-Q4_K_M.gguf'):
            got = self.pulled(self.REPOSITORY + ':' + asked)
            self.assertEqual(got['path'], os.path.join(self.folder(), 'm-Q4_K_M.gguf'))
            self.assertEqual(self.names(), ['m-Q4_K_M.gguf'])
        self.pulled(self.REPOSITORY + ':Q8_0')
        self.assertEqual(self.names(), ['m-Q4_K_M.gguf', 'm-Q8_0.gguf'])

    def test_a_split_file_comes_with_its_parts_in_its_folder(self):
        for asked in ('BF16', 'm-BF16/m-BF16-00001-of-00002.gguf'):
            got = self.pulled(self.REPOSITORY + ':' + asked)
            self.assertEqual(got['path'], os.path.join(self.folder(),
                                                       'm-BF16/m-BF16-00001-of-00002.gguf'))
            self.assertEqual(self.names(), ['m-BF16/m-BF16-00001-of-00002.gguf',
                                            'm-BF16/m-BF16-00002-of-00002.gguf'])
        self.assert_holds('m-BF16/m-BF16-00002-of-00002.gguf',
                          GGUF['m-BF16/m-BF16-00002-of-00002.gguf'])

    def test_a_part_that_the_repository_lacks_is_missed_before_anything_comes(self):
        self.refused(self.REPOSITORY + ':Q2_K_XL', says='m-UD-Q2_K_XL-00002-of-00002.gguf, part 2')
        self.assertFalse(os.path.exists(self.folder()))

    def test_without_a_choice_the_error_lists_what_there_is(self):
        self.refused(self.REPOSITORY, says=['several models', 'm-Q4_K_M.gguf (1000 bytes)',
                                            'm-BF16/m-BF16-00001-of-00002.gguf (5.86 KiB)'])
        self.refused(self.REPOSITORY + ':Q4_K', says=['no GGUF file Q4_K', 'm-Q4_K_S.gguf'])
        self.refused(self.REPOSITORY + ':none.gguf', says='no GGUF file none.gguf')

    def test_a_single_gguf_file_needs_no_choice(self):
        self.hub.add('owner/one', {'a-Q4_0.gguf': noise(10), 'mmproj-a.gguf': noise(11)})
        self.assertTrue(self.pulled('owner/one')['path'].endswith('owner/one/a-Q4_0.gguf'))

    def test_a_repository_without_weights_is_refused(self):
        self.hub.add('owner/none', {'README.md': b'', 'pytorch_model.bin': b'x'})
        self.refused('owner/none', says='neither safetensors nor GGUF')
        self.hub.add('owner/loose', {'model.safetensors': b'x'})
        self.refused('owner/loose', says='no config.json')


class Output(Pulling):
    def test_standard_output_is_the_path_and_the_rest_is_told_before(self):
        files = model()
        commit = self.hub.add(self.REPOSITORY, files)
        ran = self.pull(self.REPOSITORY)
        self.assertEqual((ran.code, ran.out), (0, self.folder() + '\n'))
        self.assertEqual(ran.err, '%s @ %s · 6 files, 293 KiB\n%s\n'
                         % (self.REPOSITORY, commit[:12], self.folder()))
        self.assertIn('293 KiB, all here\n', self.pull(self.REPOSITORY).err)

    def test_a_dry_run_says_what_would_come_and_changes_nothing(self):
        self.hub.add(self.REPOSITORY, model())
        ran = self.pull('--dry-run', self.REPOSITORY)
        self.assertEqual((ran.code, ran.out), (0, self.folder() + '\n'), ran)
        self.assertIn('6 files', ran.err)
        told = self.pulled('--dry-run', self.REPOSITORY)
        self.assertEqual(told['fetched_bytes'], told['bytes'])
        self.assertFalse(os.path.exists(self.folder()))
        self.assertEqual(self.hub.site.asked('/resolve/'), [])
        self.pulled(self.REPOSITORY)
        self.assertEqual(self.pulled('--dry-run', self.REPOSITORY)['fetched_bytes'], 0)
        self.refused('--dry-run', 'owner/none', says='owner/none')

    def test_a_short_name_says_what_it_stands_for(self):
        repository = 'HuggingFaceTB/SmolLM2-135M-Instruct'
        self.hub.add(repository, model())
        ran = self.pull('smollm2:135m')
        self.assertEqual((ran.code, ran.out), (0, self.folder(repository) + '\n'), ran)
        self.assertTrue(ran.err.startswith(repository + ' @ '))

    def test_every_short_name_is_listed_with_what_it_stands_for(self):
        rows = [line.split() for line in tap.fathom('pull', '--list').out.splitlines()]
        text = read(os.path.join(tap.SOURCE, 'src/hub/names.def')).decode()
        self.assertEqual([row[:2] for row in rows],
                         [list(pair) for pair in re.findall(r'^NAME\("(.*?)", "(.*?)",', text, re.M)])

    def at_a_terminal(self, *arguments, **size):
        return terminal.Terminal('pull', *arguments, env=self.environment(), **size)

    def test_at_a_terminal_it_asks_and_takes_no_for_an_answer(self):
        self.hub.add(self.REPOSITORY, model())
        at = self.at_a_terminal(self.REPOSITORY)
        at.wait_for('Fetch 293 KiB? [Y/n] ')
        at.send('n\n')
        self.assertEqual(at.finish(), 2)
        self.assertIn('nothing was fetched', at.seen)
        self.assertFalse(os.path.exists(self.folder()))

    def test_at_a_terminal_it_fetches_after_a_yes_or_without_asking(self):
        self.hub.add(self.REPOSITORY, model())
        at = self.at_a_terminal(self.REPOSITORY)
        at.wait_for('[Y/n] ')
        at.send('\n')
        self.assertEqual(at.finish(), 0)
        self.hub.add('owner/other', model())
        at = self.at_a_terminal('owner/other', '--yes')
        self.assertEqual(at.finish(), 0)
        self.assertNotIn('[Y/n]', at.seen)

    def test_progress_tells_rate_and_time_left_of_what_comes_now(self):
        files = model(noise(400000))
        self.hub.add(self.REPOSITORY, files)
        self.leave_part('model.safetensors', files['model.safetensors'],
                        files['model.safetensors'][:200000])
        self.hub.fault('model.safetensors', slowly(60000))
        at = self.at_a_terminal(self.REPOSITORY, '--yes')
        line = at.wait_for(' left')
        self.assertRegex(line, r'Fetching 6 of 6 .* +[56]\d %  [\d.]+ KiB/s  [\d.]+ s')
        self.assertEqual(at.finish(), 0)
        self.assert_holds('model.safetensors', files['model.safetensors'])

    def test_in_a_narrow_window_progress_keeps_to_a_line_that_can_be_taken_back(self):
        self.hub.add(self.REPOSITORY, model(noise(400000)))
        for columns in (24, 40, 52, 66):
            self.hub.fault('model.safetensors', slowly(150000))
            at = self.at_a_terminal(self.REPOSITORY, '--yes', '--dir', '%s/%d' % (self.home, columns),
                                    columns=columns)
            at.wait_for('%  ' if columns > 40 else '%')
            self.assertEqual(at.finish(), 0)
            self.assertNotIn('Fetching', at.screen.text())

    def test_at_a_terminal_it_tells_why_it_waits(self):
        self.hub.add(self.REPOSITORY, model())
        self.hub.fault('model.safetensors', drop(1000), send)
        at = self.at_a_terminal(self.REPOSITORY, '--yes')
        at.wait_for('the connection to 127.0.0.1 broke off')
        at.wait_for('again in 0.5 s')
        self.assertEqual(at.finish(), 0)


if __name__ == '__main__':
    tap.main()
