"""A chat completions server of our own on the loopback, that is busy, slow, cut off or lies as it is told.

    with Server() as server:
        server.replies = lambda body: 'The answer is 4.'
        server.fault(status(429, retry_after=0), garbage(b'{'))
        ...

Each request takes the next of the faults; with none left it is answered well. `server.requests` remembers
what came.
"""
import collections
import http.server
import json
import threading
import time

Asked = collections.namedtuple('Asked', 'path headers body')


def status(code, retry_after=None, message='not now'):
    def answer(handler, _):
        body = json.dumps({'error': {'message': message}}).encode()
        handler.send_response(code)
        if retry_after is not None:
            handler.send_header('Retry-After', str(retry_after))
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return answer


def redirect(where):
    def answer(handler, _):
        handler.send_response(302)
        handler.send_header('Location', where)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
    return answer


def garbage(body):
    """These bytes as a body."""
    def answer(handler, _):
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return answer


def completion(text, finish='stop', **message):
    return garbage(json.dumps({'choices': [{'message': {'content': text, **message}, 'finish_reason': finish}],
                               'usage': {'completion_tokens': 3}}).encode())


def hang_up(after=0):
    """A body that ends too soon."""
    def answer(handler, _):
        handler.send_response(200)
        handler.send_header('Content-Length', '1000')
        handler.end_headers()
        handler.wfile.write(b'x' * after)
        handler.close_connection = True
    return answer


def flood(size):
    def answer(handler, _):
        handler.send_response(200)
        handler.send_header('Content-Length', str(size))
        handler.end_headers()
        for _ in range(size >> 16):
            handler.wfile.write(b' ' * (1 << 16))
    return answer


def sleep(seconds):
    def answer(handler, _):
        handler.server.site.stopping.wait(seconds)
        handler.close_connection = True
    return answer


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what half of the tests are about


class Server:
    def __init__(self):
        self.requests, self.faults, self.stopping, self.lock = [], [], threading.Event(), threading.Lock()
        self.replies = lambda body: 'The answer is 4.'
        self.delay, self.at_once, self.most_at_once = 0, 0, 0
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                with site.lock:
                    site.requests.append(Asked(self.path, dict(self.headers), body))
                    fault = site.faults.pop(0) if site.faults else None
                    site.at_once += 1
                    site.most_at_once = max(site.most_at_once, site.at_once)
                time.sleep(site.delay)
                try:
                    (fault or completion(site.replies(body)))(self, body)
                finally:
                    with site.lock:
                        site.at_once -= 1

            def log_message(self, *_):
                pass

        self.server = _Server(('127.0.0.1', 0), Handler)
        self.server.site = self
        self.url = 'http://127.0.0.1:%d/v1' % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def fault(self, *faults):
        self.faults.extend(faults)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
