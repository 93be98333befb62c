# dante, which Debian builds without GSS-API: as client, and as server for ours.
