"""A service under kill -9 while clients write: what it acknowledged is there, once, when it comes back."""

import base64
import random
import threading
import time
from pathlib import Path

import httpx

from tests.support.collections import colour_picture, make_colours
from tests.support.servers import serving
from tests.support.tiny_bundle import COLOURS

ITEMS = "/v1/collections/colours/items"
SEARCH = "/v1/collections/colours/search"
WRITERS, KILLS = 4, 2


class Client:
    """One that puts and removes items of its own, and remembers what was acknowledged, and what was not.

    Attributes:
        known: shade of each item that was acknowledged; None = its removal was.
        open: what was sent and not answered.
        failed: answers that were neither an acknowledgement nor a broken connection.
    """

    def __init__(self, number: int) -> None:
        self.known: dict[str, int | None] = {}
        self.open: dict[str, int | None] = {}
        self.failed: list[str] = []
        self._number = number
        self._chance = random.Random(number)
        self._colour = list(COLOURS)[number]

    def picture(self, shade: int) -> bytes:
        """Of its own colour."""
        return colour_picture(self._colour, shade)

    def write(self, port: int, stop: threading.Event) -> None:
        """Write until told to stop, or until nobody answers."""
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            while not stop.is_set():
                item_id, shade = f"own-{self._number}-{self._chance.randrange(12)}", self._chance.randrange(1, 12)
                removes = self._chance.random() < 0.3
                self.open = {item_id: None if removes else shade}
                try:
                    if removes:
                        answer = client.request("DELETE", ITEMS, json={"ids": [item_id]})
                    else:
                        image = base64.b64encode(self.picture(shade)).decode()
                        item = {"id": item_id, "image": image, "metadata": {"shade": shade}}
                        answer = client.put(ITEMS, json={"items": [item]})
                except httpx.TransportError:
                    return
                if answer.status_code != 200 or answer.json()["results"][0]["status"] == "rejected":
                    self.failed.append(answer.text)
                    continue
                self.known |= self.open
                self.open = {}

    def check(self, client: httpx.Client) -> None:
        """Compare with what the service shows; what was left open is settled by that."""
        for item_id, shade in list(self.known.items()):
            answer = client.get(f"{ITEMS}/{item_id}")
            there = answer.json()["metadata"]["shade"] if answer.status_code == 200 else None
            allowed = {shade, self.open[item_id]} if item_id in self.open else {shade}
            assert there in allowed, f"{item_id} is {there}, and {allowed} was acknowledged or sent"
            self.known[item_id] = there
            if there is not None:
                assert self.picture(there) == client.get(f"{ITEMS}/{item_id}/image").content


def test_what_a_killed_service_acknowledged_is_there(tmp_path: Path, tiny_bundle: Path) -> None:
    """Killed while four clients write, over and over: each acknowledged item is as it was written, findable, with its picture."""
    make_colours(tmp_path, tiny_bundle)
    clients = [Client(number) for number in range(WRITERS)]
    for kill in range(KILLS):
        with serving(tmp_path, tmp_path / f"log-{kill}", publish_rows=30, poll_s=0.1) as server:
            for each in clients:
                each.check(server.client)
            stop = threading.Event()
            threads = [threading.Thread(target=each.write, args=(server.port, stop)) for each in clients]
            for thread in threads:
                thread.start()
            time.sleep(1.5 + kill)
            server.process.kill()
            stop.set()
            for thread in threads:
                thread.join()
    assert not any(each.failed for each in clients), clients[0].failed
    with serving(tmp_path, tmp_path / "log-last") as server:
        for each in clients:
            each.check(server.client)
        there = {item for each in clients for item, shade in each.known.items() if shade is not None}
        hits = server.client.post(SEARCH, json={"query": {"text": "red"}, "limit": 100}).json()["hits"]
        own = [hit["id"] for hit in hits if hit["id"].startswith("own")]
        assert len(set(own)) == len(own)
        assert there <= set(own)
        assert len(there) > 5
