"""piyard's Invoke tasks: parse, call, print. What they do is in piyard/."""

from __future__ import annotations

from invoke.collection import Collection

from piyard import ending
from piyard.tasks import boards, emulated, evaluate, fleet, history, make, models, program

program.adopt()
ending.install()
namespace = Collection(
    make.build,
    models.convert,
    boards.deploy,
    boards.bench,
    boards.deploy_bench,
    boards.run,
    evaluate.prove,
    evaluate.evaluate,
    boards.runs,
    boards.attach,
    boards.fetch,
    boards.cancel,
    boards.rollback,
    make.report,
    history.history,
    history.compare,
    history.ab,
    make.doctor,
    make.clean,
    make.lint,
    make.test,
    Collection("model", models.list_models, models.add_model),
    Collection("board", emulated.up, emulated.down, emulated.listed),
    Collection(
        "fleet",
        fleet.listed,
        fleet.add,
        fleet.remove,
        fleet.facts,
        fleet.doctor,
        fleet.execute,
        fleet.trust,
        fleet.gc,
        fleet.locks,
        fleet.power,
        fleet.places,
    ),
)
