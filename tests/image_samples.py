"""Images that tests make: by formula, chunk by chunk, or stored as a few bytes where another encoder's bytes would differ."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
from PIL import Image


def pattern(height, width, channels=0):
    """Return pixels by a formula that every platform evaluates alike; no channel axis where channels is 0."""
    count = height * width * max(channels, 1)
    samples = (np.arange(count, dtype=np.int64) ** 2 // 7 % 256).astype(np.uint8)
    return samples.reshape((height, width, channels) if channels else (height, width))


def smooth(height, width):
    """Return RGB pixels that compress well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 255 // height, x * 255 // width, (x + y) * 255 // (height + width)], axis=-1).astype(np.uint8)


def jpeg(array=None, **options):
    """Return Pillow's JPEG of an array, 20x30 pixels by default."""
    out = io.BytesIO()
    Image.fromarray(smooth(20, 30) if array is None else array).save(out, "JPEG", **options)
    return out.getvalue()


def segment(marker, body):
    """Return a JPEG segment."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def insert(image, *segments):
    """Return a JPEG with segments put in front of all others."""
    return image[:2] + b"".join(segments) + image[2:]


def tiff(*entries, order="<", magic=42, count=None):
    """Return a TIFF block whose IFD0 has (tag, type, count, value bytes) entries."""
    fields = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", magic, 8)
    return head + struct.pack(order + "H", len(entries) if count is None else count) + fields


def orientation(value, order="<"):
    """Return the IFD entry of an EXIF orientation."""
    return (0x0112, 3, 1, struct.pack(order + "H", value))


def exif(*entries, **options):
    """Return the APP1 segment of a TIFF block."""
    return segment(0xE1, b"Exif\0\0" + tiff(*entries, **options))


def chunk(kind, body=b""):
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(height, width, depth=8, color=2, interlace=0):
    """Return a PNG's IHDR."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))


def png_of(*chunks):
    """Return the chunks as a PNG."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND")


def png(array, *extra, depth=8, color=None):
    """Return a PNG of [height, width(, channels)] samples or, for depths other than 8, of rows of packed bytes."""
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if color is None else color
    width = width * 8 // depth if channels == 1 and depth < 8 else width
    rows = array.astype(">u2") if depth == 16 else array
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return png_of(header(height, width, depth, color), *extra, chunk(b"IDAT", zlib.compress(lines)))


PALETTE = chunk(b"PLTE", bytes(i * 7 % 256 for i in range(768)))

#: A 17x13 JPEG that is to be turned, as its EXIF orientation 6 says.
TURNED = base64.b64decode("""
/9j/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBM
S0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8
fHx8fHx8fHx8fHx8fHz/wAARCAANABEDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAABAABAv/EABkQAQEAAwEAAAAAAAAAAAAAAAABAgMSE//EABYB
AQEBAAAAAAAAAAAAAAAAAAQDBf/EABoRAAICAwAAAAAAAAAAAAAAAAABAgQSFDH/2gAMAwEAAhEDEQA/AGXWy6yrjHNxgkK6BUo8DeaJ5iW10bWJ/9k=
""")

#: A 9x10 CMYK JPEG with Adobe's marker.
CMYK = base64.b64decode("""
/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAUDg8SDw0UEhASFxUUGB4yIR4cHB49LC4kMklATEtHQEZFUFpzYlBVbVZFRmSIZW13e4GCgU5gjZeMfZZzfoF8/8AA
FAgACgAJBEMRAE0RAFkRAEsRAP/EABgAAAMBAQAAAAAAAAAAAAAAAAMEBQYC/8QAIhAAAQMEAAcAAAAAAAAAAAAAAAEDBBFBUWEFEhMUFSEx/9oADgRDAE0A
WQBLAAA/ALk5777MtGsXHOIbNc65yEzrbHAXkNge62MzricaxIcVcqczLkscBVXKk+q5P//Z
""")

#: An 11x9 greyscale JPEG.
GREY = base64.b64decode("""
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/
wAALCAAJAAsBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EAB0QAAEEAgMAAAAAAAAAAAAAAAABAgMEISIxMkH/2gAIAQEAAD8ACow8YG2Q6JgNo+DbOiH/
2Q==
""")

#: A 10x12 progressive JPEG of ten scans.
PROGRESSIVE = base64.b64decode("""
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/
2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgARCAAMAAoDASIAAhEBAxEB/8QA
FQABAQAAAAAAAAAAAAAAAAAAAQP/xAAVAQEBAAAAAAAAAAAAAAAAAAADBP/aAAwDAQACEAMQAAABsVAm/8QAFhABAQEAAAAAAAAAAAAAAAAAEQAQ/9oACAEB
AAEFAiN//8QAFxEAAwEAAAAAAAAAAAAAAAAAAAEDIf/aAAgBAwEBPwGaw//EABYRAAMAAAAAAAAAAAAAAAAAAAABAv/aAAgBAgEBPwFQf//EABQQAQAAAAAA
AAAAAAAAAAAAACD/2gAIAQEABj8CH//EABQQAQAAAAAAAAAAAAAAAAAAACD/2gAIAQEAAT8hB//aAAwDAQACAAMAAAAQW//EABQRAQAAAAAAAAAAAAAAAAAA
AAD/2gAIAQMBAT8QD//EABYRAAMAAAAAAAAAAAAAAAAAAAABEf/aAAgBAgEBPxBMP//EABcQAQEBAQAAAAAAAAAAAAAAAAEAEBH/2gAIAQEAAT8QcELhf//Z
""")
