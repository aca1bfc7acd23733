"""Sealing: objects that are streamed, and keys that are wrapped under a key that is in no database."""
