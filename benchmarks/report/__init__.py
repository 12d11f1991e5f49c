"""Turn recorded measurements into ratios, tables, plots and sections of RESULTS.md."""
