"""Every number that is part of the product's behaviour and not a setting. `docs/limits.md` is generated from here.

Each constant is followed by a one-line string that says what it bounds.
"""

from datetime import UTC, datetime

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""What a mute without end lasts until, where an instant must be said."""
BODY_CHARS = 8_000
"""Characters in a message body after NFC."""
FRAME_BYTES = 65_536
"""Bytes in one WebSocket frame from a client."""
CLIENT_MSG_ID_CHARS = 128
"""Characters in a client_msg_id."""
MENTIONS = 200
"""Names in one message that are looked up; further ones are text like any other."""
MENTION_ALL_MEMBERS = 1_000
"""Members of a room up to which `@all` mentions everybody."""
USERNAME_CHARS = 32
"""Characters in a username."""
DISPLAY_NAME_CHARS = 80
"""Characters in a display name."""
PASSWORD_MIN_CHARS = 15
"""Characters in a password, at least (NIST 800-63B-4, a password as the only factor)."""
PASSWORD_MAX_CHARS = 128
"""Characters in a password, at most."""
ROOM_NAME_CHARS = 80
"""Characters in a room's name."""
ROOM_TOPIC_CHARS = 500
"""Characters in a room's topic."""
PAGE_DEFAULT = 50
"""Items in a page unless `limit` says otherwise."""
PAGE_MAX = 200
"""Items in a page at most; a larger `limit` is refused."""
DIRECT_MEMBERS = 8
"""People in a direct room, the caller included."""
RESUME_STREAMS = 200
"""Streams that a resume may name, the user's own not counted."""
READY_ROOMS = 200
"""Most recently active rooms listed in `ready`."""
RESUME_EVENTS_PER_STREAM = 500
"""Missed events replayed for one stream; more is a resync."""
RESUME_EVENTS = 2_000
"""Missed events replayed in one resume."""
RESUME_BYTES = 1_048_576
"""Bytes of frames replayed in one resume."""
WATCH_USERS = 200
"""Users whose presence one connection watches."""
PRESENCE_TEXT_CHARS = 100
"""Characters in the text that somebody sets beside his presence."""
TYPING_MS = 6_000
"""Milliseconds after which typing is over by itself."""
TYPING_EVERY_MS = 3_000
"""Milliseconds between two typing hints of one user in one room; the newest of those in between is sent at their end."""
PRESENCE_WINDOW_MS = 1_000
"""Milliseconds in which changes of presence are gathered; the newest of each user is sent."""
SLOW_READER_EVENTS = 256
"""Events that may wait for a reader before it is closed with 4008."""
SLOW_READER_BYTES = 1_048_576
"""Bytes that may wait for a reader before it is closed with 4008."""
HEARTBEAT_MS = 25_000
"""Milliseconds between the server's pings."""
AUTH_TIMEOUT_S = 10.0
"""Seconds that a socket has for its `auth` frame."""
ROOM_UNDO_DAYS = 7
"""Days in which an owner may undo the deletion of a room."""
IDEMPOTENCY_HOURS = 24
"""Hours that an Idempotency-Key is remembered."""
REACTION_KINDS = 20
"""Different reactions that one message takes."""
REACTION_USERS = 20
"""People named for a reaction, the first ones; `count` counts all."""
RECIPIENTS_LISTED = 100
"""Members up to which receipts and typing name people; above, counts only."""
REASON_CHARS = 500
"""Characters in the reason of a mute, kick, ban, deletion or report, and in a report's resolution."""
SANCTION_MINUTES = 525_600
"""Minutes of a mute or ban with an end, at most."""
ACCESS_MINUTES = 1_440
"""Minutes for which an admin may be granted a room's content, at most."""
RETENTION_DAYS = 3_650
"""Days that a room may keep its messages, at most, if not for ever."""
UPLOAD_BYTES = 10_485_760
"""Bytes of an uploaded file, whatever Content-Length says."""
UPLOAD_ENVELOPE_BYTES = 65_536
"""Bytes of an upload's body besides the file: boundaries, headers of parts, other fields."""
TRANSFER_SECONDS = 600
"""Seconds that the bytes of one upload may take to come, or those of one image to go."""
UPLOAD_PACE = 8_192
"""Bytes a second that an upload must bring, waiting for S3 not counted."""
UPLOAD_PAUSE_SECONDS = 10
"""Seconds that an upload may fall behind that pace, or stand still."""
IMAGE_PIXELS = 25_000_000
"""Pixels of an image, and of each frame of an animation."""
ANIMATION_FRAMES = 300
"""Frames of an animation."""
ANIMATION_PIXELS = 100_000_000
"""Pixels of all frames of an animation together."""
THUMBNAIL_SIZES = (64, 320, 1280)
"""Pixels of the longer side of an image's thumbnails; what is smaller is not enlarged."""
MESSAGE_IMAGES = 10
"""Images in one message."""
IMAGE_UNUSED_HOURS = 48
"""Hours after which an image that no message carries is erased."""
SEARCH_CHARS = 200
"""Characters in a search."""
SEARCH_TERMS = 16
"""Words, phrases and filters in a search."""
SEARCH_PAGE = 50
"""Hits in a page of a search at most; a larger `limit` gets shorter pages, and `next`."""
EVENT_BUCKETS = 64
"""Buckets of JetStream subjects."""
LIVE_BUCKETS = 256
"""Buckets of live subjects."""
REPLY_BYTES = 786_432
"""Bytes after which a list in an RPC reply stops and says `next` (NATS carries 1 MiB at most)."""
SEND_BATCH = 256
"""Sends in one batch of a gateway's lane."""
SEND_BATCH_BYTES = 524_288
"""Bytes of bodies in one batch of a gateway's lane."""
