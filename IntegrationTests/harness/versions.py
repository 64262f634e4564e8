"""The api-versions of the data plane."""

ALL = ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"]
LATEST = ALL[-1]
