"""Predictions to numbers: metrics, intervals, calibration, probes, baselines and Table I."""
