from __future__ import annotations
class JsonTask: pass
def cut_json(account, spec, window_bytes): yield from ()
