"""A disk of a few megabytes, really full when it is: a tmpfs in a mount namespace of its own, which needs no
privileges and which others reach through /proc."""
import os
import subprocess
import unittest

INSIDE = 'mount -t tmpfs -o size=%d,nr_inodes=1000 tmpfs /mnt && echo mounted && exec cat'


class SmallDisk:
    """with SmallDisk(1 << 20) as disk: disk.path is its root. Skips the test where the system allows none."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        try:
            self.keeper = subprocess.Popen(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', INSIDE % self.size],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise unittest.SkipTest('no unshare here (util-linux), so no disk of its own')
        if self.keeper.stdout.readline() != 'mounted\n':
            why = self.keeper.communicate()[1].strip().splitlines()
            raise unittest.SkipTest('the kernel allows no user namespaces here: %s' % (why[-1] if why else 'no reason given'))
        self.path = os.path.join('/proc/%d/root' % self.keeper.pid, 'mnt')
        return self

    def __exit__(self, *_):
        self.keeper.communicate()

    def free(self):
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave=0):
        """Takes all that is free but `leave` bytes."""
        with open(os.path.join(self.path, 'ballast'), 'ab') as f:
            while self.free() > leave:
                try:
                    os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, max(4096, (self.free() - leave) // 4096 * 4096))
                except OSError:
                    break

    def make_room(self):
        os.unlink(os.path.join(self.path, 'ballast'))
