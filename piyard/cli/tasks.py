"""All tasks. Each imports its worker when it is called, so that ``--list`` stays quick."""

from __future__ import annotations

from piyard.cli.board_requests import (
    AbRequest,
    AddRequest,
    AttachRequest,
    BenchRequest,
    BoardsQuery,
    ChatRequest,
    DeployRequest,
    DownRequest,
    EmulatedRequest,
    EvaluateRequest,
    ExecRequest,
    GcRequest,
    IndexRequest,
    ListRequest,
    OneRunRequest,
    PlacesRequest,
    PowerRequest,
    ProveRequest,
    RemoveRequest,
    RollbackRequest,
    RunRequest,
    RunsRequest,
    SearchRequest,
    TrustRequest,
)
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
from piyard.cli.flags import TableRequest
from piyard.cli.request import COMMANDS, Request, command, namespace


@command(DeployRequest, "deploy")
def deploy(request: DeployRequest) -> None:
    """Put nnrun and models on boards; only what they lack is sent."""
    from piyard.cli import work

    work.deploy(request)


@command(BenchRequest, "bench")
def bench(request: BenchRequest) -> None:
    """Measure models on boards and print the table."""
    from piyard.cli import engines, work

    if engines.is_of_tokens(request):
        engines.bench_tokens(request)
    else:
        work.bench(request, or_random=False)


@command(BenchRequest, "deploy-bench")
def deploy_bench(request: BenchRequest) -> None:
    """Build, convert, deploy and measure in one go, and print the table."""
    from piyard.cli import engines, work

    if engines.is_of_tokens(request):
        engines.bench_tokens(request)
    else:
        work.bench(request, or_random=True)


@command(RunRequest, "run")
def run(request: RunRequest) -> None:
    """Run a model on pictures, a film or the camera of boards, and print its predictions."""
    from piyard.cli.runs import run_model

    run_model(request)


@command(ChatRequest, "chat")
def chat(request: ChatRequest) -> None:
    """Talk with a language model on a board: each line is a turn, answers come as they are made."""
    from piyard.cli.chat import chat_with_model

    chat_with_model(request)


@command(IndexRequest, "index")
def index(request: IndexRequest) -> None:
    """Index your pictures by their embeddings, so that words and pictures find them."""
    from piyard.cli.clip import index_pictures

    index_pictures(request)


@command(SearchRequest, "search")
def search(request: SearchRequest) -> None:
    """Find pictures of an index by words, or by a picture; needs no board."""
    from piyard.cli.clip import search_pictures

    search_pictures(request)


@command(EvaluateRequest, "evaluate")
def evaluate(request: EvaluateRequest) -> None:
    """Evaluate a model on your data: the original, ncnn on this machine, nnrun on boards."""
    from piyard.cli.trials import evaluate_model

    evaluate_model(request)


@command(ProveRequest, "prove")
def prove(request: ProveRequest) -> None:
    """Prove that boards compute what a model's original does, in raw outputs and in meaning."""
    from piyard.cli.language_proofs import names_language_models, prove_language_models

    if names_language_models(request):
        prove_language_models(request)
        return
    from piyard.cli.trials import prove_on_boards

    prove_on_boards(request)


@command(AbRequest, "ab")
def ab(request: AbRequest) -> None:
    """Measure two builds in turns (A-B-B-A) on one board, and compare them."""
    from piyard.cli.trials import measure_ab

    measure_ab(request)


@command(RollbackRequest, "rollback")
def rollback(request: RollbackRequest) -> None:
    """Switch boards back to the release before the current one."""
    from piyard.cli.fleet import roll_back

    roll_back(request)


@command(RunsRequest, "runs")
def runs(request: RunsRequest) -> None:
    """List all runs with their last known state."""
    from piyard.cli.stored_runs import list_runs, remove_runs

    if request.remove:
        remove_runs(request.remove, dry_run=request.dry_run)
    else:
        list_runs(request.format)


@command(AttachRequest, "attach")
def attach(request: AttachRequest) -> None:
    """Wait again for a run that keeps running on its board, and print its result."""
    from piyard.cli import stored_runs

    stored_runs.attach(request.run, request.format, long=request.long)


@command(OneRunRequest, "fetch")
def fetch(request: OneRunRequest) -> None:
    """Fetch what a run has written so far."""
    from piyard.cli import stored_runs

    stored_runs.fetch(request.run)


@command(OneRunRequest, "cancel")
def cancel(request: OneRunRequest) -> None:
    """End a run on its board, and fetch what it wrote."""
    from piyard.cli import stored_runs

    stored_runs.cancel(request.run)


@command(ListRequest, "fleet.list")
def fleet_list(request: ListRequest) -> None:
    """List the boards of the inventory, without contacting them."""
    from piyard.cli.fleet import list_boards

    list_boards(request.hosts, request.format)


@command(AddRequest, "fleet.add")
def fleet_add(request: AddRequest) -> None:
    """Connect to a board, identify it, and add it to the inventory."""
    from piyard.cli.fleet import add_board

    add_board(request)


@command(RemoveRequest, "fleet.remove")
def fleet_remove(request: RemoveRequest) -> None:
    """Take a board out of the inventory; nothing on it changes."""
    from piyard.cli.fleet import remove_board

    remove_board(request.name, dry_run=request.dry_run)


@command(BoardsQuery, "fleet.facts")
def fleet_facts(request: BoardsQuery) -> None:
    """Show what boards report: model, system, memory, free disk, load."""
    from piyard.cli.fleet import show_facts

    show_facts(request)


@command(BoardsQuery, "fleet.doctor")
def fleet_doctor(request: BoardsQuery) -> None:
    """Check boards, and say how to fix what is wrong."""
    from piyard.cli.fleet import check_boards

    check_boards(request)


@command(ExecRequest, "fleet.exec")
def fleet_exec(request: ExecRequest) -> None:
    """Run one program on boards, and print its output."""
    from piyard.cli.fleet import run_command

    run_command(request)


@command(TrustRequest, "fleet.trust")
def fleet_trust(request: TrustRequest) -> None:
    """Pin a board's present host key, after the board was reflashed."""
    from piyard.cli.fleet import pin_host_keys

    pin_host_keys(request)


@command(GcRequest, "fleet.gc")
def fleet_gc(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    from piyard.cli.fleet import remove_old_releases

    remove_old_releases(request)


@command(BoardsQuery, "fleet.locks")
def fleet_locks(request: BoardsQuery) -> None:
    """Show who holds which board."""
    from piyard.cli.fleet import show_leases

    show_leases(request)


@command(PowerRequest, "fleet.power")
def fleet_power(request: PowerRequest) -> None:
    """Switch boards of a labgrid farm on and off by their power ports."""
    from piyard.cli.fleet import switch_power

    switch_power(request)


@command(PlacesRequest, "fleet.places")
def fleet_places(request: PlacesRequest) -> None:
    """List the places of a labgrid farm."""
    from piyard.cli.fleet import list_places

    list_places(request.coordinator, request.format)


@command(EmulatedRequest, "board.up")
def board_up(request: EmulatedRequest) -> None:
    """Start an emulated board."""
    from piyard.cli.machine import start_emulated

    start_emulated(request.target, dry_run=request.dry_run)


@command(DownRequest, "board.down")
def board_down(request: DownRequest) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard.cli.machine import stop_emulated

    stop_emulated(request.target, yes=request.yes, dry_run=request.dry_run)


@command(TableRequest, "board.list")
def board_list(request: TableRequest) -> None:
    """List the emulated boards that are running."""
    from piyard.cli.machine import list_emulated

    list_emulated(request.format)


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


NAMESPACE = namespace(COMMANDS)
