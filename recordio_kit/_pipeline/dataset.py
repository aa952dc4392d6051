"""From a folder to listed splits: the first half of the main job, and all of a dry run.

Strategy: find out how the folder means to be split (split folders, a CSV's column, shares), make one list or one a split,
and keep what decides the bytes as plain values. Nothing is written and no image is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recordio_kit._core.split import split_list
from recordio_kit._pipeline.labels import read_labels
from recordio_kit._pipeline.listing import make_list, make_split_lists, split_folders


if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from recordio_kit._core.imagelist import Finding, ImageList
    from recordio_kit._core.split import GroupBy, SplitReport

#: What most people want, and what the SageMaker examples do.
DEFAULT_SPLITS: Final[Mapping[str, float]] = {"train": 0.7, "validation": 0.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Say what would be packed: the lists by split, and what decides their bytes.

    Args:
        parts: the list of each split.
        options: the output-affecting options as plain JSON values.
        report: how near the splits came to their shares; None where they were given.
        findings: what was odd about the input.
    """

    parts: Mapping[str, ImageList]
    options: Mapping[str, Any]
    report: SplitReport | None
    findings: tuple[Finding, ...]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the class names that all splits share."""
        return next(iter(self.parts.values())).classes


def list_dataset(
    root: str | os.PathLike[str],
    *,
    splits: Mapping[str, float] | Literal["folders", "column"] | None = None,
    labels: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    classes: Any = None,
    exts: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    follow_links: bool = False,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    small_classes: Literal["error", "train"] = "error",
) -> DataSet:
    """List a folder's images and split them, without packing: the first half of ``prepare``, and all of a dry run.

    Args:
        root: the folder; one folder a class, or one a split with one a class below, or any layout with ``labels``.
        splits: shares by name; ``"folders"`` keeps the split folders, ``"column"`` the CSV's ``split`` column; None finds
            out: folders or column where there are such, else 70 % train and 30 % validation.
        labels: a CSV or mapping of labels by path, for other layouts than one folder a class.
        classes: class names in label order (a list, a text file, a manifest); None takes the folders'.
        exts: the suffixes that are taken; None means .jpg .jpeg .png.
        ignore: globs of files and folders to leave out.
        follow_links: whether links are taken.
        stratify: keep each class's share in each split.
        group_by: images of one group stay together: a regular expression, a callable, or a mapping.
        seed: another seed, another split.
        small_classes: what happens to a class with fewer images than splits.

    Raises:
        ValueError: the folder or an option makes no sense; the message says which and what to do.
        StorageError: the folder cannot be read.
    """
    walk: dict[str, Any] = {"ignore": ignore, "follow_links": follow_links} | ({} if exts is None else {"exts": exts})
    table = None if labels is None else read_labels(labels, classes=classes)
    if splits is None:
        splits = _detect(root, table)
    if splits == "folders":
        parts = make_split_lists(root, classes=classes, **walk)
        findings = tuple(dict.fromkeys(finding for part in parts.values() for finding in part.findings))
        return DataSet(parts=parts, options={"splits": "folders"}, report=None, findings=findings)
    images = make_list(root, labels=labels, classes=classes, **walk)
    if splits == "column":
        return _split_by_column(images, table)
    if isinstance(splits, str):
        msg = f"splits is a mapping of shares, 'folders' or 'column', not {splits!r}"
        raise ValueError(msg)  # noqa: TRY004  # a wrong word, not a wrong type
    if group_by is None and table is not None and table.groups is not None:
        group_by = table.groups
    made = split_list(images, splits, stratify=stratify, group_by=group_by, seed=seed, small_classes=small_classes)
    options = {
        "splits": {name: repr(float(share)) for name, share in splits.items()},
        "stratify": stratify,
        "seed": seed,
        "small_classes": small_classes,
        "group_by": group_by if isinstance(group_by, str) else None if group_by is None else "by the caller",
    }
    return DataSet(parts=made, options=options, report=made.report, findings=images.findings)


def _detect(root: str | os.PathLike[str], table: Any) -> Mapping[str, float] | Literal["folders", "column"]:
    if table is not None:
        return "column" if table.splits is not None else DEFAULT_SPLITS
    return "folders" if split_folders(root) else DEFAULT_SPLITS


def _split_by_column(images: ImageList, table: Any) -> DataSet:
    if table is None or table.splits is None:
        msg = "splits='column' needs labels= with a CSV that has a 'split' column"
        raise ValueError(msg)
    names = [table.splits[path] for path in images.paths]
    parts = {
        name: images.take([place for place, other in enumerate(names) if other == name]).renumber()
        for name in dict.fromkeys(names)
    }
    return DataSet(parts=parts, options={"splits": "column"}, report=None, findings=images.findings)
