"""What of the appliance is in AWS, outside of the machine: connections, its table, the metadata service."""
