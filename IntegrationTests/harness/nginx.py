"""An nginx of our own, with certificates from an authority."""

import shutil
import subprocess
import time
from pathlib import Path

import requests

from .environment import clean_environment
from .ports import free_port

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        {settings}
        location / {{ return 200 "served to $ssl_client_s_dn"; }}
    }}
}}
"""


class Nginx:
    """Serves with the key and the chain in `server.pem` of its folder."""

    def __init__(self, folder: Path, *settings: str):
        self.folder, self.port = folder, free_port()
        text = _CONFIGURATION.format(folder=folder, port=self.port, settings="\n        ".join(settings))
        (folder / "nginx.conf").write_text(text)

    def __enter__(self) -> "Nginx":
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(
            [program, "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            assert self.process.poll() is None, (self.folder / "error.log").read_text()
            try:
                requests.get(f"https://127.0.0.1:{self.port}/", verify=False, timeout=5)
                return self
            except requests.ConnectionError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "error.log").read_text())

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(10)

    def curl(self, host: str, authority: Path, *options: str) -> subprocess.CompletedProcess:
        """Asks for the page; the last line of the output is the status."""
        return subprocess.run(
            ["curl", "-sS", "--cacert", str(authority), "--resolve", f"{host}:{self.port}:127.0.0.1", "-w", "\n%{http_code}"]
            + [*options, f"https://{host}:{self.port}/"],
            capture_output=True,
            text=True,
            timeout=30,
            env=clean_environment(),
        )
