"""COPY from S3 and UNLOAD to S3."""
