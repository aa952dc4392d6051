"""One reason why a training job would fail, and the error that carries many.

Strategy: checks return problems instead of raising, so that one run finds them all. Only this value and its way into an
exception live here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recordio_kit.errors import PreflightError


if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what in a request would fail and how to mend it; ``str()`` is one line.

    Args:
        field: the request's field, dotted, such as ``"HyperParameters.epochs"``.
        what: what is wrong.
        mend: what to do.
    """

    field: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}"


def refuse(problems: Iterable[Problem]) -> None:
    """Raise one error for all problems, if there are any.

    Args:
        problems: what was found.

    Raises:
        PreflightError: there is at least one; the message lists each.
    """
    found = list(problems)
    if not found:
        return
    lines = [str(problem) for problem in found]
    msg = lines[0] if len(lines) == 1 else f"{len(lines)} problems:" + "".join(f"\n- {line}" for line in lines)
    raise PreflightError(msg, problems=found)
