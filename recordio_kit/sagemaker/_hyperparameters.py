"""The algorithm's hyperparameters: their text form, what is chosen where the caller says nothing, what contradicts the data.

Strategy: one table says what each takes; ``normalise`` turns values into the exact text that the container's JSON schema
accepts, ``derive`` fills in what follows from the data, ``contradictions`` compares the whole with the data. The request
builder and the preflight use the same three, so they never disagree. Pure.
"""

from __future__ import annotations

import difflib
import operator
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from recordio_kit.sagemaker._problem import Problem, refuse


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from recordio_kit.sagemaker._channels import DataFacts

#: The networks for images up to 28 pixels high, and those for larger ones; neither set is built for the other size.
SMALL_NETWORKS: Final = (20, 32, 44, 56, 110)
LARGE_NETWORKS: Final = (18, 34, 50, 101, 152, 200)
SMALL_HEIGHT: Final = 28
#: The default crop of the algorithm, and the size its pretrained networks were made for.
LARGE_SIDE: Final = 224
_LARGEST_CHOSEN_BATCH: Final = 32
_EPOCHS: Final = 30


class _Rule(NamedTuple):
    """What a hyperparameter takes, in words, and its text form of a value; the form raises ValueError or TypeError."""

    wants: str
    form: Callable[[Any], str]


def _integer(low: int) -> _Rule:
    def form(value: Any) -> str:
        number = _whole(value)
        if number < low:
            raise ValueError
        return str(number)

    return _Rule(f"a whole number of at least {low}", form)


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise ValueError
        return int(value)
    return operator.index(value)


def _share() -> _Rule:
    def form(value: Any) -> str:
        if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(r"[0-9.]+([eE][-+]?[0-9]+)?", value)):
            raise TypeError
        if not 0 <= float(value) <= 1:
            raise ValueError
        return value if isinstance(value, str) else repr(float(value))

    return _Rule("a number from 0 to 1", form)


def _choice(*words: Any) -> _Rule:
    texts = [str(word) for word in words]

    def form(value: Any) -> str:
        if isinstance(value, bool) or str(value) not in texts:
            raise ValueError
        return str(value)

    return _Rule(f"one of {', '.join(texts)}", form)


def _switch(off: str, on: str) -> _Rule:
    forms = {"0": off, "false": off, "1": on, "true": on}

    def form(value: Any) -> str:
        if str(value).lower() not in forms:
            raise ValueError
        return forms[str(value).lower()]

    return _Rule(f"{off} or {on}", form)


def _epoch_list() -> _Rule:
    def form(value: Any) -> str:
        steps = [_whole(step) for step in (value.split(",") if isinstance(value, str) else value)]
        if not steps or steps[0] < 1 or any(after <= before for before, after in zip(steps, steps[1:], strict=False)):
            raise ValueError
        return ",".join(map(str, steps))

    return _Rule('epochs in rising order, such as "10,20"', form)


def _shape() -> _Rule:
    def form(value: Any) -> str:
        channels, height, width = (_whole(part) for part in (value.split(",") if isinstance(value, str) else value))
        if channels not in (1, 3, 4) or height < 1 or width < 1:
            raise ValueError
        return f"{channels},{height},{width}"

    return _Rule('"CHANNELS,HEIGHT,WIDTH" with 1, 3 or 4 channels, such as "3,224,224"', form)


#: Every hyperparameter of the algorithm: its schema refuses any other.
RULES: Final[Mapping[str, _Rule]] = {
    "augmentation_type": _choice("crop", "crop_color", "crop_color_transform"),
    "beta_1": _share(),
    "beta_2": _share(),
    "checkpoint_frequency": _integer(1),
    "early_stopping": _switch("False", "True"),
    "early_stopping_min_epochs": _integer(1),
    "early_stopping_patience": _integer(1),
    "early_stopping_tolerance": _share(),
    "epochs": _integer(1),
    "eps": _share(),
    "gamma": _share(),
    "image_shape": _shape(),
    "kv_store": _choice("dist_sync", "dist_async"),
    "learning_rate": _share(),
    "lr_scheduler_factor": _share(),
    "lr_scheduler_step": _epoch_list(),
    "mini_batch_size": _integer(1),
    "momentum": _share(),
    "multi_label": _switch("0", "1"),
    "num_classes": _integer(2),
    "num_layers": _choice(*SMALL_NETWORKS, *LARGE_NETWORKS),
    "num_training_samples": _integer(1),
    "optimizer": _choice("sgd", "adam", "rmsprop", "nag"),
    "precision_dtype": _choice("float32", "float16"),
    "resize": _integer(1),
    "top_k": _integer(2),
    "use_pretrained_model": _switch("0", "1"),
    "use_weighted_loss": _switch("0", "1"),
    "weight_decay": _share(),
}


def problem(name: str, what: str, mend: str) -> Problem:
    """Return a problem of one hyperparameter.

    Args:
        name: the hyperparameter.
        what: what is wrong.
        mend: what to do.
    """
    return Problem(f"HyperParameters.{name}", what, mend)


def normalise(values: Mapping[str, Any]) -> tuple[dict[str, str], list[Problem]]:
    """Return the text form of every value that has one, and a problem for each that has none.

    Args:
        values: by hyperparameter: text, numbers, booleans, or sequences for ``image_shape`` and ``lr_scheduler_step``.
    """
    texts, problems = {}, []
    for name, value in values.items():
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"take one of {', '.join(RULES)}"
            problems.append(problem(name, f"the algorithm has no hyperparameter {name!r}", mend))
            continue
        try:
            texts[name] = RULES[name].form(value)
        except (TypeError, ValueError):
            problems.append(problem(name, f"{name} cannot be {value!r}", f"pass {RULES[name].wants}"))
    return texts, problems


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
    if classes is None or data.num_classes is None:
        return
    if classes < data.num_classes or (data.label_width > 1 and classes != data.label_width):
        what = f"num_classes is {classes}, the data has {data.num_classes} classes"
        yield problem("num_classes", what, f"pass {data.num_classes} or leave it out: it follows from the manifest")


def _against_counts(numbers: Mapping[str, int], data: DataFacts) -> Iterator[Problem]:
    samples, batch = numbers.get("num_training_samples", data.train), numbers.get("mini_batch_size", _LARGEST_CHOSEN_BATCH)
    if samples != data.train:
        what = f"num_training_samples is {samples}, the train channel holds {data.train} records"
        yield problem("num_training_samples", what, "leave it out: it follows from the manifest")
    if batch > data.largest_batch:
        hosts = f" shared by {data.hosts} instances" if data.hosts > 1 else ""
        what = f"mini_batch_size is {batch}, the channels hold {data.train} (train{hosts}) and {data.validation} (validation) records"
        fits = f"pass at most {data.largest_batch}" if data.largest_batch else "add images"
        yield problem("mini_batch_size", what, f"{fits}: every instance must fill a batch from both")


def _against_sizes(shape: tuple[int, int, int], numbers: Mapping[str, int], data: DataFacts) -> Iterator[Problem]:
    channels, height, width = shape
    resize, layers = numbers.get("resize"), numbers.get("num_layers", 152)
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
