"""Tasks that need no board: builds, models, stored results, this machine."""

from __future__ import annotations

from piyard.cli.command import command
from piyard.cli.compress_request import CompressRequest
from piyard.cli.desk_requests import (
    AddModelRequest,
    BuildRequest,
    CleanRequest,
    CompareRequest,
    ConvertRequest,
    DataQuery,
    DoctorRequest,
    HistoryRequest,
    ModelsRequest,
    RemoveModelRequest,
    ReportRequest,
    TestRequest,
)
from piyard.cli.request import Request


@command(BuildRequest, "build")
def build(request: BuildRequest) -> None:
    """Cross-compile ncnn and nnrun for a target."""
    from piyard.cli.make import build_targets

    build_targets(request.targets, request.source, dry_run=request.dry_run)


@command(ConvertRequest, "convert")
def convert(request: ConvertRequest) -> None:
    """Convert models to ncnn, with proof that they still compute the same."""
    from piyard.cli.make import convert_models

    convert_models(request)


@command(CompressRequest, "compress")
def compress(request: CompressRequest) -> None:
    """Make a smaller or faster variant of a model, with its accuracy and its time on boards."""
    from piyard.cli.compress import compress_model

    compress_model(request)


@command(ModelsRequest, "model.list")
def model_list(request: ModelsRequest) -> None:
    """List the models: input, size, accuracy and licence, as published."""
    from piyard.cli.make import list_models

    list_models(request.task, request.format)


@command(AddModelRequest, "model.add")
def model_add(request: AddModelRequest) -> None:
    """Add a model from your own network file, and convert it with proof."""
    from piyard.cli.own_models import add_from_request

    add_from_request(request)


@command(DataQuery, "data")
def data(request: DataQuery) -> None:
    """Say what a data set is: format, splits, pictures, objects, classes, what is left out."""
    from piyard.cli.data_sets import show_data

    show_data(request)


@command(RemoveModelRequest, "model.remove")
def model_remove(request: RemoveModelRequest) -> None:
    """Remove a model of your own: its YAML, its lists of names, its network's file."""
    from piyard.cli.own_models import remove_model

    remove_model(request)


@command(ReportRequest, "report")
def report(request: ReportRequest) -> None:
    """Print the table of stored results, or make a page of them; needs no board."""
    from piyard.cli.report import print_report

    print_report(request)


@command(HistoryRequest, "history")
def history(request: HistoryRequest) -> None:
    """List stored results, the newest last, each with its change since the one before."""
    from piyard.cli.stored import list_results

    list_results(request)


@command(CompareRequest, "compare")
def compare(request: CompareRequest) -> None:
    """Compare stored results of the same jobs; unlike conditions are refused."""
    from piyard.cli.stored import compare_stored

    compare_stored(request)


@command(DoctorRequest, "doctor")
def doctor(request: DoctorRequest) -> None:
    """Check this machine, and boards, and say how to fix what is wrong."""
    from piyard.cli.machine import check_machine

    check_machine(request.hosts)


@command(CleanRequest, "clean")
def clean(request: CleanRequest) -> None:
    """Remove builds, conversions and scratch files. Runs and their results stay."""
    from piyard.cli import machine

    machine.clean(everything=request.everything, dry_run=request.dry_run)


@command(Request, "lint")
def lint(_request: Request) -> None:
    """ruff, mypy and shellcheck over everything."""
    from piyard.cli.machine import run_linters

    run_linters()


@command(TestRequest, "test")
def test(request: TestRequest) -> None:
    """Run all tests; linting is one of them."""
    from piyard.cli.machine import run_tests

    run_tests(unit=request.unit, select=request.k)
