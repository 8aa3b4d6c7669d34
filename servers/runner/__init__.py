"""A runner: one process, one resident model. Ending the process is how the model is unloaded."""
