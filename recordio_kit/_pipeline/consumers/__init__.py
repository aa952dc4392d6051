"""Consumers: what MXNet, gluon, DALI, SageMaker and insightface each ask of a file beyond its being sound.

Strategy: one profile a module, each a few rules that are fed the facts of every record as the check walks the file, and the
facts of the file at its end. Nothing here reads or writes; a rule's finding says what that consumer does with the file and
what mends it. Damage, and sidecars that contradict the file, are found without any profile and not repeated here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, RecordFacts, Rules
from recordio_kit._pipeline.consumers.dali import DaliRules
from recordio_kit._pipeline.consumers.gluon import GluonRules
from recordio_kit._pipeline.consumers.insightface import InsightfaceRules
from recordio_kit._pipeline.consumers.mxnet import MXNetRules
from recordio_kit._pipeline.consumers.sagemaker import SageMakerRules, judge_channels


if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_kit._pipeline.findings import Findings

__all__ = ["CONSUMERS", "Consumer", "FileFacts", "RecordFacts", "Rules", "judge_channels", "rules_for"]

CONSUMERS: Final[tuple[str, ...]] = get_args(Consumer)
_RULES: Final[Mapping[Consumer, type[Rules]]] = {
    "sagemaker": SageMakerRules,
    "mxnet": MXNetRules,
    "gluon": GluonRules,
    "dali": DaliRules,
    "insightface": InsightfaceRules,
}


def rules_for(consumer: Consumer, findings: Findings) -> Rules:
    """Return the rules of a consumer, for one file.

    Args:
        consumer: its name.
        findings: takes what it would stumble over.
    """
    return _RULES[consumer](findings)
