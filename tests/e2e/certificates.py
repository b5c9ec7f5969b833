# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Certificates for tests, made by openssl: an authority and what it signs, and web configurations."""

import os
import subprocess

PASSWORD = "open sesame"
# Of PASSWORD, as htpasswd -nBC 10 makes them.
HASH = "$2y$10$abcdefghijklmnopqrstuu4SuEsu2LsUrAYUpWQHLMMc4GV5pZTxK"
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
MUTUAL = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


class Authority:
    """Files in a folder: ca.pem, and NAME.pem with NAME.key for each name that is issued."""

    def __init__(self, folder, tool, name="ca"):
        self.folder, self.tool, self.name = folder, tool, name
        folder.mkdir(exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                     "-subj", f"/CN={name} {os.getpid()}")
        self.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.issue("client", "DNS:prometheus.example")

    def openssl(self, *arguments):
        subprocess.run([self.tool("openssl"), *arguments], cwd=self.folder, check=True,
                       capture_output=True, timeout=60)

    def issue(self, name, alternative_names):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "1",
                     "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative_names}",
                     "-addext", "basicConstraints=critical,CA:FALSE",
                     "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key")

    @property
    def ca(self):
        return self.folder / f"{self.name}.pem"

    def web(self, text):
        """Writes the web configuration; its path."""
        path = self.folder / "web.yml"
        path.write_text(text)
        return path
