"""Studies: sweeps with a protocol. Tune on validation, repeat on fresh seeds, test once, report. No torch."""
