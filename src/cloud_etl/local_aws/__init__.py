"""AWS on this machine: an S3 and AWS API server and a server that speaks Redshift."""
