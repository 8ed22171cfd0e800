# SPDX-License-Identifier: BSD-2-Clause
#
# python_httpd.py ADDRESS PORT FOLDER: the standard library's web server, a thread for each
# connection.  GET serves files of the folder; POST answers with the body's MD5 sum.
import hashlib
import http.server
import os
import socket
import sys

os.chdir(sys.argv[3])


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        out = hashlib.md5(body).hexdigest().encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
