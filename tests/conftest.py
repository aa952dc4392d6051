"""What every test shares: hypothesis profiles, and the S3 fixtures."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


pytest_plugins = ["tests.s3_fixtures"]

# No deadline: machines differ, and a hang is pytest-timeout's business.
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
