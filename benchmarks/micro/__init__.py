"""Programs and functions that each measure one stage alone, without HTTP."""
