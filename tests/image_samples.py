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


def grain(height, width, channels):
    """Return slopes under noise, from NumPy's frozen generator: pixels that compress as a photograph's do."""
    y, x, z = np.mgrid[:height, :width, :channels]
    noise = np.frombuffer(np.random.RandomState(0).bytes(y.size), np.uint8).reshape(y.shape)
    return ((y * (z + 1) + x * (4 - z)) // 3 % 200 + noise % 23).astype(np.uint8)


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


def deep(height, width, channels, depth):
    """Return samples of a depth by a formula; in colour, every fourth pixel is grey."""
    count = height * width * channels
    samples = np.arange(count, dtype=np.int64) ** 2 * 37 // 5 % (1 << depth)
    samples = samples.reshape(height, width, channels)
    if channels > 2:
        samples[::2, ::2, 1:3] = samples[::2, ::2, :1]
    return samples


def png_samples(samples, depth, color, *extra, interlaced=False):
    """Return a PNG of [height, width, channels] samples of any depth, its rows filtered in each way in turn."""
    steps = _ADAM7 if interlaced else [(0, 0, 1, 1)]
    passes = [samples[top::down, left::right] for top, left, down, right in steps]
    lines = b"".join(_filtered(each, depth) for each in passes if each.size)
    head = header(*samples.shape[:2], depth, color, int(interlaced))
    return png_of(head, *extra, chunk(b"IDAT", zlib.compress(lines)))


#: Where each pass of an interlaced PNG begins, and how far its pixels are apart: top, left, down, right.
_ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def _filtered(samples, depth):
    """Return rows of packed samples, each behind its filter's number."""
    height, _, channels = samples.shape
    if depth < 8:
        rows = np.packbits((samples >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8).reshape(height, -1), axis=1)
    else:
        rows = samples.astype(f">u{depth // 8}").view(np.uint8).reshape(height, -1)
    pixel = max(1, channels * depth // 8)
    wide = np.pad(rows, ((1, 0), (pixel, 0))).astype(np.int64)
    here, left, above, corner = wide[1:, pixel:], wide[1:, :-pixel], wide[:-1, pixel:], wide[:-1, :-pixel]
    far = [abs(left + above - corner - each) for each in (left, above, corner)]
    nearest = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner))
    guesses = np.stack([0 * here, left, above, (left + above) // 2, nearest])
    kinds = np.arange(height) % 5
    return np.column_stack((kinds, here - guesses[kinds, np.arange(height)])).astype(np.uint8).tobytes()


def gamma(value):
    """Return a gAMA chunk."""
    return chunk(b"gAMA", struct.pack(">I", value))


def odd_pngs():
    """Return PNGs of every depth and colour type, and with what else decides about pixels: name -> bytes."""
    images = {}
    for color, (name, channels, depths) in _PNG_TYPES.items():
        for depth in depths:
            table = [chunk(b"PLTE", bytes(i * 89 % 256 for i in range(3 << depth)))] if color == 3 else []
            for size in ((13, 19), (1, 1), (1, 10), (9, 1)):
                samples = deep(*size, channels, depth)
                images[f"{name} {depth} {size}"] = png_samples(samples, depth, color, *table)
                images[f"{name} {depth} {size} interlaced"] = png_samples(samples, depth, color, *table, interlaced=True)
            samples = deep(13, 19, channels, depth)
            for note, chunks in _colour_notes(samples, depth, color).items():
                images[f"{name} {depth} {note}"] = png_samples(samples, depth, color, *chunks, *table)
            for note, chunks in _transparency_notes(samples, depth, color).items():
                images[f"{name} {depth} {note}"] = png_samples(samples, depth, color, *table, *chunks)
            turned = chunk(b"eXIf", tiff(orientation(3 + depth % 6)))
            images[f"{name} {depth} turned"] = png_samples(samples, depth, color, turned, *table)
    short = chunk(b"PLTE", bytes(range(60, 90)))
    images["short palette"] = png_samples(deep(13, 19, 1, 8), 8, 3, short, chunk(b"tRNS", bytes(range(5))))
    images["transparency before palette"] = png_samples(deep(13, 19, 1, 8), 8, 3, chunk(b"tRNS", b"ab"), short)
    return images


_PNG_TYPES = {
    0: ("grey", 1, (1, 2, 4, 8, 16)),
    2: ("rgb", 3, (8, 16)),
    3: ("palette", 1, (1, 2, 4, 8)),
    4: ("grey alpha", 2, (8, 16)),
    6: ("rgb alpha", 4, (8, 16)),
}


def _colour_notes(samples, depth, color):
    """Return chunks that speak of colours, sound and unsound."""
    believed = chunk(b"sRGB", b"\0")
    bits = chunk(b"sBIT", bytes([max(1, depth - 5)]) * (3 if color == 3 else samples.shape[2]))
    return {
        "gamma": [gamma(45455)],
        "steep gamma": [gamma(1000)],
        "gamma of nearly 1": [gamma(95100)],
        "gamma out of bounds": [gamma(15), gamma(45455)],
        "gamma twice": [gamma(55555), gamma(45455)],
        "short gamma": [chunk(b"gAMA", b"\0\0\1")],
        "sRGB": [believed],
        "sRGB and another gamma": [believed, gamma(100000)],
        "sRGB and a gamma like it": [believed, gamma(47000)],
        "significant bits": [gamma(45455), bits],
        "bad primaries": [chunk(b"cHRM", bytes(32)), gamma(45455)],
        "bad profile": [chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(range(256)) * 2)), gamma(45455)],
    }


def _transparency_notes(samples, depth, color):
    """Return tRNS chunks that fit and that do not."""
    if color == 3:
        return {
            "transparency": [chunk(b"tRNS", bytes(range(200, 200 + (1 << min(depth, 5)))))],
            "transparency too long": [chunk(b"tRNS", bytes(1 + (1 << depth)))],
        }
    pixel = samples[3, 4].astype(">u2").tobytes()
    return {"transparency": [chunk(b"tRNS", pixel)], "transparency of another size": [chunk(b"tRNS", pixel + b"\0")]}


def odd_jpegs():
    """Return JPEGs of every kind that is decoded: name -> bytes."""
    images = {name: base64.b64decode(text) for name, text in _ODD_JPEGS.items()}
    images |= {"turned": TURNED, "cmyk": CMYK, "grey": GREY, "progressive": PROGRESSIVE}
    mark = CMYK.index(b"Adobe") + 11
    images["ycck"] = CMYK[:mark] + b"\2" + CMYK[mark + 1 :]
    images["cmyk without Adobe's marker"] = CMYK[:2] + CMYK[mark + 1 :]
    plain = images["4:4:0"]
    bare = plain[:2] + plain[20:]  # without JFIF's marker
    for transform in range(3):
        images[f"Adobe {transform}"] = insert(bare, segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])))
    for value in range(10):
        images[f"orientation {value}"] = insert(plain, exif(orientation(value, "<>"[value % 2]), order="<>"[value % 2]))
    return images


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


#: 19x13 JPEGs as few encoders write them: what is odd about each, and its bytes in base 64.
_ODD_JPEGS = {
    "4:1:1": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAANABMDAUEAAhEBAxEB/8QAFwABAQEB
AAAAAAAAAAAAAAAABQADBP/EACIQAAEEAQMFAQAAAAAAAAAAAAEAAgQRAxIhgQUxMkFhcf/EABUBAQEAAAAAAAAAAAAAAAAAAAME/8QAHREAAgMAAgMAAAAAAAAA
AAAAAQIAAxEFMVHR4f/aAAwDAQACEQMRAD8AEhwbd29J6H08BrCRW6UEJteJPClFcKxhYbsam45DoEdhdws5U7IzNmjaMZx6dNkG6I/fq5hhBA3rhStqLKuqe/X2
LxRykt5n/9k=
""",
    "4:4:0": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAANABMDARIAAhEBAxEB/8QAFwABAAMA
AAAAAAAAAAAAAAAABQECBv/EACIQAAEEAQMFAQAAAAAAAAAAAAEAAgQRAxIhgQUxMkFhcf/EABcBAAMBAAAAAAAAAAAAAAAAAAIDBQT/xAAjEQABAwIFBQAAAAAA
AAAAAAABAAIDEyEEERIUoTJBUdHh/9oADAMBAAIRAxEAPwASHBt3b0tDAjsLuEmI1AsAxZAVIfTwGsJFbqJU7IzNmjaMZx6dNkG6I/fqJsdVupjbeT6VOCrIA7sU
qITa8SeECMIIG9cINu03B4+qkITl18L/2Q==
""",
    "2x2, 1x2, 2x1": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAANABMDASIAAhIBAyEB/8QAFwABAQEB
AAAAAAAAAAAAAAAABQACA//EACIQAAEEAQMFAQAAAAAAAAAAAAEAAgQRAxIhgQUxMkFhcf/EABgBAAIDAAAAAAAAAAAAAAAAAAQFAAID/8QAJREAAQMBBgcAAAAA
AAAAAAAAAQACAxEEEhMhMaEyQVGBkdHw/9oADAMBAAIRAxEAPwASHBt3b0nofTwGsJFbrcCOwu4XOVOyMzZo2jGcenTZBuiP36sSwPFTorRMEl1rtMz4p7QAtZAT
ODFkAdyKVEJteJPCkCMIIG9cKQBMPQ/d03xZDnXYJkITTj2UX//Z
""",
    "arithmetic": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/yQARCAANABMDASIAAhEBAxEB/8wACgAQEAUB
EBEF/9oADAMBAAIRAxEAPwD/AEgcdu2E9z0/qkIul7Ca5zwx4H8wjT643niYJyCgD1uvbGt++vmSekNjkW/kLUkQ+Svt7lKozKOmAXdTHbzLFShY6sAdwilg4AcE
imlzmyF47Y3Ai+4Rp//Z
""",
    "arithmetic, progressive": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/ygARCAANABMDASIAAhEBAxEB/8wABgAQARD/
2gAMAwEAAhADEAAAAf6PcTXEKrCxorj/zAAEEAX/2gAIAQEAAQUCF/3QpGfamnj/zAAEEQX/2gAIAQMBAT8BFCyfZlIJ3kb/zAAEEQX/2gAIAQIBAT8BEOS/nf/M
AAQQBf/aAAgBAQAGPwLSKCFA/8wABBAF/9oACAEBAAE/ISZdw51oJ8A4l+D/2gAMAwEAAgADAAAAENtI/8wABBEF/9oACAEDAQE/EJCaNCT/zAAEEQX/2gAIAQIB
AT8QVVoq63e2/Q0Q/8wABBAF/9oACAEBAAE/EGKReoQnsJgNf2okrNmxHMOdbhQrWmYB/9k=
""",
    "rgb": """
/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAUDg8SDw0UEhASFxUUGB4yIR4cHB49LC4kMklATEtHQEZFUFpzYlBVbVZFRmSIZW13e4GCgU5gjZeMfZZzfoF8/8AAEQgA
DQATA1IRAEcRAEIRAP/EABgAAAMBAQAAAAAAAAAAAAAAAAMFBgIH/8QAKxAAAQMDAgMHBQAAAAAAAAAAAQIDBAAFERJBISJRBhMUIzKRoRUxYnHB/9oADANSAEcA
QgAAPwCet21Kotq8w8u1TUGF4jHDOaqrdtTiJauVvl3/ALTxFgjtM99KUhpvqrfhnA6nh9hT9v0CmX0r8awuLakqwiPIeTstDYwfcg/Fc2t21Hiw2+8P6o3ZWOh3
Rqqqt21Ir5d348uTbENMFgpCNRSdWFJGd8b9KJCSJqX7jM81bbalhA4AAAkJHQU/b9Aqf8G3WkSZbqErS+hoEDkQykge+T81/9k=
""",
    "restart markers": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBD
ARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAANABMDASIAAhEBAxEB/8QAFwABAQEB
AAAAAAAAAAAAAAAABQACA//EACIQAAEEAQMFAQAAAAAAAAAAAAEAAgQRAxIhgQUxMkFhcf/EABYBAQEBAAAAAAAAAAAAAAAAAAMEBf/EACARAAEDAgcAAAAAAAAA
AAAAAAEAAgMRoQQSExRRUtH/3QAEAAH/2gAMAwEAAhEDEQA/ABIcG3dvSeh9PAawkVutwI7C7hc5U7IzNmjaMZx6dNkG6I/fqJrdQCgqShwsz5XZWr//0FxCbXiT
wpAjCCBvXClPt282Hq1xCe9l/9k=
""",
}
