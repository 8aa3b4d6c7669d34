"""How gunicorn runs each server; servers/web/serve.py adds the address, the threads and the app."""

import os
from pathlib import Path

from servers import child, logs
from servers.settings import ROOT, settings
from servers.web.serve import graceful_s

chdir = str(ROOT)
worker_class = "servers.web.worker.Worker"  # which has the limits on connections
workers = 1  # one registry, one engine; with more, set PROMETHEUS_MULTIPROC_DIR
preload_app = False  # nothing is shared by forking
max_requests = 0  # a worker is never replaced in the middle of work
timeout = 0  # a job may take long; its deadline is limits.request_timeout_s
graceful_timeout = int(graceful_s(settings()))
umask = 0o077  # of a Unix socket: only its owner may connect
control_socket_disable = True  # one default path for all servers
accesslog = None  # the app writes one structured line for each request
errorlog = "-"
loglevel = settings().log_level
logconfig_dict = logs.config(loglevel)
# gunicorn's logger has a plain handler of its own and does not propagate: ours instead.
logconfig_dict["loggers"] |= {
    "gunicorn.error": {"level": loglevel, "handlers": ["stderr"], "propagate": False}
}

MULTIPROC_DIR = os.environ.get("PROMETHEUS_MULTIPROC_DIR")


def on_starting(_server):
    """Counts of the workers of an earlier run are not this one's."""
    if MULTIPROC_DIR:
        folder = Path(MULTIPROC_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        for counts in folder.glob("*.db"):
            counts.unlink()


def post_fork(_server, _worker):
    """A worker without its arbiter would keep the address, and an engine's the queue, while it winds down."""
    child.end_with_parent()


def child_exit(_server, worker):
    if MULTIPROC_DIR:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
