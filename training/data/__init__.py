"""Any source of labelled images as checked, decoded and split uint8 arrays."""
