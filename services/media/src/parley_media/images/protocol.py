"""What a decoder and whoever started it say to each other. Neither Pillow nor anything else is needed to know it."""

from typing import Final

READY: Final = b"+"
"""The decoder stands behind its walls."""
NO_WALLS: Final = 3
"""The exit code where this machine has no walls; why is on the standard error."""
ORIGINAL: Final = "original"
"""The part that is the image itself; others are called by the size of a thumbnail."""
OUTPUT_BYTES: Final = 33_554_432
"""Of all parts together."""
