"""RecordIO and ``.lst`` files without MXNet: lists, splits, packing, reading, S3, and SageMaker training.

Strategy: this module holds the public names and nothing else, each loaded on first use (PEP 562), so that importing the
package costs next to nothing. ``recordio_kit.s3``, ``recordio_kit.sagemaker``, ``recordio_kit.mxrecordio``,
``recordio_kit.im2rec`` and ``recordio_kit.testing`` are modules of their own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_kit import errors
    from recordio_kit._core.header import IRHeader, pack_record, unpack_record
    from recordio_kit._core.imagelist import Finding, ImageList, LstEntry
    from recordio_kit._core.split import kfold_list, split_list
    from recordio_kit._images.codec import decode_image, encode_image
    from recordio_kit._images.transform import Reencode, StripMetadata
    from recordio_kit._pipeline.listing import make_list, read_list, write_list
    from recordio_kit._pipeline.manifests import Manifest
    from recordio_kit._pipeline.pack import pack_list
    from recordio_kit._pipeline.prepare import prepare
    from recordio_kit._pipeline.records import ImageReader, ImageRecord
    from recordio_kit._pipeline.report import PackReport, Progress
    from recordio_kit._pipeline.salvage import SalvageReport, salvage
    from recordio_kit._pipeline.verify import VerifyReport, build_index, verify
    from recordio_kit._storage.reader import RecordReader
    from recordio_kit._storage.writer import RecordWriter

#: Where each public name lives.
_HOMES: Final[Mapping[str, str]] = {
    "Finding": "_core.imagelist",
    "IRHeader": "_core.header",
    "ImageList": "_core.imagelist",
    "ImageReader": "_pipeline.records",
    "ImageRecord": "_pipeline.records",
    "LstEntry": "_core.imagelist",
    "Manifest": "_pipeline.manifests",
    "PackReport": "_pipeline.report",
    "Progress": "_pipeline.report",
    "RecordReader": "_storage.reader",
    "RecordWriter": "_storage.writer",
    "Reencode": "_images.transform",
    "SalvageReport": "_pipeline.salvage",
    "StripMetadata": "_images.transform",
    "VerifyReport": "_pipeline.verify",
    "build_index": "_pipeline.verify",
    "decode_image": "_images.codec",
    "encode_image": "_images.codec",
    "kfold_list": "_core.split",
    "make_list": "_pipeline.listing",
    "pack_list": "_pipeline.pack",
    "pack_record": "_core.header",
    "prepare": "_pipeline.prepare",
    "read_list": "_pipeline.listing",
    "salvage": "_pipeline.salvage",
    "split_list": "_core.split",
    "unpack_record": "_core.header",
    "verify": "_pipeline.verify",
    "write_list": "_pipeline.listing",
}

__version__ = "0.1.0"

__all__ = [
    "Finding",
    "IRHeader",
    "ImageList",
    "ImageReader",
    "ImageRecord",
    "LstEntry",
    "Manifest",
    "PackReport",
    "Progress",
    "RecordReader",
    "RecordWriter",
    "Reencode",
    "SalvageReport",
    "StripMetadata",
    "VerifyReport",
    "build_index",
    "decode_image",
    "encode_image",
    "errors",
    "kfold_list",
    "make_list",
    "pack_list",
    "pack_record",
    "prepare",
    "read_list",
    "salvage",
    "split_list",
    "unpack_record",
    "verify",
    "write_list",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name == "errors":
        return importlib.import_module("recordio_kit.errors")
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
