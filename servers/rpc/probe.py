"""`python -m servers.rpc.probe`: whether the worker is ready, by gRPC's own health check, for a container's.

With TLS it is whether the worker listens: a probe has no certificate.
"""

from __future__ import annotations

import socket
import sys

from servers.settings import Rpc, settings
from servers.supervision.processes import ANY_ADDRESS

WITHIN_S = 4.0


def why_not(own: Rpc) -> str | None:
    """What keeps it from being ready; None if it is."""
    host = ANY_ADDRESS.get(own.host, own.host)
    if own.tls_certificate is not None:
        return _is_deaf(host, own.port)
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"[{host}]:{own.port}" if ":" in host else f"{host}:{own.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=WITHIN_S)
        except grpc.RpcError as error:
            return str(error.details())
    is_serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return None if is_serving else "it is not serving yet"


def _is_deaf(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=WITHIN_S).close()
    except OSError as error:
        return str(error)
    return None


if __name__ == "__main__":
    fault = why_not(settings().rpc)
    print(f"rpc: {fault or 'ready'}")
    sys.exit(int(fault is not None))
