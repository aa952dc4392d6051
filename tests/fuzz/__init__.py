"""Coverage-guided fuzzing of everything that reads bytes from elsewhere.

Strategy: a target is a function of bytes that raises where the library breaks a promise: an error of a foreign kind, a
warning, two readers that disagree, something that does not come back from its own writer. Targets know nothing of the
fuzzer; ``targets`` is the one table of them. ``python -m tests.fuzz`` runs them under atheris (``run``, ``child``), and
``tests/corpus/test_fuzz_corpus.py`` runs them without it over the inputs that ``kept`` stores.
"""
