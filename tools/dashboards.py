"""What the dashboards show: one page that says whether it is well, and one a service. `generate_dashboards.py` writes them for Grafana."""

from dataclasses import dataclass, field

Queries = list[tuple[str, str]]
"""(PromQL, legend) each."""


@dataclass(frozen=True)
class Panel:
    """unit: as Grafana calls it. kind: timeseries, or stat for one number. bad_from: from which value on it is red."""

    title: str
    queries: Queries
    unit: str = "short"
    description: str = ""
    kind: str = "timeseries"
    bad_from: float | None = None


@dataclass(frozen=True)
class Dashboard:
    """uid: its address in Grafana, and the name of its file."""

    uid: str
    title: str
    panels: list[Panel] = field(default_factory=list)


def quantile(share: float, metric: str, by: str = "", matching: str = "") -> str:
    """Of a histogram, over five minutes. by: labels to keep."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({metric}_bucket{matching}[5m])))"


def quantiles(metric: str, by: str = "", matching: str = "") -> Queries:
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        (quantile(0.5, metric, by, matching), f"{legend}half of them"),
        (quantile(0.99, metric, by, matching), f"{legend}99 of 100"),
    ]


def rate(metric: str, *by: str, matching: str = "", seconds: str = "5m") -> str:
    """A second, of a counter."""
    summed = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{summed} (rate({metric}{matching}[{seconds}]))"


def process(service: str) -> list[Panel]:
    """What every service's page ends with."""
    mine = f'{{service="{service}"}}'
    also = f'{{job="parley", service="{service}"}}'
    return [
        Panel("Replicas that are ready", [(f"sum(parley_ready{mine})", "ready"), (f"count(up{also})", "known")]),
        Panel(
            "Parts of readiness",
            [(f"min by (check) (parley_check{mine})", "{{check}}")],
            description="0 is what is missing.",
        ),
        Panel(
            "Calls served",
            [(rate("parley_rpc_served_seconds_count", "outcome", matching=mine), "{{outcome}}")],
            "reqps",
        ),
        Panel(
            "Time of a call, 99 of 100, the slowest",
            [(f"topk(8, {quantile(0.99, 'parley_rpc_served_seconds', 'subject', mine)})", "{{subject}}")],
            "s",
        ),
        Panel(
            "Calls to others that got no answer",
            [
                (
                    rate(
                        "parley_rpc_calls_total",
                        "subject",
                        "outcome",
                        matching=f'{{service="{service}", outcome=~"timeout|lost|nobody"}}',
                    ),
                    "{{subject}}: {{outcome}}",
                )
            ],
            "reqps",
        ),
        Panel(
            "Calls in work",
            [
                (f"parley_rpc_in_work{mine}", "{{instance}}"),
                (f"parley_rpc_awaited{mine}", "{{instance}}: asked of others"),
            ],
        ),
        Panel(
            "Late event loop, 99 of 100",
            [(quantile(0.99, "parley_loop_lag_seconds", "instance", mine), "{{instance}}")],
            "s",
        ),
        Panel("Processor", [(f"rate(process_cpu_seconds_total{also}[1m])", "{{instance}}")], "percentunit"),
        Panel("Memory", [(f"process_resident_memory_bytes{also}", "{{instance}}")], "bytes"),
        Panel("Open files", [(f"process_open_fds{also}", "{{instance}}")]),
        Panel(
            "Link to NATS",
            [
                (rate("parley_nats_reconnects_total", "instance", matching=mine), "{{instance}}: came back"),
                (rate("parley_nats_dropped_total", "instance", matching=mine), "{{instance}}: threw messages away"),
            ],
        ),
        Panel(
            "Periodic work that did not succeed",
            [
                (
                    rate(
                        "parley_job_runs_total", "work", "outcome", matching=f'{{service="{service}", outcome!="ok"}}'
                    ),
                    "{{work}}: {{outcome}}",
                )
            ],
        ),
    ]


def database(service: str) -> list[Panel]:
    """Of services with a schema."""
    mine = f'{{service="{service}"}}'
    return [
        Panel(
            "Connections to PostgreSQL",
            [
                (f"sum by (pool) (parley_pool_used{mine})", "{{pool}}: used"),
                (f"sum by (pool) (parley_pool_size{mine})", "{{pool}}: there may be"),
                (f"sum by (pool) (parley_pool_waiting{mine})", "{{pool}}: tasks that wait for one"),
            ],
        )
    ]


WELL = Dashboard(
    "parley",
    "Parley: is it well?",
    [
        Panel(
            "Alerts that fire",
            [('count(ALERTS{alertstate="firing", alertname=~"Parley.*"}) or vector(0)', "")],
            kind="stat",
            bad_from=1,
        ),
        Panel("Replicas that are not ready", [("count(parley_ready == 0) or vector(0)", "")], kind="stat", bad_from=1),
        Panel(
            "Sends answered, of those that could be",
            [
                (
                    '1 - (sum(rate(parley_sends_answered_total{outcome=~"unavailable|internal"}[5m])) or vector(0))'
                    " / clamp_min(sum(rate(parley_sends_answered_total[5m])) or vector(0), 0.001)",
                    "",
                )
            ],
            "percentunit",
            "What the server could not do; refusals for good reason are not counted.",
            "stat",
        ),
        Panel(
            "Replicas that answer",
            [('sum by (service) (up{job="parley"})', "{{service}}")],
            description="Two of each, or more; in Compose one.",
        ),
        Panel("Open sockets", [("sum(parley_connections)", "all"), ("parley_connections", "{{instance}}")]),
        Panel("Sends", [(rate("parley_sends_answered_total", "outcome", seconds="1m"), "{{outcome}}")], "reqps"),
        Panel("From send to ack", quantiles("parley_send_stage_seconds", matching='{stage="answer"}'), "s"),
        Panel(
            "From commit to sockets",
            quantiles("parley_delivery_seconds"),
            "s",
            "One live message in sixteen is looked at.",
        ),
        Panel("From commit to being found", quantiles("parley_search_lag_seconds"), "s"),
        Panel("HTTP by status", [(rate("parley_http_requests_total", "status"), "{{status}}")], "reqps"),
        Panel(
            "Calls between services without an answer",
            [
                (
                    rate("parley_rpc_calls_total", "service", "outcome", matching='{outcome=~"timeout|lost|nobody"}'),
                    "{{service}}: {{outcome}}",
                )
            ],
            "reqps",
        ),
        Panel(
            "Bugs",
            [
                (rate("parley_rpc_served_seconds_count", "service", matching='{outcome="internal"}'), "{{service}}"),
                (rate("parley_http_requests_total", matching='{status="500"}'), "gateway, HTTP"),
            ],
            "reqps",
        ),
        Panel(
            "Sockets closed",
            [(rate("parley_connections_closed_total", "code", "side"), "{{code}} by {{side}}")],
            "reqps",
        ),
        Panel(
            "What waits",
            [
                ("max(parley_outbox_rows)", "for JetStream"),
                ("max(parley_fanout_rows)", "for people to be notified"),
                ("max(parley_search_events_waiting)", "for search"),
                ("sum(parley_positions_waiting)", "positions"),
                ("sum(parley_send_queue)", "sends"),
                ("sum(parley_images_waiting)", "images"),
            ],
        ),
        Panel(
            "Late event loops, 99 of 100", [(quantile(0.99, "parley_loop_lag_seconds", "service"), "{{service}}")], "s"
        ),
        Panel("Releases", [("count by (version) (parley_build_info)", "{{version}}")]),
    ],
)

GATEWAY = Dashboard(
    "parley-gateway",
    "Parley: gateway",
    [
        Panel("Open sockets", [("parley_connections", "{{instance}}")]),
        Panel("Sockets that signed in", [(rate("parley_openings_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel("From token to live", quantiles("parley_opening_seconds"), "s"),
        Panel("Resumes", [(rate("parley_resumes_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel(
            "Replayed",
            [(rate("parley_replayed_events_total"), "events"), (rate("parley_replayed_bytes_total"), "bytes")],
        ),
        Panel(
            "Sockets closed",
            [(rate("parley_connections_closed_total", "code", "side"), "{{code}} by {{side}}")],
            "reqps",
        ),
        Panel("Frames of clients", [(rate("parley_frames_total", "type"), "{{type}}")], "reqps"),
        Panel("Frames that were refused", [(rate("parley_commands_refused_total", "code"), "{{code}}")], "reqps"),
        Panel("Sends answered", [(rate("parley_sends_answered_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel("Wait in lanes", quantiles("parley_send_stage_seconds", matching='{stage="lane"}'), "s"),
        Panel(
            "Lanes",
            [
                ("sum by (instance) (parley_lane_waiting)", "{{instance}}: sends waiting"),
                ("parley_lanes_busy", "{{instance}}: lanes under way"),
                ("parley_lanes", "{{instance}}: lanes"),
            ],
        ),
        Panel("Sends in a batch", quantiles("parley_lane_batch_size")),
        Panel(
            "Delivered",
            [
                (rate("parley_deliveries_total"), "events to sockets"),
                (rate("parley_live_events_total"), "events heard"),
            ],
            "reqps",
        ),
        Panel("From commit to sockets", quantiles("parley_delivery_seconds"), "s"),
        Panel(
            "Gaps",
            [
                (rate("parley_hub_reordered_total"), "closed by themselves"),
                (rate("parley_hub_fetches_total", "outcome"), "fetched: {{outcome}}"),
                (rate("parley_hub_fetched_events_total"), "events fetched"),
            ],
        ),
        Panel("Streams followed", [("parley_hubs", "{{instance}}"), ("parley_hubs_behind", "{{instance}}: behind")]),
        Panel(
            "Slow readers",
            [
                (rate("parley_readers_slow_total"), "did not take what was written"),
                (rate("parley_hints_dropped_total"), "hints dropped"),
            ],
        ),
        Panel(
            "Positions",
            [
                ("parley_positions_waiting", "{{instance}}: waiting"),
                (rate("parley_positions_flushed_total", "outcome"), "told: {{outcome}}"),
            ],
        ),
        Panel("HTTP", [(rate("parley_http_requests_total", "status"), "{{status}}")], "reqps"),
        Panel(
            "HTTP: time, 99 of 100, the slowest",
            [(f"topk(8, {quantile(0.99, 'parley_http_seconds', 'call')})", "{{call}}")],
            "s",
        ),
        Panel("Uploads", [(rate("parley_uploads_received_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel(
            "What it knows of accounts",
            [
                ("parley_revocations_age_seconds", "{{instance}}: revocations"),
                ("parley_jwks_age_seconds", "{{instance}}: keys"),
            ],
            "s",
        ),
        Panel("Openings and ends that presence was not told of", [("parley_connections_unreported", "{{instance}}")]),
        Panel(
            "S3: time, 99 of 100",
            [(quantile(0.99, "parley_s3_seconds", "operation", '{service="gateway"}'), "{{operation}}")],
            "s",
        ),
        Panel("Traces", [(rate("parley_traces_total", "why"), "{{why}}")], "reqps"),
        *process("gateway"),
    ],
)

MESSAGES = Dashboard(
    "parley-messages",
    "Parley: messages",
    [
        Panel("Sends", [(rate("parley_sends_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel(
            "Where the time of a send goes, 99 of 100",
            [(quantile(0.99, "parley_send_stage_seconds", "stage"), "{{stage}}")],
            "s",
        ),
        Panel(
            "Where the time of a send goes, half of them",
            [(quantile(0.5, "parley_send_stage_seconds", "stage"), "{{stage}}")],
            "s",
        ),
        Panel("Sends in a transaction", quantiles("parley_send_batch_size")),
        Panel(
            "Sends that wait",
            [
                ("parley_send_queue", "{{instance}}"),
                ("parley_send_keyless", "{{instance}}: for a key"),
                ("parley_send_untold", "{{instance}}: committed, not told"),
            ],
        ),
        Panel(
            "Transactions that came to nothing", [(rate("parley_send_batches_failed_total", "why"), "{{why}}")], "reqps"
        ),
        Panel(
            "Told to gateways",
            [
                (rate("parley_live_published_total"), "events"),
                (rate("parley_live_unpublished_total"), "could not be told"),
            ],
            "reqps",
        ),
        Panel(
            "Outbox",
            [("max(parley_outbox_rows)", "rows"), (rate("parley_outbox_relayed_total"), "acknowledged a second")],
        ),
        Panel("Age of the outbox", [("max(parley_outbox_age_seconds)", "the oldest row")], "s"),
        Panel("Newest events in memory", [(rate("parley_tail_lookups_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel("Memory of these", [("parley_tail_bytes", "{{instance}}")], "bytes"),
        Panel("Positions that grew", [(rate("parley_positions_moved_total"), "a second")], "reqps"),
        Panel("Notifications", [(rate("parley_notifications_total", "kind"), "{{kind}}")], "reqps"),
        Panel("Messages whose people are to be notified", [("max(parley_fanout_rows)", "waiting")]),
        Panel(
            "Images of deleted messages",
            [
                ("max(parley_images_unreleased)", "media is to erase"),
                (rate("parley_images_released_total"), "told a second"),
            ],
        ),
        Panel("Removed by retention", [(rate("parley_retention_messages_total"), "messages a second")]),
        Panel(
            "Wrapping key",
            [
                (
                    rate("parley_wrapping_total", "operation", "outcome", matching='{service="messages"}'),
                    "{{operation}}: {{outcome}}",
                )
            ],
            "reqps",
        ),
        *database("messages"),
        *process("messages"),
    ],
)

AUTH = Dashboard(
    "parley-auth",
    "Parley: auth",
    [
        Panel("Passwords that wait for being hashed", [("parley_hashes_waiting", "{{instance}}")]),
        Panel(
            "Signing key", [("min(parley_signing_key_until_timestamp_seconds) - time()", "signs for so long yet")], "s"
        ),
        Panel("Erasure under way for", [("max(parley_erasure_age_seconds)", "the oldest")], "s"),
        *database("auth"),
        *process("auth"),
    ],
)

PRESENCE = Dashboard(
    "parley-presence",
    "Parley: presence",
    [
        Panel("Changes told", [(rate("parley_presence_published_total"), "a second")], "reqps"),
        Panel(
            "Leases of gateways",
            [(rate("parley_leases_registered_total"), "begun"), (rate("parley_leases_lost_total"), "lost")],
        ),
        *database("presence"),
        *process("presence"),
    ],
)

MEDIA = Dashboard(
    "parley-media",
    "Parley: media",
    [
        Panel("Uploads", [(rate("parley_uploads_total", "outcome"), "{{outcome}}")], "reqps"),
        Panel("Uploads that wait for being decoded", [("parley_images_waiting", "{{instance}}")]),
        Panel("Decoding", quantiles("parley_image_decode_seconds", "kind"), "s"),
        Panel(
            "Calls to S3",
            [
                (
                    rate("parley_s3_seconds_count", "operation", "outcome", matching='{service="media"}'),
                    "{{operation}}: {{outcome}}",
                )
            ],
            "reqps",
        ),
        Panel(
            "S3: time, 99 of 100",
            [(quantile(0.99, "parley_s3_seconds", "operation", '{service="media"}'), "{{operation}}")],
            "s",
        ),
        Panel("Images erased", [(rate("parley_images_erased_total", "why"), "{{why}}")], "reqps"),
        Panel(
            "Bucket against database",
            [
                ("max(parley_objects_missing)", "missing"),
                (rate("parley_objects_stray_total"), "stray, deleted a second"),
            ],
        ),
        Panel(
            "Wrapping key",
            [
                (
                    rate("parley_wrapping_total", "operation", "outcome", matching='{service="media"}'),
                    "{{operation}}: {{outcome}}",
                )
            ],
            "reqps",
        ),
        *database("media"),
        *process("media"),
    ],
)

SEARCH = Dashboard(
    "parley-search",
    "Parley: search",
    [
        Panel("From commit to being found", quantiles("parley_search_lag_seconds"), "s"),
        Panel("Events that no replica has worked on", [("max(parley_search_events_waiting)", "at JetStream")]),
        Panel("Rooms that are behind", [("max(parley_search_rooms_behind)", "when all were compared last")]),
        Panel("Indexed", [(rate("parley_search_indexed_total", "source", "kind"), "{{source}}: {{kind}}")], "reqps"),
        Panel("Parts of a search, 95 of 100", [(quantile(0.95, "parley_search_seconds", "part"), "{{part}}")], "s"),
        *database("search"),
        *process("search"),
    ],
)

DASHBOARDS = (WELL, GATEWAY, MESSAGES, AUTH, PRESENCE, MEDIA, SEARCH)
