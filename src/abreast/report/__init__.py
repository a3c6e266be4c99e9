"""The answer of a sweep: table, statistics, figures, and one page. Reads run directories alone; no torch."""
