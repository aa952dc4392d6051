"""Where bytes live: stores and what reads and writes records through them.

A ``Store`` is a root (a folder, a bucket prefix, a dict) and names under it. Only this package and ``recordio_kit.s3``
touch bytes at rest. May import: ``recordio_kit._core``, ``recordio_kit.errors``.
"""
