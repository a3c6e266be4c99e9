"""Studies: tune on validation, repeat the chosen settings on fresh seeds, test once, report. No torch."""
