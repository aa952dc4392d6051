"""The pure core: formats, lists, splits and plans, as functions from values to values.

Nothing here opens a file, starts a process, reads a clock or knows what an image is. May import: the standard library,
numpy, ``recordio_kit.errors``.
"""
