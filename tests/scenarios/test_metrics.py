"""A run seen by whoever scrapes."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tests.scenarios.conftest import Shell


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_run_is_printed_written_and_served(shell: Shell) -> None:
    shell("run", "-y", "--", sys.executable, "-c", "print('hello')")
    assert 'state="succeeded"} 1.0' in shell("metrics").stdout

    shell("metrics", "--file", "shoestring.prom")
    assert "shoestring_run_state" in (shell.folder / "shoestring.prom").read_text()
    assert "No such file" in shell("metrics", "--file", "nowhere/x.prom", code=2).stderr

    port = free_port()
    command = [
        sys.executable,
        "-c",
        "from shoestring.app.cli import main; main()",
        "metrics",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, env=shell.env, stdout=subprocess.DEVNULL) as server:
        try:
            assert 'state="succeeded"} 1.0' in scraped(f"http://127.0.0.1:{port}/metrics")
        finally:
            server.terminate()


def scraped(url: str) -> str:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            assert time.monotonic() < end, "the server did not come up"
            time.sleep(0.1)
