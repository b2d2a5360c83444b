"""What holds for all tests."""

import os

from hypothesis import HealthCheck, settings

# A crowded machine is slow at times; that is no finding. (Where CI is set, Hypothesis has such a profile of its own.)
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("unhurried")
