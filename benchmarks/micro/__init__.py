"""Single steps of the library, timed by pytest-benchmark: ``python -m pytest benchmarks/micro``.

Strategy: each test times one step on many records or one image; ``OPS`` times the number in the test's name gives records or
images a second. Nothing is judged: figures are for comparing two versions on one machine (``--benchmark-autosave``,
``--benchmark-compare``).
"""
