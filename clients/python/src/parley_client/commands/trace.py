"""`parley trace`: where the time of one message went, from the trace files of this machine."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from parley_client.commands.session import out
from parley_client.traces import Span, of_message, read, trees

BAR = 40
SHOWN = ("parley.refused", "error.type", "parley.sends", "parley.readers", "parley.held", "http.response.status_code")

Home = Annotated[
    Path | None, typer.Option("--home", help="Where make run keeps its state; PARLEY_HOME or .parley, otherwise.")
]


def trace(
    message_id: Annotated[UUID, typer.Argument(help="As `parley tail --json` and the API show it.")], home: Home = None
) -> None:
    """What happened to a message, as a waterfall: each service, each statement, each gateway."""
    folder = (home or Path(os.environ.get("PARLEY_HOME", ".parley"))) / "traces"
    if not folder.is_dir():
        out.print(f"[red]✗[/red] There are no traces in {folder}. Name the home of the suite: --home")
        raise typer.Exit(1)
    spans = of_message(read(folder), str(message_id))
    if not spans:
        out.print(
            f"[red]✗[/red] No trace of {message_id} in {folder}. One in so many is recorded (PARLEY_GATEWAY_TRACE_RATIO), and"
            " those that a client asks for with `trace`, as `parley send` does."
        )
        raise typer.Exit(1)
    out.print(waterfall(spans))


def waterfall(spans: list[Span]) -> Table:
    """spans: of one message, by their start."""
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    table = Table(
        box=None, pad_edge=False, title_justify="left", title=f"trace {spans[0].trace}, {(end - begin) / 1e6:.1f} ms"
    )
    for column, justify in (
        ("what", "left"),
        ("where", "left"),
        ("at ms", "right"),
        ("took ms", "right"),
        ("", "left"),
    ):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # rich names its literals itself

    def add(span: Span, depth: int) -> None:
        told = " ".join(
            f"{name.rpartition('.')[2]}={span.attributes[name]}" for name in SHOWN if name in span.attributes
        )
        name = f"{'  ' * depth}{escape(span.name)}" + (f" [dim]{escape(told)}[/dim]" if told else "")
        table.add_row(
            f"[red]{name}[/red]" if span.failed else name,
            span.where,
            f"{(span.start - begin) / 1e6:.1f}",
            f"{span.milliseconds:.1f}",
            _bar(span, begin, max(1, end - begin)),
        )
        for child in span.children:
            add(child, depth + 1)

    for root in trees(spans):
        add(root, 0)
    return table


def _bar(span: Span, begin: int, whole: int) -> str:
    first = (span.start - begin) * BAR // whole
    last = max(first + 1, -(-(span.end - begin) * BAR // whole))
    return f"[dim]{'·' * first}[/dim]{'█' * (last - first)}[dim]{'·' * (BAR - last)}[/dim]"
