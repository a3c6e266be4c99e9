"""Figures of a report, as plain data for plotly.js. A new one is a module here and a row in `registry`."""
