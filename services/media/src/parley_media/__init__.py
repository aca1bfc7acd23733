"""Images, in S3."""
