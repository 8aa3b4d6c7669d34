"""Programs for a machine with a GPU, which needs neither a network nor the rest of the appliance."""
