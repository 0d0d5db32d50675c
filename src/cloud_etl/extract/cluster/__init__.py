"""Raw files read by the executors of a cluster."""

from cloud_etl.extract.cluster.read import read_on_cluster
from cloud_etl.extract.cluster.results import ClusterBatch, Places, WorkObject

__all__ = ["ClusterBatch", "Places", "WorkObject", "read_on_cluster"]
