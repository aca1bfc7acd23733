"""Bytes of images between clients and S3: sealed and opened on the way, and never whole in memory."""
