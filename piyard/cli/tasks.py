"""All tasks. Each imports what does its work when it is called: ``--list`` shall stay quick."""

from __future__ import annotations

from piyard.cli.board_requests import (
    AbRequest,
    AttachRequest,
    BenchRequest,
    DeployRequest,
    EvaluateRequest,
    OneRun,
    ProveRequest,
    RollbackRequest,
    RunRequest,
    RunsRequest,
)
from piyard.cli.desk_requests import (
    AddModelRequest,
    BuildRequest,
    CleanRequest,
    CompareRequest,
    ConvertRequest,
    DoctorRequest,
    HistoryRequest,
    ModelsRequest,
    ReportRequest,
    TestRequest,
)
from piyard.cli.flags import Shown
from piyard.cli.fleet_requests import (
    AddRequest,
    DownRequest,
    EmulatedRequest,
    ExecRequest,
    GcRequest,
    ListRequest,
    PlacesRequest,
    PowerRequest,
    QueryRequest,
    RemoveRequest,
    TrustRequest,
)
from piyard.cli.request import COMMANDS, Request, command, namespace


@command(DeployRequest, "deploy")
def deploy(request: DeployRequest) -> None:
    """Put nnrun and models on boards; only what is missing there travels."""
    from piyard.commands import work

    work.deploy(request)


@command(BenchRequest, "bench")
def bench(request: BenchRequest) -> None:
    """Measure models on boards and print the table."""
    from piyard.commands import work

    work.bench(request, or_random=False)


@command(BenchRequest, "deploy-bench")
def deploy_bench(request: BenchRequest) -> None:
    """Build, convert, deploy, measure, print the table: everything in one go."""
    from piyard.commands import work

    work.bench(request, or_random=True)


@command(RunRequest, "run")
def run(request: RunRequest) -> None:
    """Show pictures, a film or the camera to a model on boards, and print what it sees."""
    from piyard.commands import look

    look.run(request)


@command(EvaluateRequest, "evaluate")
def evaluate(request: EvaluateRequest) -> None:
    """Tell how right a model is on your data: its original, ncnn here, nnrun on boards."""
    from piyard.commands import evaluate as worker

    worker.evaluate(request)


@command(ProveRequest, "prove")
def prove(request: ProveRequest) -> None:
    """Prove that boards compute what a model's original does: raw outputs, and what they mean."""
    from piyard.commands import prove as worker

    worker.on_boards(request)


@command(AbRequest, "ab")
def ab(request: AbRequest) -> None:
    """Measure two builds in turns (A-B-B-A) on one board, and compare them."""
    from piyard.commands import ab as worker

    worker.ab(request)


@command(RollbackRequest, "rollback")
def rollback(request: RollbackRequest) -> None:
    """Make the release before the current one current again."""
    from piyard.commands import fleet

    fleet.rollback(request)


@command(RunsRequest, "runs")
def runs(request: RunsRequest) -> None:
    """List all runs, and how they stood when last heard of."""
    from piyard.commands import runs as worker

    if request.remove:
        worker.remove(request.remove, dry_run=request.dry_run)
    else:
        worker.listed(request.format)


@command(AttachRequest, "attach")
def attach(request: AttachRequest) -> None:
    """Wait again for a run that keeps running on its board, and print what it gives."""
    from piyard.commands import runs as worker

    worker.attach(request.run, request.format, long=request.long)


@command(OneRun, "fetch")
def fetch(request: OneRun) -> None:
    """Bring back what a run has written so far."""
    from piyard.commands import runs as worker

    worker.fetch(request.run)


@command(OneRun, "cancel")
def cancel(request: OneRun) -> None:
    """End a run on its board, and bring back what it wrote."""
    from piyard.commands import runs as worker

    worker.cancel(request.run)


@command(ListRequest, "fleet.list")
def fleet_list(request: ListRequest) -> None:
    """The boards of the inventory; asks none of them."""
    from piyard.commands import fleet

    fleet.listed(request.hosts, request.format)


@command(AddRequest, "fleet.add")
def fleet_add(request: AddRequest) -> None:
    """Connect to a board, see what it is, and write it into the inventory."""
    from piyard.commands import fleet

    fleet.add(request)


@command(RemoveRequest, "fleet.remove")
def fleet_remove(request: RemoveRequest) -> None:
    """Take a board out of the inventory; nothing on it changes."""
    from piyard.commands import fleet

    fleet.remove(request.name, dry_run=request.dry_run)


@command(QueryRequest, "fleet.facts")
def fleet_facts(request: QueryRequest) -> None:
    """What boards say of themselves."""
    from piyard.commands import fleet

    fleet.facts(request)


@command(QueryRequest, "fleet.doctor")
def fleet_doctor(request: QueryRequest) -> None:
    """Check boards, and say what to do about what is wrong."""
    from piyard.commands import fleet

    fleet.doctor(request)


@command(ExecRequest, "fleet.exec")
def fleet_exec(request: ExecRequest) -> None:
    """Run one program on boards, and print what each says."""
    from piyard.commands import fleet

    fleet.execute(request)


@command(TrustRequest, "fleet.trust")
def fleet_trust(request: TrustRequest) -> None:
    """Pin the host key a board shows now, after it was flashed anew."""
    from piyard.commands import fleet

    fleet.trust(request)


@command(GcRequest, "fleet.gc")
def fleet_gc(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    from piyard.commands import fleet

    fleet.gc(request)


@command(QueryRequest, "fleet.locks")
def fleet_locks(request: QueryRequest) -> None:
    """Who holds which board."""
    from piyard.commands import fleet

    fleet.locks(request)


@command(PowerRequest, "fleet.power")
def fleet_power(request: PowerRequest) -> None:
    """Switch boards of a labgrid farm on and off by their power ports."""
    from piyard.commands import fleet

    fleet.power(request)


@command(PlacesRequest, "fleet.places")
def fleet_places(request: PlacesRequest) -> None:
    """The places of a labgrid farm."""
    from piyard.commands import fleet

    fleet.places(request.coordinator, request.format)


@command(EmulatedRequest, "board.up")
def board_up(request: EmulatedRequest) -> None:
    """Start an emulated board."""
    from piyard.commands import emulated

    emulated.up(request.target, dry_run=request.dry_run)


@command(DownRequest, "board.down")
def board_down(request: DownRequest) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard.commands import emulated

    emulated.down(request.target, yes=request.yes, dry_run=request.dry_run)


@command(Shown, "board.list")
def board_list(request: Shown) -> None:
    """The emulated boards that run."""
    from piyard.commands import emulated

    emulated.listed(request.format)


@command(BuildRequest, "build")
def build(request: BuildRequest) -> None:
    """Cross-compile ncnn and nnrun for a kind of board."""
    from piyard.commands import make

    make.builds(request.targets, request.source, dry_run=request.dry_run)


@command(ConvertRequest, "convert")
def convert(request: ConvertRequest) -> None:
    """Convert models to ncnn, with proof that they still compute the same."""
    from piyard.commands import models

    models.conversions(request)


@command(ModelsRequest, "model.list")
def model_list(request: ModelsRequest) -> None:
    """The models there are: input, size, accuracy and licence, as published."""
    from piyard.commands import models

    models.listed(request.task, request.format)


@command(AddModelRequest, "model.add")
def model_add(request: AddModelRequest) -> None:
    """Make a model of a network file of your own, and convert it with proof."""
    from piyard.commands import models

    models.add(request)


@command(ReportRequest, "report")
def report(request: ReportRequest) -> None:
    """Print the table of stored results, or make a page of them; needs no board."""
    from piyard.commands import make

    make.reprint(request)


@command(HistoryRequest, "history")
def history(request: HistoryRequest) -> None:
    """List stored results, the newest last, each with its change since the one before."""
    from piyard.commands import history as worker

    worker.listed(request)


@command(CompareRequest, "compare")
def compare(request: CompareRequest) -> None:
    """Compare stored results of the same jobs; unlike conditions are refused."""
    from piyard.commands import compare as worker

    worker.compare(request)


@command(DoctorRequest, "doctor")
def doctor(request: DoctorRequest) -> None:
    """Check this machine, and boards, and say what to do about what is wrong."""
    from piyard import doctor as worker

    worker.report(request.hosts)


@command(CleanRequest, "clean")
def clean(request: CleanRequest) -> None:
    """Remove what was made: builds, conversions, scratch. Runs and their results stay."""
    from piyard import clean as worker

    worker.clean(everything=request.everything, dry_run=request.dry_run)


@command(Request, "lint")
def lint(_request: Request) -> None:
    """ruff, mypy and shellcheck over everything."""
    from piyard import checks

    checks.lint()


@command(TestRequest, "test")
def test(request: TestRequest) -> None:
    """Run all tests; linting is one of them."""
    from piyard import checks

    checks.test(unit=request.unit, select=request.k)


NAMESPACE = namespace(COMMANDS)
