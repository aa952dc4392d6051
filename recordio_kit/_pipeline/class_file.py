"""``.classes.json``: the true names of class folders whose own names only sort well.

Strategy: a folder name must suit every file system, a class name need not ("T-shirt/top"). Beside the folders lies this hidden
file with both, in label order; labels without images keep their place in it. ``make_list`` follows it unless it is given classes.
"""

from __future__ import annotations

import json
import os
from typing import Final, NamedTuple

from recordio_kit._core.lst import check_classes


#: The file's name, in the root of the class folders.
CLASSES_FILE: Final = ".classes.json"


class ClassFile(NamedTuple):
    """Folder names and true names of the classes, both in label order."""

    folders: tuple[str, ...]
    names: tuple[str, ...]


def read_class_file(root: str | os.PathLike[str]) -> ClassFile | None:
    """Return what a root's class file says, or None where there is none.

    Args:
        root: the folder of class folders.

    Raises:
        ValueError: the file is no such file.
    """
    place = os.path.join(root, CLASSES_FILE)
    try:
        with open(place, encoding="utf-8") as file:
            pairs = [(pair["folder"], pair["name"]) for pair in json.load(file)["classes"]]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{place} is no class file ({error}); remove it, and folder names are class names"
        raise ValueError(msg) from error
    if not pairs or not all(isinstance(text, str) and text for pair in pairs for text in pair):
        msg = f"{place} names no classes; remove it, and folder names are class names"
        raise ValueError(msg)
    made = ClassFile(*zip(*pairs, strict=True))
    check_classes(made.names)
    return made


def write_class_file(root: str | os.PathLike[str], classes: ClassFile) -> None:
    """Write a root's class file.

    Args:
        root: the folder of class folders.
        classes: what it says.

    Raises:
        OSError: it cannot be written.
    """
    pairs = [{"folder": folder, "name": name} for folder, name in zip(classes.folders, classes.names, strict=True)]
    with open(os.path.join(root, CLASSES_FILE), "w", encoding="ascii", newline="\n") as file:
        json.dump({"classes": pairs}, file, indent=1)
        file.write("\n")
