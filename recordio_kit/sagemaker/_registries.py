"""Where the algorithm's container image lives in each region.

Strategy: a table, since AWS offers no call that answers this. Source: ``image_uri_config/image-classification.json`` of the
SageMaker Python SDK (sagemaker 2.257.7 and sagemaker-core 2.27.0 hold the same file). The image has one version, ``1``, and
serves CPU and GPU, training and inference.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Mapping

#: The registry's account by region.
ACCOUNTS: Final[Mapping[str, str]] = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "991648021394",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "544295431143",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "469771592824",
    "ca-west-1": "190319476487",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "813361260812",
    "eu-central-2": "680994064768",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-south-2": "104374241257",
    "eu-west-1": "685385470294",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "811284229777",
    "us-east-2": "825641698319",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "226302683700",
    "us-iso-east-1": "490574956308",
    "us-isob-east-1": "765400339828",
    "us-isof-east-1": "108575199400",
    "us-isof-south-1": "124985052026",
    "us-west-1": "632365934929",
    "us-west-2": "433757028032",
}
#: The registry's domain by the region's first letters; everywhere else it is ``amazonaws.com``.
_DOMAINS: Final[Mapping[str, str]] = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}
_REGION_OF_IMAGE: Final = re.compile(r"\.dkr\.ecr\.([a-z0-9-]+)\.")


def image_uri(region: str) -> str:
    """Return the URI of the image classification container.

    Args:
        region: such as ``"eu-west-1"``.

    Raises:
        ValueError: the algorithm has no registry there.
    """
    if region not in ACCOUNTS:
        near = difflib.get_close_matches(region, ACCOUNTS, n=1, cutoff=0.8)
        hint = f" (the nearest name is {near[0]!r})" if near else ""
        msg = (
            f"image classification is not offered in region {region!r}{hint}; train in one of {', '.join(ACCOUNTS)}, "
            "or pass image_uri= if you know better"
        )
        raise ValueError(msg)
    domain = next((domain for start, domain in _DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    return f"{ACCOUNTS[region]}.dkr.ecr.{region}.{domain}/image-classification:1"


def region_of(image: str) -> str | None:
    """Return the region that an image URI names, or None; training takes images of the job's own region only.

    Args:
        image: the URI.
    """
    match = _REGION_OF_IMAGE.search(image)
    return match and match[1]
