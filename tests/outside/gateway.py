"""The gateway as a process of its own: started with a configuration, known by its log, ended by a signal."""

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("WEIR_TARGET_DIR", REPOSITORY / "target"))
BINARY = Path(os.environ.get("WEIR_BIN", TARGET / "release/weir"))
PLUGINS = Path(os.environ.get("WEIR_PLUGINS_DIR", TARGET / "release/plugins"))
CACHE = TARGET / "outside/cache"

KEY = "client-key-5up3rs3cr3t"
UPSTREAM_SECRET = "sk-upstream-5up3rs3cr3t"

START_SECONDS = 120  # The first start compiles the plugins.
END_SECONDS = 20


def provider(name, plugin, base_url, models, **more):
    """An entry of `providers`. One attempt each, so that a fault shows and is not tried again."""
    entry = {"name": name, "plugin": plugin, "models": models, "retries": {"attempts": 1}, **more}
    if base_url:
        entry |= {"base_url": base_url, "api_key": UPSTREAM_SECRET}
    return entry


class Gateway:
    """A running gateway. `with Gateway(providers) as gateway:` ends it."""

    def __init__(self, providers, **more):
        self.folder = Path(tempfile.mkdtemp(prefix="weir-outside-"))
        config = {
            "listen": "127.0.0.1:0",
            "plugins": {"path": str(PLUGINS), "cache": str(CACHE)},
            "keys": [{"name": "dev", "key": KEY}],
            "providers": providers,
            # Scripts know every request that they are to get.
            "health_checks": {"enabled": False},
            **more,
        }
        file = self.folder / "weir.yaml"
        file.write_text(json.dumps(config, indent=2))
        self.lines = []
        self.addresses = queue.Queue()
        command = [BINARY, "serve", "--config", file]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={}
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            address = self.addresses.get(timeout=START_SECONDS)
        except queue.Empty:
            address = None
        if address is None:
            self.process.kill()
            raise RuntimeError("the gateway did not start:\n" + self.log())
        self.host, self.port = address.rsplit(":", 1)
        self.base_url = f"http://{address}/v1"

    def _read(self):
        for line in self.process.stdout:
            line = line.decode(errors="replace").rstrip("\n")
            self.lines.append(line)
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("message") == "listening":
                self.addresses.put(entry["address"])
        self.addresses.put(None)

    def log(self):
        """All that it printed so far."""
        return "\n".join(self.lines)

    def close(self):
        """Ends it as an operator would; kills it if it does not end."""
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(END_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
