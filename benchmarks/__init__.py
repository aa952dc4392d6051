"""How fast, beside its peers: whole processes, interleaved in one run, as ratios with their spread.

Strategy: ``rows`` is the table of what is measured and what it should reach; ``corpus`` and ``tree`` make what is measured on;
``race`` measures; ``work`` holds the scripts that run as contenders; ``report`` and ``plot`` say what came out.
"""
