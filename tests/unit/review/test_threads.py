"""Check that several threads can read the first objects of a process together."""

import subprocess
import sys

import pytest

ROUNDS = 6
PREPARE = """
import sys, threading
sys.setswitchinterval(1e-6)
together = threading.Barrier(16)
def first(number):
    together.wait()
    read(number)
def run():
    threads = [threading.Thread(target=first, args=(number,)) for number in range(16)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
READS = {
    "reviews": """
from tests.reviews import GOOD, deployment, encoded, pod
from webhook.review.decode import decode
bodies = [encoded(pod(GOOD)), encoded(deployment(GOOD))]
def read(number): decode(bodies[number % 2], {})
""",
    "policies": """
from webhook.netpol.reading import read_json
sources = [
    (("networking.k8s.io", "networkpolicies"), b'{"metadata":{"name":"x"},"spec":{"podSelector":{},"ingress":[{}]}}'),
    (("projectcalico.org", "networkpolicies"), b'{"metadata":{"name":"x"},"spec":{"selector":"all()"}}'),
]
def read(number): read_json(*sources[number % 2])
""",
}


@pytest.mark.parametrize("what", READS)
def test_first_objects_in_many_threads_do_not_end_the_process(what: str) -> None:
    """A race at the first use of a type in msgspec is a segmentation fault, which ended half of such processes."""
    for _ in range(ROUNDS):
        script = f"{PREPARE}\n{READS[what]}\nrun()"
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
