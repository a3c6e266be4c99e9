"""Reports on sweeps: tables, statistics, figures and one HTML page, from run directories alone. No torch."""
