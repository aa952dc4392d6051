"""Things that fail in mid-run; a package, so that ``python -m tests.fault`` runs the fault matrix."""
