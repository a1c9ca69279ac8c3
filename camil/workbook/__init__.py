"""Support for notebooks: parameters, profiles, runs, provenance and unattended execution."""
