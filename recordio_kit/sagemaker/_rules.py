"""The algorithm's hyperparameters: what each takes, and the exact text that it takes it in.

Strategy: one table. The container judges text against a JSON schema and refuses unknown names, so values are turned into
the very form that schema accepts (``"1"`` here and ``"True"`` there), and a wrong name is answered with the nearest one.
Nothing here knows the data.
"""

from __future__ import annotations

import difflib
import itertools
import operator
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from recordio_kit.sagemaker._problem import Problem


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The networks for images up to 28 pixels high, and those for larger ones; neither set is built for the other size.
SMALL_NETWORKS: Final = (20, 32, 44, 56, 110)
LARGE_NETWORKS: Final = (18, 34, 50, 101, 152, 200)


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
        if not steps or steps[0] < 1 or any(after <= before for before, after in itertools.pairwise(steps)):
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
