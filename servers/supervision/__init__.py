"""The processes of the appliance, and supervisord, which starts, watches and stops them."""
