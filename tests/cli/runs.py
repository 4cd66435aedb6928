"""What tests of training runs share: their logs, their last checkpoint, and killing them."""
import glob
import json
import os
import random
import signal
import subprocess
import time

import tap


def last_checkpoint(run):
    return sorted(glob.glob(run + '/checkpoints/step-*'))[-1]


def manifest(run):
    """Of the last checkpoint: it names the hash of every file."""
    with open(last_checkpoint(run) + '/manifest.json') as f:
        return f.read()


def events(run, kind):
    with open(run + '/log.jsonl') as f:
        return [e for e in map(json.loads, f) if e['event'] == kind]


def logged(run, what=b'\n'):
    """How often this stands in the run's log: its lines, or steps."""
    try:
        with open(run + '/log.jsonl', 'rb') as f:
            return f.read().count(what)
    except FileNotFoundError:
        return 0


def wait_for_lines(run, child, more, seconds):
    """Until the run's log has grown by so many lines, or the run has ended, or so many seconds are over."""
    enough, end = logged(run) + more, time.monotonic() + seconds
    while child.poll() is None and logged(run) < enough and time.monotonic() < end:
        time.sleep(0.0005)


def kill_and_go_on(run, *arguments):
    """Starts the command again and again, kills it at random places of its log, on one thread and on two; how often
    it was killed. Afterwards it has run to its end. Places, not moments: a fast machine would be done before one."""
    draw, killed, threads = random.Random(), 0, 1
    while killed < (20 if os.environ.get('FATHOM_SOAK') else 3):
        threads = 3 - threads
        child = subprocess.Popen([tap.FATHOM, *arguments, '--threads', str(threads)], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        wait_for_lines(run, child, draw.randint(0, 8) if killed else 1, draw.uniform(0.1, 0.7))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if child.returncode == 0:
            break
        killed += 1
    ran = tap.fathom(*arguments)
    assert ran.code == 0, ran.err
    return killed
