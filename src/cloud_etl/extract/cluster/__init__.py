"""Raw files read by the executors of a cluster."""

from cloud_etl.extract.cluster.read import ClusterReader
from cloud_etl.extract.cluster.results import ClusterBatch, Places, WorkObject

__all__ = ["ClusterBatch", "ClusterReader", "Places", "WorkObject"]
