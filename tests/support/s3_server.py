"""An S3 server in this process, and what its clients must know; it forgets everything at its end."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@contextmanager
def s3_server() -> Generator[dict[str, str]]:
    """The environment by which clients find the server and are let in; skips where moto or s3fs is not installed."""
    s3fs = pytest.importorskip("s3fs", reason="no s3fs: pip install 'vilem-search[s3]'")
    server_module = pytest.importorskip("moto.server", reason="no moto")
    # it tells each request
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # what servers of this process hold is one for all of them, and outlives each
    httpx.post(f"http://{host}:{port}/moto-api/reset", trust_env=False).raise_for_status()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "a key",
            "AWS_SECRET_ACCESS_KEY": "a secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()
        # fsspec keeps clients, and they keep the address
        s3fs.S3FileSystem.clear_instance_cache()


def upload(folder: Path, bucket: str) -> None:
    """Make *bucket* and put all files under *folder* into it; the environment says where."""
    import s3fs

    # of an instance of its own: others may remember another server
    system = s3fs.S3FileSystem(skip_instance_cache=True)
    system.mkdir(bucket)
    for file in folder.rglob("*"):
        if file.is_file():
            system.put_file(str(file), f"{bucket}/{file.relative_to(folder)}")
