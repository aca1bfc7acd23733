"""On what it was measured, and where the figures go. Needs nothing that only some benchmarks need."""

import platform
from pathlib import Path

import psutil


def described() -> str:
    """Processor, memory, system."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, {system}"


def put_figures(page: Path, name: str, figures: str) -> None:
    """Between `<!-- NAME -->` and `<!-- /NAME -->`."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise SystemExit(f"{page} has no place for figures: {begin} … {end}")
    page.write_text(f"{before}{begin}\n{figures}{end}{after}")
