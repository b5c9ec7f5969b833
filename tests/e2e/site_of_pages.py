# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Serves pages by HTTP, for recorders and exporters that read them."""

import http.server
import threading

import pytest


class Site:
    """Serves pages, path -> (content type, function that gives the body), until it is stopped."""

    def __init__(self, pages, port=None):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                content_type, body = site.pages.get(self.path, ("text/plain", None))
                content = body() if body else b"nothing here"
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.pages = pages
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port or 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(request):
    def begin(pages, port=None):
        made = Site(pages, port)
        request.addfinalizer(made.server.server_close)
        return made
    return begin
