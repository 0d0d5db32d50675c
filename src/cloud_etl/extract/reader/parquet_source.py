from __future__ import annotations
class ParquetTask: pass
def cut_parquet(account, spec, window_bytes): yield from ()
