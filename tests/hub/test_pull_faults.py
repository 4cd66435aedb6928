"""fathom pull against networks that break, servers that lie, disks that fill."""
import os
import resource
import signal
import subprocess
import time

import tap
from hub_server import (another_range, chunks, drop, length, no_ranges, other_bytes, raw, send,
                        slowly, stall, status)
from pulling import Pulling, model, noise

WEIGHTS = 'model.safetensors'


class Faulty(Pulling):
    def setUp(self):
        super().setUp()
        self.files = model()
        self.data = self.files[WEIGHTS]
        self.hub.add(self.REPOSITORY, self.files)

    def ranges(self):
        """The first byte of every request for the weights."""
        return [r.headers.get('Range', 'bytes=0-')[6:-1] for r in self.hub.cdn.asked(WEIGHTS)]

    def assert_pulled(self):
        self.assert_holds(WEIGHTS, self.data)
        self.assertEqual(self.parts(), [])


class Broken(Faulty):
    def test_a_line_that_is_cut_is_taken_up_where_it_broke(self):
        self.hub.fault(WEIGHTS, drop(100000), drop(50000), drop(0))
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0', '100000', '150000', '150000'])

    def test_a_server_that_ignores_ranges_is_read_from_the_beginning(self):
        self.hub.fault(WEIGHTS, drop(100000), no_ranges)
        self.pulled(self.REPOSITORY)
        self.assert_pulled()

    def test_a_server_that_sends_another_range_is_asked_for_the_whole(self):
        self.hub.fault(WEIGHTS, drop(100000), another_range)
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0', '100000', '0'])

    def test_what_ends_early_without_a_length_goes_on(self):
        self.hub.fault(WEIGHTS, chunks(upto=200000))
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0', '200000'])

    def test_a_small_file_that_is_cut_comes_anew(self):
        self.hub.fault('config.json', drop(5))
        self.pulled(self.REPOSITORY)
        self.assert_holds('config.json', self.files['config.json'])
        self.assertFalse([r for r in self.hub.site.asked('config.json') if 'Range' in r.headers])

    def test_servers_that_are_busy_or_unwell_are_asked_again(self):
        for code in (429, 500, 503, 408):
            self.hub.fault(WEIGHTS, status(code))
        self.hub.fault('', status(502), drop(10))
        self.pulled(self.REPOSITORY)
        self.assert_pulled()

    def test_retry_after_is_waited_for(self):
        self.hub.fault('', status(429, {'Retry-After': '2'}))
        started = time.time()
        self.pulled(self.REPOSITORY)
        self.assertGreater(time.time() - started, 2)

    def test_a_server_that_asks_for_an_hour_is_not_waited_for(self):
        self.hub.fault(WEIGHTS, status(429, {'Retry-After': '3600'}))
        self.refused(self.REPOSITORY, says=['too many requests', '60 minutes'])

    def test_a_connection_that_stalls_is_given_up_and_taken_up(self):
        self.hub.fault(WEIGHTS, stall(100000))
        self.pulled(self.REPOSITORY, '--stall', 2)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0', '100000'])

    def test_it_gives_up_after_so_many_attempts_and_keeps_what_came(self):
        self.hub.fault(WEIGHTS, drop(100000), *[drop(0)] * 3)
        self.refused(self.REPOSITORY, '--attempts', 3,
                     says=['broke off', '3 attempts', 'goes on from here'])
        self.assertEqual(len(self.parts()), 1)
        self.assertEqual(os.path.getsize(os.path.join(self.folder(), self.parts()[0])), 100000)
        self.assertNotIn(WEIGHTS, self.names())
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges()[-1], '100000')

    def test_progress_makes_attempts_count_anew(self):
        self.hub.fault(WEIGHTS, *[drop(20000)] * 6)
        self.pulled(self.REPOSITORY, '--attempts', 2)
        self.assert_pulled()


class Left(Faulty):
    """What an earlier run left behind."""

    def test_a_damaged_beginning_is_found_out_and_everything_comes_anew(self):
        self.leave_part(WEIGHTS, self.data, noise(100000, 9))
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['100000', '0'])

    def test_a_beginning_longer_than_the_file_is_thrown_away(self):
        self.leave_part(WEIGHTS, self.data, self.data + b'more')
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0'])

    def test_a_whole_file_that_only_lacks_its_name_is_not_fetched(self):
        self.leave_part(WEIGHTS, self.data, self.data)
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), [])

    def test_a_beginning_of_another_version_is_not_gone_on_with(self):
        other = self.leave_part(WEIGHTS, b'another version', self.data[:1000])
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0'])
        self.assertFalse(os.path.exists(other))

    def test_a_manifest_that_makes_no_sense_is_no_reason_to_fail(self):
        self.pulled(self.REPOSITORY)
        for nonsense in (b'', b'{', b'[]', b'{"sha": 7, "siblings": {}}'):
            with open(os.path.join(self.folder(), '.fathom-pull.json'), 'wb') as f:
                f.write(nonsense)
            self.pulled(self.REPOSITORY)
        self.assertEqual(self.ranges(), ['0'])  # looked at, not fetched

    def test_ctrl_c_leaves_what_came_and_the_next_run_goes_on(self):
        self.hub.fault(WEIGHTS, slowly(60000))
        child = subprocess.Popen([tap.FATHOM, 'pull', self.REPOSITORY], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env={**os.environ, **self.environment()})
        end = time.time() + 60
        while time.time() < end and not (self.parts() and os.path.getsize(
                os.path.join(self.folder(), self.parts()[0])) > 20000):
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, out), (130, b''))
        self.assertNotIn(b'fathom:', err)
        size = os.path.getsize(os.path.join(self.folder(), self.parts()[0]))
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges(), ['0', str(size)])

    def test_two_at_once_do_not_meet_in_one_folder(self):
        self.hub.fault(WEIGHTS, slowly(100000))
        child = subprocess.Popen([tap.FATHOM, 'pull', self.REPOSITORY], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env={**os.environ, **self.environment()})
        while not self.parts():
            time.sleep(0.02)
        self.refused(self.REPOSITORY, says=['another pull is at work', self.folder()])
        self.assertEqual(child.wait(60), 0)
        self.assert_pulled()


class Lies(Faulty):
    def refused_and_gone(self, *arguments, says):
        ran = self.refused(self.REPOSITORY, *arguments, says=says)
        self.assertNotIn(WEIGHTS, self.names())
        return ran

    def test_bytes_with_another_checksum_are_deleted_and_told(self):
        self.hub.fault(WEIGHTS, other_bytes)
        self.refused_and_gone(says=['sha256', 'deleted', WEIGHTS])
        self.assertEqual(self.parts(), [])
        self.pulled(self.REPOSITORY)
        self.assert_pulled()

    def test_a_length_that_is_not_the_listed_one_is_refused_before_a_byte_is_kept(self):
        for n in (len(self.data) - 1, len(self.data) + 1, 0, 1 << 60):
            self.hub.fault(WEIGHTS, length(n))
            self.refused_and_gone(says='lists 300000 bytes and 127.0.0.1 offers %d' % n)

    def test_more_bytes_than_listed_are_refused(self):
        self.hub.fault(WEIGHTS, chunks(extra=b'!' * 100000))
        self.refused_and_gone(says='more bytes came than the 300000')
        self.assertLessEqual(os.path.getsize(os.path.join(self.folder(), self.parts()[0])), 300000)

    def test_a_file_that_the_hub_does_not_have_after_all(self):
        self.hub.fault('config.json', status(404, {'X-Error-Code': 'EntryNotFound'}))
        self.refused(self.REPOSITORY, says='lists config.json')

    def test_a_listing_that_is_none(self):
        for body, words in ((b'', 'not valid JSON'), (b'<html>', 'not valid JSON'),
                            (b'{"siblings": []}', 'names no commit'),
                            (b'{"sha": "../../etc", "siblings": []}', 'names no commit'),
                            (b'{"sha": "%s"}' % (b'a' * 40), 'no list of files'),
                            (b'[' * 100000, 'not valid JSON')):
            self.hub.fault('', raw(body))
            self.refused(self.REPOSITORY, says=[words])

    def test_a_listing_without_end_is_cut_off(self):
        self.hub.fault('', raw(b' ' * (9 << 20)))
        self.refused(self.REPOSITORY, says='no list of files is that long')
        self.hub.fault('', chunks(extra=b' ' * (9 << 20)))
        self.refused(self.REPOSITORY, says='longer than the')

    def listed_as(self, **entry):
        def change(document):
            document['siblings'].append({'rfilename': 'x.json', 'size': 3, **entry})
        self.hub.listing = change

    def test_names_that_lead_out_of_the_folder_are_refused(self):
        for name in ('../model.safetensors', '/etc/x.json', 'a/../../x.json', 'a//x.json', 'a/',
                     '..', './x.json', '', 'a\\x.json', 'a\x00.json', 'a\n.json', '\x1b[2J.json',
                     'x/..'):
            self.listed_as(rfilename=name)
            self.refused(self.REPOSITORY, says='no name of a file in a repository')
            self.assertFalse(os.path.exists(self.home))
        self.listed_as(rfilename=WEIGHTS)
        self.refused(self.REPOSITORY, says='listed twice')

    def test_names_that_are_only_unusual_are_left_alone(self):
        for name in ('.hidden.json', 'Ünïcode.safetensors', 'model with space.safetensors',
                     '-rf.json', 'x' * 300 + '.json', '.fathom-pull.json', 'model.sh'):
            self.listed_as(rfilename=name)
            self.pulled(self.REPOSITORY)
            self.assertNotIn(name, self.names())

    def test_sizes_that_cannot_be_are_refused(self):
        def without_size(document):
            for entry in document['siblings']:
                entry.pop('size')
                entry.pop('lfs', None)
        self.hub.listing = without_size
        self.refused(self.REPOSITORY, says='does not tell the size')
        self.listed_as(rfilename='model-2.safetensors', size=-5)
        self.refused(self.REPOSITORY, says='does not tell the size of model-2')
        self.listed_as(size=1 << 62)
        self.refused(self.REPOSITORY, says='x.json is said to have 4611686018427387904 bytes')

    def test_another_sha256_behind_the_link_is_noticed_before_the_bytes(self):
        def other(document):
            for entry in document['siblings']:
                if 'lfs' in entry:
                    entry['lfs']['sha256'] = 'ab' * 32
        self.hub.listing = other
        self.refused_and_gone(says=['lists one sha256', 'links to another'])
        self.assertEqual(os.path.getsize(os.path.join(self.folder(), self.parts()[0])), 0)


class Disk(Faulty):
    def test_too_little_room_is_told_with_numbers_before_anything_comes(self):
        def huge(document):
            for entry in document['siblings']:
                if 'lfs' in entry:
                    entry['size'] = 1 << 50
        self.hub.listing = huge
        self.refused(self.REPOSITORY, says=['needs 1.00 PiB', 'free there', '--dir'])
        self.assertEqual(self.hub.site.asked('/resolve/'), [])
        self.assertFalse(os.path.exists(self.folder()))

    def test_a_disk_that_refuses_to_write_stops_it_and_the_rest_is_kept(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        done = subprocess.run([tap.FATHOM, 'pull', self.REPOSITORY], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, preexec_fn=small_files, restore_signals=False,
                              env={**os.environ, **self.environment()}, timeout=100)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr.decode().splitlines()[-1],
                         r'\Afathom: cannot write .*safetensors\.\w+\.part: File too large\Z')
        self.pulled(self.REPOSITORY)
        self.assert_pulled()
        self.assertEqual(self.ranges()[-1], '100000')

    def test_a_place_that_cannot_be_written_is_told_by_name(self):
        self.refused(self.REPOSITORY, '--dir', '/proc/none', says=['/proc/none', '--dir'])
        file = os.path.join(self.home, 'file')
        os.makedirs(self.home)
        open(file, 'w').close()
        self.refused(self.REPOSITORY, '--dir', file, says=[file, 'no folder'])
        self.refused(self.REPOSITORY, '--dir', file + '/x', says=[file])
        os.makedirs(os.path.join(self.folder(), WEIGHTS))
        self.refused(self.REPOSITORY, says=[WEIGHTS, 'Is a directory'])


if __name__ == '__main__':
    tap.main()
