"""Amazon Redshift as the warehouse."""

from cloud_etl.load.redshift.loader import Loader

__all__ = ["Loader"]
