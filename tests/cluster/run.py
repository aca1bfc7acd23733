"""`make test-k8s`: the suite on a real cluster, in the middle of traffic.

    run.py --url http://ADDRESS [--overlay generous|production] [--next TAG] [--only WORDS] [--no-apply]

It takes KUBECONFIG, and images of the suite that the cluster can start: those that the overlay names, and, for the step that
upgrades, the same under the tag that --next gives. ADDRESS is where the ingress, or a forwarded port, takes HTTP. It applies the
overlay `local` with limits out of the way (or `production`, as tests/cluster/production fits it onto one node), tries every
connection between pods, and then does one thing after the other to the cluster while people talk. What they have been told and
shown is checked as in tests/faults; a table tells of each step how many
sends were acknowledged meanwhile, how long the longest silence between two was, how often somebody had to come back and how long
that took, and how many streams had to be read anew. Exit code 1 if anything is wrong.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
import time
from dataclasses import dataclass

from tests.cluster.cluster import Cluster
from tests.cluster.network import differences
from tests.cluster.steps import NEW_EPOCHS, SERVERS, Step, apply, steps
from tests.conftest import GivenSuite
from tests.faults.traffic import PEOPLE, Crowd
from tests.protocol_client import Person, close_everything, keep_open

RESUME_P95_S = 3.0
MOST_SHOWN = 40
AFTERWARDS = 60
"""So many further acknowledgements before a step counts as survived."""


@dataclass(frozen=True, slots=True)
class Row:
    """One step. seconds: until the cluster was whole again. silence: between two acknowledgements, the longest."""

    name: str
    seconds: float
    acknowledged: int
    silence: float
    resumes: list[float]
    resyncs: int
    findings: list[str]


async def silences(crowd: Crowd, found: list[float]) -> None:
    """Notes how long nothing was acknowledged, until it is cancelled."""
    since, known = time.monotonic(), crowd.acknowledged
    while True:
        await asyncio.sleep(0.02)
        if crowd.acknowledged != known:
            since, known = time.monotonic(), crowd.acknowledged
        found[0] = max(found[0], time.monotonic() - since)


async def survived(cluster: Cluster, suite: GivenSuite, people: list[Person], name: str, step: Step) -> Row:
    """Do it while everybody talks, and read their records."""
    crowd = await Crowd(suite, people).start(pause=0.02)
    await crowd.until_more(AFTERWARDS, within=60)
    longest = [0.0]
    watching = asyncio.create_task(silences(crowd, longest))
    before, began = crowd.acknowledged, time.monotonic()
    await asyncio.to_thread(step, cluster)
    seconds = time.monotonic() - began
    await crowd.remove_the_outsider()
    await crowd.until_more(AFTERWARDS, within=60)
    watching.cancel()
    acknowledged = crowd.acknowledged - before
    findings = [f"{finding.kind}: {finding.detail}" for finding in await crowd.finish(anew=name in NEW_EPOCHS)]
    await close_everything()
    resumes = [took for talker in (*crowd.talkers, crowd.host) for took in talker.resumes]
    resyncs = sum(talker.resyncs for talker in (*crowd.talkers, crowd.host))
    return Row(name, seconds, acknowledged, longest[0], resumes, resyncs, findings)


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else sum(values)


def shown(row: Row) -> str:
    resumes = f"{len(row.resumes)} ({max(row.resumes):.1f} s)" if row.resumes else "0"
    return (
        f"| {row.name} | {row.seconds:.0f} s | {row.acknowledged:,} | {row.silence:.1f} s | {resumes} | {row.resyncs} |"
        f" {len(row.findings)} |\n"
    )


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--overlay", default="generous", choices=SERVERS)
    parser.add_argument("--next", metavar="TAG")
    parser.add_argument("--only", default="", metavar="WORDS", help="steps whose names contain this")
    parser.add_argument("--no-apply", action="store_true")
    arguments = parser.parse_args()
    cluster = Cluster()
    if not arguments.no_apply:
        await asyncio.to_thread(apply(arguments.overlay, None), cluster)
    tries, wrong = await asyncio.to_thread(differences, cluster, arguments.overlay)
    sys.stdout.write(f"{tries} connections between pods tried; {len(wrong)} are not as the policies mean it\n\n")
    suite = GivenSuite([arguments.url] * 2, cluster.secret("parley-auth", "PARLEY_AUTH_OPERATOR_KEY"))
    suite.start()
    people = [keep_open(await Person(arguments.url, f"u{secrets.token_hex(6)}").register()) for _ in range(PEOPLE)]
    sys.stdout.write(
        "| step | whole again after | sends acknowledged meanwhile | longest silence | resumes (slowest) | resyncs | wrong |\n"
    )
    sys.stdout.write("|---|--:|--:|--:|--:|--:|--:|\n")
    rows = []
    for name, step in steps(arguments.overlay, arguments.next).items():
        if arguments.only in name:
            for person in people:
                await person.sign_in()  # an access token lives for ten minutes
            rows.append(await survived(cluster, suite, people, name, step))
            sys.stdout.write(shown(rows[-1]))
            sys.stdout.flush()
    resumes = [took for row in rows for took in row.resumes]
    acknowledged = sum(row.acknowledged for row in rows)
    sys.stdout.write(f"\n{acknowledged:,} sends; {len(resumes)} resumes, p95 {p95(resumes):.2f} s\n")
    wrong += [f"{row.name}: {finding}" for row in rows for finding in row.findings]
    if p95(resumes) > RESUME_P95_S:
        wrong.append(f"95 of 100 resumes took up to {p95(resumes):.1f} s")
    for sentence in wrong[:MOST_SHOWN]:
        sys.stdout.write(f"✗ {sentence[:300]}\n")
    if len(wrong) > MOST_SHOWN:
        sys.stdout.write(f"… and {len(wrong) - MOST_SHOWN:,} more\n")
    for person in people:
        await person.http.aclose()
    suite.remove()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
