"""A hub of our own on the loopback, that redirects, drops and lies as it is told.

    with Hub() as hub:
        hub.add('owner/name', {'config.json': b'{}', 'model.safetensors': weights})
        hub.fault('model.safetensors', drop(1000), status(503))
        ...

It speaks what fathom pull uses of Hugging Face's interface: the listing of a revision, and files under
/resolve/. Large files are redirected to a second server, as there to a CDN: another origin, that must
never see a token. Each request for a file takes the next of its faults; with none left it is answered
well. `hub.requests` and `hub.cdn.requests` remember what came.
"""
import collections
import hashlib
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse

LARGE = ('.safetensors', '.gguf')
Asked = collections.namedtuple('Asked', 'path headers')


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what half of the tests are about


class Site:
    """One origin: a server, what was asked of it, and the function that answers."""

    def __init__(self, answer, certificate=None):
        self.requests, self.stopping = [], threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def do_GET(self):
                site.requests.append(Asked(self.path, dict(self.headers)))
                answer(self)

            def log_message(self, *_):
                pass

        self.server = _Server(('127.0.0.1', 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = '%s://127.0.0.1:%d' % ('https' if certificate else 'http',
                                          self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def asked(self, part):
        """The requests whose address contains `part`."""
        return [r for r in self.requests if part in r.path]


class Hub:
    def __init__(self, certificate=None, cdn_certificate=None):
        self.repositories, self.faults, self.token, self.listing = {}, {}, None, None
        self.site = Site(self._answer, certificate)
        self.cdn = Site(self._answer_cdn, cdn_certificate)
        self.url, self.requests = self.site.url, self.site.requests

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.site.close()
        self.cdn.close()

    def add(self, repository, files, revision='main'):
        """One commit of a repository; returns its id."""
        digest = hashlib.sha1()
        for name in sorted(files):
            digest.update(name.encode() + b'\0' + files[name] + b'\0')
        commit = digest.hexdigest()
        commits = self.repositories.setdefault(repository, {})
        commits[revision] = commits[commit] = (commit, dict(files))
        return commit

    def fault(self, name, *faults):
        """What happens to the next requests for the file (or the listing: name '')."""
        self.faults.setdefault(name, []).extend(faults)

    # -- answering ------------------------------------------------------------------------------

    def _next_fault(self, name):
        return self.faults[name].pop(0) if self.faults.get(name) else None

    def _answer(self, request):
        path = urllib.parse.urlsplit(request.path).path
        listing = re.match(r'^/api/models/([^/]+/[^/]+)/revision/([^/]+)$', path)
        file = re.match(r'^/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$', path)
        if self.token and request.headers.get('Authorization') != 'Bearer ' + self.token:
            return status(401, {'X-Error-Code': 'GatedRepo'})(request, b'')
        if listing:
            return self._answer_listing(request, *map(urllib.parse.unquote, listing.groups()))
        if file:
            return self._answer_file(request, *map(urllib.parse.unquote, file.groups()))
        return status(404)(request, b'')

    def _answer_listing(self, request, repository, revision):
        commits = self.repositories.get(repository)
        fault = self._next_fault('')
        if not commits:
            return (fault or status(401, {'X-Error-Code': 'RepoNotFound'}))(request, b'')
        if revision not in commits:
            return (fault or status(404, {'X-Error-Code': 'RevisionNotFound'}))(request, b'')
        commit, files = commits[revision]
        document = listing_of(repository, commit, files)
        if self.listing:
            self.listing(document)
        return (fault or send)(request, json.dumps(document).encode())

    def _answer_file(self, request, repository, commit, name):
        commit, files = self.repositories.get(repository, {}).get(commit, (None, {}))
        if name not in files:
            return status(404, {'X-Error-Code': 'EntryNotFound'})(request, b'')
        if name.endswith(LARGE):
            place = '%s/%s/%s/%s?signature=secret' % (self.cdn.url, repository, commit, name)
            return redirect(place, file=files[name])(request, b'')
        return (self._next_fault(name) or send)(request, files[name])

    def _answer_cdn(self, request):
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path)
        owner, name, commit, file = path.strip('/').split('/', 3)
        data = self.repositories[owner + '/' + name][commit][1][file]
        return (self._next_fault(file) or send)(request, data)


def listing_of(repository, commit, files):
    siblings = []
    for name, data in files.items():
        entry = {'rfilename': name, 'size': len(data),
                 'blobId': hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()}
        if name.endswith(LARGE):
            entry['lfs'] = {'sha256': hashlib.sha256(data).hexdigest(), 'size': len(data),
                            'pointerSize': 135}
        siblings.append(entry)
    return {'id': repository, 'modelId': repository, 'sha': commit, 'private': False, 'gated': False,
            'siblings': siblings}


# ---- answers: functions of (request, the file's bytes) ----------------------------------------------

def _first_byte(request):
    found = re.match(r'^bytes=(\d+)-$', request.headers.get('Range', ''))
    return int(found.group(1)) if found else 0


def _head(request, code, headers):
    request.send_response(code)
    for name, value in headers.items():
        request.send_header(name, str(value))
    request.end_headers()


def send(request, data, upto=None, shift=0):
    """As a good server does: from the range's first byte on. `upto` bytes, then the line is cut."""
    first = _first_byte(request)
    if first and first >= len(data):
        return _head(request, 416, {'Content-Range': 'bytes */%d' % len(data), 'Content-Length': 0})
    headers = {'Content-Length': len(data) - first, 'ETag': '"x"', 'Accept-Ranges': 'bytes'}
    if first:
        headers['Content-Range'] = 'bytes %d-%d/%d' % (first + shift, len(data) - 1 + shift,
                                                       len(data) + shift)
    _head(request, 206 if first else 200, headers)
    body = data[first:]
    request.wfile.write(body if upto is None else body[:upto])
    if upto is not None:
        request.close_connection = True


def drop(after):
    """Cuts the line after so many bytes."""
    return lambda request, data: send(request, data, upto=after)


def no_ranges(request, data, upto=None):
    """A server that has never heard of ranges."""
    _head(request, 200, {'Content-Length': len(data)})
    request.wfile.write(data if upto is None else data[:upto])
    if upto is not None:
        request.close_connection = True


def another_range(request, data):
    """Sends a part, but not the one that was asked for."""
    send(request, data, shift=7 if _first_byte(request) else 0)


def length(n):
    """Announces n bytes."""
    def answer(request, data):
        _head(request, 200, {'Content-Length': n})
        request.wfile.write(data[:n])
        request.close_connection = True
    return answer


def chunks(extra=b'', upto=None):
    """Does not say how long it will be, and sends `extra` after the file, or only `upto` of it."""
    def answer(request, data):
        _head(request, 200, {'Transfer-Encoding': 'chunked'})
        for piece in ((data + extra)[:upto],):
            request.wfile.write(b'%x\r\n' % len(piece) + piece + b'\r\n')
        request.wfile.write(b'0\r\n\r\n')
    return answer


def other_bytes(request, data):
    """The right length, the wrong file."""
    send(request, bytes(b ^ 1 for b in data))


def raw(body):
    """This body, whatever was asked for."""
    def answer(request, _):
        _head(request, 200, {'Content-Length': len(body)})
        request.wfile.write(body)
    return answer


def status(code, headers=None):
    def answer(request, _):
        body = b'{"error": "told to"}'
        _head(request, code, {'Content-Length': len(body), **(headers or {})})
        request.wfile.write(body)
    return answer


def redirect(place, file=None, code=302):
    def answer(request, _):
        headers = {'Location': place, 'Content-Length': 0}
        if file is not None:
            headers['X-Linked-Size'] = len(file)
            headers['X-Linked-ETag'] = '"%s"' % hashlib.sha256(file).hexdigest()
        _head(request, code, headers)
    return answer


def stall(after, seconds=30):
    """So many bytes, and then nothing for as long as anybody waits."""
    def answer(request, data):
        _head(request, 200, {'Content-Length': len(data)})
        request.wfile.write(data[:after])
        request.wfile.flush()
        end = time.time() + seconds
        while time.time() < end:
            time.sleep(0.05)
            try:  # until the client has gone
                request.connection.settimeout(0.05)
                if request.connection.recv(1) == b'':
                    break
            except TimeoutError:
                pass
            except OSError:
                break
        request.close_connection = True
    return answer


def slowly(rate):
    """So many bytes a second."""
    def answer(request, data):
        first = _first_byte(request)
        _head(request, 206 if first else 200, {
            'Content-Length': len(data) - first,
            **({'Content-Range': 'bytes %d-%d/%d' % (first, len(data) - 1, len(data))}
               if first else {})})
        step = max(1, rate // 20)
        for at in range(first, len(data), step):
            request.wfile.write(data[at:at + step])
            time.sleep(0.05)
    return answer
