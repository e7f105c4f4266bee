"""Tasks on boards, and on runs that continue there."""

from __future__ import annotations

from piyard.cli.board_requests import (
    AbRequest,
    AttachRequest,
    BenchRequest,
    DeployRequest,
    EvaluateRequest,
    OneRunRequest,
    ProveRequest,
    RollbackRequest,
    RunsRequest,
)
from piyard.cli.command import command
from piyard.cli.prediction_requests import ChatRequest, IndexRequest, RunRequest, SearchRequest


@command(DeployRequest, "deploy")
def deploy(request: DeployRequest) -> None:
    """Put nnrun and models on boards; only what they lack is sent."""
    from piyard.cli.deploy_bench import deploy_to_boards

    deploy_to_boards(request)


@command(BenchRequest, "bench")
def bench(request: BenchRequest) -> None:
    """Measure models on boards and print the table."""
    from piyard.cli import deploy_bench, engines

    if engines.is_of_tokens(request):
        engines.bench_tokens(request)
    else:
        deploy_bench.measure_models(request, or_random=False)


@command(BenchRequest, "deploy-bench")
def deploy_bench(request: BenchRequest) -> None:
    """Build, convert, deploy and measure in one go, and print the table."""
    from piyard.cli import deploy_bench, engines

    if engines.is_of_tokens(request):
        engines.bench_tokens(request)
    else:
        deploy_bench.measure_models(request, or_random=True)


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
