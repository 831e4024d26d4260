"""The calls of the contract. Written by hand: the stubs that grpcio-tools makes refuse an older grpcio than their
own."""

from __future__ import annotations

import grpc

from keepset._proto import run_service_pb2 as runs
from keepset._proto import sampler_service_pb2 as sampler

_RUN_SERVICE = "/keepset.v1.RunService/"
_SAMPLER_SERVICE = "/keepset.v1.SamplerService/"


class RunServiceStub:
    """The life of runs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.create_run: grpc.UnaryUnaryMultiCallable[runs.CreateRunRequest, runs.CreateRunResponse]
        self.create_run = channel.unary_unary(
            _RUN_SERVICE + "CreateRun", runs.CreateRunRequest.SerializeToString, runs.CreateRunResponse.FromString
        )
        self.get_run: grpc.UnaryUnaryMultiCallable[runs.GetRunRequest, runs.GetRunResponse]
        self.get_run = channel.unary_unary(
            _RUN_SERVICE + "GetRun", runs.GetRunRequest.SerializeToString, runs.GetRunResponse.FromString
        )
        self.list_runs: grpc.UnaryUnaryMultiCallable[runs.ListRunsRequest, runs.ListRunsResponse]
        self.list_runs = channel.unary_unary(
            _RUN_SERVICE + "ListRuns", runs.ListRunsRequest.SerializeToString, runs.ListRunsResponse.FromString
        )
        self.finish_run: grpc.UnaryUnaryMultiCallable[runs.FinishRunRequest, runs.FinishRunResponse]
        self.finish_run = channel.unary_unary(
            _RUN_SERVICE + "FinishRun", runs.FinishRunRequest.SerializeToString, runs.FinishRunResponse.FromString
        )
        self.delete_run: grpc.UnaryUnaryMultiCallable[runs.DeleteRunRequest, runs.DeleteRunResponse]
        self.delete_run = channel.unary_unary(
            _RUN_SERVICE + "DeleteRun", runs.DeleteRunRequest.SerializeToString, runs.DeleteRunResponse.FromString
        )
        self.rewind_run: grpc.UnaryUnaryMultiCallable[runs.RewindRunRequest, runs.RewindRunResponse]
        self.rewind_run = channel.unary_unary(
            _RUN_SERVICE + "RewindRun", runs.RewindRunRequest.SerializeToString, runs.RewindRunResponse.FromString
        )
        self.export_run: grpc.UnaryStreamMultiCallable[runs.ExportRunRequest, runs.ExportRunResponse]
        self.export_run = channel.unary_stream(
            _RUN_SERVICE + "ExportRun", runs.ExportRunRequest.SerializeToString, runs.ExportRunResponse.FromString
        )
        self.import_run: grpc.StreamUnaryMultiCallable[runs.ImportRunRequest, runs.ImportRunResponse]
        self.import_run = channel.stream_unary(
            _RUN_SERVICE + "ImportRun", runs.ImportRunRequest.SerializeToString, runs.ImportRunResponse.FromString
        )
        self.stream_statistics: grpc.UnaryStreamMultiCallable[
            runs.StreamStatisticsRequest, runs.StreamStatisticsResponse
        ]
        self.stream_statistics = channel.unary_stream(
            _RUN_SERVICE + "StreamStatistics",
            runs.StreamStatisticsRequest.SerializeToString,
            runs.StreamStatisticsResponse.FromString,
        )
        self.stream_selections: grpc.UnaryStreamMultiCallable[
            runs.StreamSelectionsRequest, runs.StreamSelectionsResponse
        ]
        self.stream_selections = channel.unary_stream(
            _RUN_SERVICE + "StreamSelections",
            runs.StreamSelectionsRequest.SerializeToString,
            runs.StreamSelectionsResponse.FromString,
        )


class PlanStub:
    """Plans out."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.plan_epoch: grpc.UnaryStreamMultiCallable[sampler.PlanEpochRequest, sampler.PlanEpochResponse]
        self.plan_epoch = channel.unary_stream(
            _SAMPLER_SERVICE + "PlanEpoch",
            sampler.PlanEpochRequest.SerializeToString,
            sampler.PlanEpochResponse.FromString,
        )


class ReportStub:
    """Losses in. A request is given as its bytes: a report that is sent again is encoded once."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.stream_reports: grpc.StreamStreamMultiCallable[bytes, sampler.StreamReportsResponse]
        self.stream_reports = channel.stream_stream(
            _SAMPLER_SERVICE + "StreamReports", None, sampler.StreamReportsResponse.FromString
        )
