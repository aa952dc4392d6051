"""Images: the gate in front of every decoder, codecs and their engines, resizing, metadata, and what a pack may do to an image.

Strategy: bytes in, bytes or arrays out; nothing here opens a file. ``gate`` judges bytes in plain Python before any decoder
sees them, ``check`` holds the decode-verify rule, ``codec`` and ``resize`` give the pixels and bytes of OpenCV 4.8 (what
im2rec uses) from whichever of the ``engines`` is here, ``foreign`` reads further formats, ``transform`` is the closed set of
things that a pack may do. The only package that imports a codec library.
May import: ``recordio_kit._core``, ``recordio_kit.errors``, Pillow, the optional JPEG engines.
"""
