"""From a folder to listed splits: the first half of the main job, and all of a dry run.

Strategy: find out how the folder means to be split (split folders, a CSV's column, shares), make one list or one a split,
and keep what decides the bytes as plain values. Nothing is written and no image is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.split import split_list
from recordio_kit._pipeline.labels import LabelTable, read_classes, read_labels
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
    names = None if classes is None else read_classes(classes)
    table = None if labels is None else read_labels(labels, names)
    links: dict[str, Any] = {"ignore": ignore, "follow_links": follow_links}
    walk = {"labels": table, "classes": names} | links | ({} if exts is None else {"exts": exts})
    if splits is None:
        column = table is not None and table.splits is not None
        splits = "column" if column else "folders" if _is_split(root, names, table, links) else DEFAULT_SPLITS
    if splits == "folders":
        parts = make_split_lists(root, **walk)
        findings = tuple(dict.fromkeys(finding for part in parts.values() for finding in part.findings))
        return DataSet(parts=parts, options={"splits": "folders"}, report=None, findings=findings)
    images = make_list(root, **walk)
    if table is not None:
        table = table.align(images.paths)
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


def _is_split(
    root: str | os.PathLike[str], names: tuple[str, ...] | None, table: LabelTable | None, links: Mapping[str, Any]
) -> bool:
    """Tell whether the root's folders are splits, and not classes that happen to be called so."""
    return table is None and not set(folders := split_folders(root, **links)) <= set(names or ()) and bool(folders)


def _split_by_column(images: ImageList, table: LabelTable | None) -> DataSet:
    if table is None or table.splits is None:
        msg = "splits='column' needs labels= with a CSV that has a 'split' column"
        raise ValueError(msg)
    names = np.array([table.splits[path] for path in images.paths], object)
    order = sorted(set(names.tolist()), key=lambda name: (name != "train", name != "validation", name))
    parts = {name: images.take(np.flatnonzero(names == name)).renumber() for name in order}
    return DataSet(parts=parts, options={"splits": "column"}, report=None, findings=images.findings)
