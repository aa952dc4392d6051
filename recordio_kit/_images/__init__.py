"""Images: looking at them without decoding, decoding, resizing, encoding, and the transforms made of these.

May import: ``recordio_kit._core``, ``recordio_kit.errors``, numpy, and, here alone, Pillow and the codec engines.
"""
