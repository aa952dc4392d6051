"""The trips: make lists, pack them, resume, read back, verify, and operate on records.

Rooms below hand in their tools; nothing here knows a codec or a cloud. May import: ``recordio_kit._core``,
``recordio_kit._images``, ``recordio_kit._storage``, ``recordio_kit.errors``.
"""
