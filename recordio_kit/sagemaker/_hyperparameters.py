"""Hyperparameters and data: what follows from the data where the caller says nothing, and what contradicts it.

Strategy: ``derive`` fills in, ``contradictions`` compares the whole with the data; the request builder and the preflight
use the same two, so they never disagree. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recordio_kit.sagemaker._problem import Problem, refuse
from recordio_kit.sagemaker._rules import LARGE_NETWORKS, SMALL_NETWORKS, problem


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordio_kit.sagemaker._channels import DataFacts

SMALL_HEIGHT: Final = 28
#: The default crop of the algorithm, and the size its pretrained networks were made for.
LARGE_SIDE: Final = 224
_LARGEST_CHOSEN_BATCH: Final = 32
_EPOCHS: Final = 30
#: What the algorithm takes for values that are not sent.
_DEFAULT_BATCH: Final = 32
_DEFAULT_LAYERS: Final = 152


def derive(chosen: Mapping[str, str], data: DataFacts) -> dict[str, str]:
    """Return the chosen hyperparameters and those that follow from the data, sorted by name.

    Args:
        chosen: by the caller, in text form.
        data: what the channels hold.

    Raises:
        PreflightError: the image shape or the number of classes does not follow from the data.
    """
    values = {
        "epochs": str(_EPOCHS),
        "mini_batch_size": str(min(_LARGEST_CHOSEN_BATCH, 1 << max(data.largest_batch, 1).bit_length() - 1)),
        "num_training_samples": str(data.train),
        **({"multi_label": "1"} if data.label_width > 1 else {}),
        **chosen,
    }
    problems = []
    if "num_classes" not in values:
        if data.num_classes is None:
            problems.append(problem("num_classes", "the manifest does not say how many classes there are", "pass num_classes"))
        elif data.num_classes < 2:
            what = f"the data has {data.num_classes} class, and classification tells at least two apart"
            problems.append(problem("num_classes", what, "add images of another class"))
        else:
            values["num_classes"] = str(data.num_classes)
    if "image_shape" not in values:
        shape = _choose_shape(data, int(values.get("resize", 0)))
        if isinstance(shape, Problem):
            problems.append(shape)
        else:
            values["image_shape"] = shape
    refuse(problems)
    small = _dimensions(values)[1] <= SMALL_HEIGHT
    values.setdefault("num_layers", str((SMALL_NETWORKS if small else LARGE_NETWORKS)[0]))
    return dict(sorted(values.items()))


def _choose_shape(data: DataFacts, resize: int) -> str | Problem:
    height, width = ((resize, resize),) * 2 if resize else (data.height, data.width)
    if height is None or width is None:
        return problem("image_shape", "the manifest does not know the images' sizes", 'pass image_shape, such as "3,224,224"')
    shortest = min(height[0], width[0])
    if shortest >= LARGE_SIDE:
        return f"3,{LARGE_SIDE},{LARGE_SIDE}"
    if shortest == height[1] == SMALL_HEIGHT:
        return f"3,{SMALL_HEIGHT},{SMALL_HEIGHT}"
    what = (
        f"the shortest image side is {shortest} pixels: the networks for small images take pictures {SMALL_HEIGHT} pixels high, "
        f"the others {LARGE_SIDE} x {LARGE_SIDE}, and training fails on any image that is smaller than the network's input"
    )
    mend = f"prepare the data with --resize {LARGE_SIDE} (images are enlarged where they must be), or pass image_shape yourself"
    return problem("image_shape", what, mend)


def _dimensions(values: Mapping[str, str]) -> tuple[int, int, int]:
    channels, height, width = map(int, values["image_shape"].split(","))
    return channels, height, width


def contradictions(values: Mapping[str, str], data: DataFacts) -> Iterator[Problem]:
    """Yield every way in which hyperparameters contradict the data or one another.

    Args:
        values: in text form; one that is missing is not judged.
        data: what the channels hold.
    """
    numbers = {name: int(text) for name, text in values.items() if text.isdecimal()}
    yield from _against_labels(numbers, data)
    yield from _against_counts(numbers, data)
    if "image_shape" in values:
        yield from _against_sizes(_dimensions(values), numbers, data)
    epochs = numbers.get("epochs", _EPOCHS)
    if numbers.get("checkpoint_frequency", 1) > epochs:
        yield problem("checkpoint_frequency", f"checkpoint_frequency is above the {epochs} epochs", f"pass 1 to {epochs}")
    last_step = int(values.get("lr_scheduler_step", "0").rpartition(",")[2])
    if last_step >= epochs:
        what = f"lr_scheduler_step names epoch {last_step}, training ends after {epochs}"
        yield problem("lr_scheduler_step", what, "name earlier epochs or raise epochs")


def _against_labels(numbers: Mapping[str, int], data: DataFacts) -> Iterator[Problem]:
    classes, multi = numbers.get("num_classes"), numbers.get("multi_label", 0)
    if multi != (data.label_width > 1):
        what = f"multi_label is {multi}, the records hold {data.label_width} label{'s' * (data.label_width > 1)} each"
        yield problem("multi_label", what, "leave it out: it follows from the manifest")
    wide = data.label_width > 1
    known = data.label_width if wide else data.num_classes
    if classes is not None and known is not None and (classes < known or (wide and classes != known)):
        what = f"num_classes is {classes}, the data has {known} {'label columns' if wide else 'classes'}"
        yield problem("num_classes", what, f"pass {known} or leave it out: it follows from the manifest")


def _against_counts(numbers: Mapping[str, int], data: DataFacts) -> Iterator[Problem]:
    samples, batch = numbers.get("num_training_samples", data.train), numbers.get("mini_batch_size", _DEFAULT_BATCH)
    if samples != data.train:
        what = f"num_training_samples is {samples}, the train channel holds {data.train} records"
        yield problem("num_training_samples", what, "leave it out: it follows from the manifest")
    if batch > data.largest_batch:
        share = f" (for {data.hosts} instances)" if data.hosts > 1 else ""
        what = f"mini_batch_size is {batch}, train holds {data.train} records{share} and validation {data.validation}"
        fits = f"pass at most {data.largest_batch}" if data.largest_batch else "add images"
        yield problem("mini_batch_size", what, f"{fits}: every instance must fill a batch from both")


def _against_sizes(shape: tuple[int, int, int], numbers: Mapping[str, int], data: DataFacts) -> Iterator[Problem]:
    channels, height, width = shape
    resize, layers = numbers.get("resize"), numbers.get("num_layers", _DEFAULT_LAYERS)
    networks = SMALL_NETWORKS if height <= SMALL_HEIGHT else LARGE_NETWORKS
    if layers not in networks:
        what = f"a network of {layers} layers does not take images {height} pixels high"
        yield problem("num_layers", what, f"pass one of {', '.join(map(str, networks))}, or another image_shape")
    if numbers.get("use_pretrained_model") and (channels != 3 or layers not in LARGE_NETWORKS):
        what = f"there is no pretrained network of {layers} layers for {channels} x {height} x {width} images"
        yield problem("use_pretrained_model", what, f"pass image_shape 3,224,224 and num_layers of {LARGE_NETWORKS}")
    if resize is not None and resize < max(height, width):
        what = f"resize {resize} makes images smaller than the {height} x {width} of image_shape"
        yield problem("resize", what, f"pass at least {max(height, width)}")
    if resize is None and data.height and data.width and (data.height[0] < height or data.width[0] < width):
        what = (
            f"image_shape is {height} x {width}, but the images are only {data.height[0]} pixels high "
            f"and {data.width[0]} wide where they are smallest, and training fails on any that is smaller"
        )
        yield problem("image_shape", what, f"prepare the data with --resize {max(height, width)}, or pass a smaller image_shape")
