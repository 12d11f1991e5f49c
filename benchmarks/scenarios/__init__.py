"""Programs that each load the service in one special situation."""
