# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A receiver of OTLP over HTTP that decodes strictly, with OpenTelemetry's own messages."""

import gzip
import http.server
import threading

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service

ENDED = 1  # the flag NO_RECORDED_VALUE


def unknown_fields(message):
    """Whether the decoder met something that its definitions do not have."""
    from google.protobuf.unknown_fields import UnknownFieldSet
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is not None:
            parts = value if field.is_repeated else [value]
            if any(unknown_fields(part) for part in parts):
                return True
    return False


def attributes(of):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of}


class Receiver:
    """What is answered with 200 is kept: (kind, unit, monotonic, point) by name."""

    def __init__(self):
        self.lock = threading.Lock()
        self.points = {}
        self.resources = []
        self.headers = []
        self.problems = []
        self.answer = lambda request: (200, {}, service.ExportMetricsServiceResponse())
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, answer = receiver.take(self.path, dict(self.headers), body)
                content = answer.SerializeToString()
                self.send_response(status)
                for name, value in {"Content-Type": "application/x-protobuf",
                                    "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        with self.lock:
            self.headers.append(headers)
            if path != "/v1/metrics" or headers["Content-Type"] != "application/x-protobuf":
                self.problems.append((path, headers))
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = service.ExportMetricsServiceRequest()
            request.ParseFromString(body)
            if len(self.headers) <= 5 and unknown_fields(request):  # which takes long
                self.problems.append("unknown fields")
            status, more, answer = self.answer(request)
            if status == 200:
                self.keep(request)
            return status, more, answer

    def keep(self, request):
        for resource in request.resource_metrics:
            self.resources.append(attributes(resource.resource.attributes))
            for scope in resource.scope_metrics:
                if scope.scope.name != "rezolus" or not scope.scope.version:
                    self.problems.append(scope.scope)
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    data = getattr(metric, kind)
                    if kind not in ("gauge", "summary") and data.aggregation_temporality != 2:
                        self.problems.append(metric.name + " is not cumulative")
                    for point in data.data_points:
                        self.points.setdefault(metric.name, []).append(
                            (kind, metric.unit, kind == "sum" and data.is_monotonic, point))

    def all(self):
        with self.lock:
            return {name: list(points) for name, points in self.points.items()}

    def times(self, name):
        """Of its first series."""
        with self.lock:
            points = [point for _, _, _, point in self.points.get(name, [])]
        return [point.time_unix_nano / 1e9 for point in points if point.flags != ENDED
                and point.attributes == points[0].attributes]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
