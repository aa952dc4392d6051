"""How fast, beside its peers: whole processes, interleaved in one run, as ratios with their spread."""
