"""``python -m recordio_kit.im2rec``: ends with the tool's exit code."""

from __future__ import annotations

import sys

from recordio_kit.im2rec import main


if __name__ == "__main__":
    sys.exit(main())
