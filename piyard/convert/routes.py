"""The routes by which a model can go to ncnn."""

from __future__ import annotations

from piyard.core.errors import WrongInput, unknown_name
from piyard.models.definition import Model

ROUTES = ("trace", "script", "onnx", "pnnx", "ncnn")
FILE_ROUTES = {"onnx": "onnx", "torchscript": "script", "ncnn": "ncnn"}
"""Values of ``network`` that mean: the file of weights is the network, and its route."""


def model_routes(model: Model) -> list[str]:
    """The routes a model can go, its own first."""
    if model.text:
        return ["trace"]
    own = FILE_ROUTES.get(model.network)
    if own == "ncnn":
        return [own]
    return [own, "pnnx"] if own else ["trace", "script", "onnx", "pnnx"]


def require_route(model: Model, route: str) -> str:
    """The route, or the model's own without one; ``WrongInput`` for one it cannot go."""
    if route and route not in ROUTES:
        raise unknown_name("route", route, ROUTES)
    if route and route not in model_routes(model):
        raise WrongInput(
            f"{model.title} cannot go the route '{route}': its file is of kind {model.network}",
            remedy=f"routes of this model: {', '.join(model_routes(model))}",
        )
    return route or model_routes(model)[0]
