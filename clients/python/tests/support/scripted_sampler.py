"""A gRPC server that answers as a test says: real transport, no sampler behind it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from keepset._proto import run_pb2, run_service_pb2, sampler_service_pb2
from keepset._proto.error_details_pb2 import ErrorInfo, RetryInfo
from keepset._proto.status_pb2 import Status

Handler = Callable[[Any, grpc.ServicerContext], Any]
"""Gets the request, or an iterator of them, and gives the response, or an iterator of them."""


class ScriptedSampler:
    """Answers the methods it is given, by their names: `delete_run`, `plan_epoch`, `stream_reports`, ..."""

    def __init__(self, **handlers: Handler) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8))
        runs = {name: _method(run_service_pb2, name, handler) for name, handler in handlers.items() if "_run" in name}
        plans = {
            name: _method(sampler_service_pb2, name, handler)
            for name, handler in handlers.items()
            if "_run" not in name
        }
        for service, methods in (("RunService", runs), ("SamplerService", plans)):
            named = {_camel(name): method for name, method in methods.items()}
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(f"keepset.v1.{service}", named),)
            )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def __enter__(self) -> ScriptedSampler:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


def create_run(request: Any, _: grpc.ServicerContext) -> Any:
    """Answers CreateRun as a sampler does."""
    spec = run_pb2.RunSpec()
    spec.CopyFrom(request.spec)
    spec.selection_period, spec.warmup_epochs = 10, 1
    run = run_pb2.Run(run_id=request.run_id, spec=spec, state=1, generation=1, progress=run_pb2.RunProgress())
    return run_service_pb2.CreateRunResponse(run=run)


def plan_of(count: int) -> Handler:
    """Answers PlanEpoch with the indices 0 to `count` - 1."""

    def plan_epoch(request: Any, _: grpc.ServicerContext) -> Any:
        header = sampler_service_pb2.PlanHeader(
            epoch=request.epoch, kept_count=count, sample_count=count, position_count=count, reason=1, generation=1
        )
        yield sampler_service_pb2.PlanEpochResponse(header=header)
        indices = b"".join(index.to_bytes(4, "little") for index in range(request.start_position, count))
        chunk = sampler_service_pb2.PlanChunk(start_position=request.start_position, sample_indices=indices)
        yield sampler_service_pb2.PlanEpochResponse(chunk=chunk)

    return plan_epoch


def ack_of(request: Any, **changes: Any) -> Any:
    """The acknowledgement of a report."""
    report = request.report
    fields = {"epoch": report.epoch, "rank": report.rank, "sequence": report.sequence, **changes}
    return sampler_service_pb2.StreamReportsResponse(acks=[sampler_service_pb2.LossReportAck(**fields)])


def refuse(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    text: str,
    reason: str | None = None,
    *,
    retry_delay: float | None = None,
    domain: str = "keepset.dev",
) -> NoReturn:
    """Ends the call with a status; with a `reason`, as a sampler gives it."""
    details: list[AnyMessage] = []
    if reason is not None:
        info = ErrorInfo(reason=reason, domain=domain).SerializeToString()
        details.append(AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info))
    if retry_delay is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMicroseconds(int(retry_delay * 1e6))
        details.append(AnyMessage(type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry.SerializeToString()))
    if details:
        trailer = Status(code=code.value[0], message=text, details=details).SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
    context.abort(code, text)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _method(messages: Any, name: str, handler: Handler) -> Any:
    request = getattr(messages, f"{_camel(name)}Request").FromString
    response = getattr(messages, f"{_camel(name)}Response").SerializeToString
    if name == "stream_reports":
        return grpc.stream_stream_rpc_method_handler(handler, request, response)
    if name in ("plan_epoch", "export_run"):
        return grpc.unary_stream_rpc_method_handler(handler, request, response)
    return grpc.unary_unary_rpc_method_handler(handler, request, response)
