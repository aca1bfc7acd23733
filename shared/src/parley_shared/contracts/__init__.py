"""What crosses the wire, one module per owner. Pure: no I/O, no framework but msgspec."""
