"""The endpoint `/v1/models`: the loaded models with all properties that a client can read."""

from dataclasses import asdict

from fastapi import APIRouter, Request

from service.api.v1 import openapi
from service.api.v1.params import ModelPath, VersionPath
from service.api.v1.schemas import BatchTime, Chosen, EngineInfo, ModelDetail, ModelList, ModelSummary
from service.repository.registry import Registry
from service.repository.version import Deployment, ModelVersion

_NOT_FOUND = openapi.problems(404, plain={422: "A parameter is not valid."})


def router(registry: Registry) -> APIRouter:
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    @routes.get("", operation_id="list_models", summary="All models and versions")
    async def list_models(request: Request) -> ModelList:
        allowed: frozenset[str] | None = getattr(request.state, "key_models", None)
        everything = ModelList(
            default_model=registry.default_model, models=summaries(registry), unreadable=dict(registry.unreadable)
        )
        return everything if allowed is None else _only(everything, allowed)

    @routes.get("/{model}", operation_id="get_model", summary="A model's newest ready version", responses=_NOT_FOUND)
    async def get_model(model: ModelPath) -> ModelDetail:
        return _detail(registry, registry.find(model))

    @routes.get(
        "/{model}/versions/{version}",
        operation_id="get_model_version",
        summary="One version of a model",
        responses=_NOT_FOUND,
    )
    async def get_model_version(model: ModelPath, version: VersionPath) -> ModelDetail:
        return _detail(registry, registry.find(model, version))

    return routes


def _only(everything: ModelList, allowed: frozenset[str]) -> ModelList:
    """Return the part of the list that a key for these models may read."""
    return ModelList(
        default_model=everything.default_model if everything.default_model in allowed else None,
        models=[model for model in everything.models if model.name in allowed],
        unreadable={},
    )


def summaries(registry: Registry) -> list[ModelSummary]:
    return [_summary(registry, version) for version in registry]


def _summary(registry: Registry, version: ModelVersion) -> ModelSummary:
    manifest = version.manifest
    return ModelSummary(
        name=manifest.name,
        version=str(manifest.version),
        default=registry.is_default(version),
        state=version.state,
        reason=version.reason,
        provider=version.provider,
        description=manifest.description,
        classes=len(manifest.labels),
        input=manifest.input,
    )


def _detail(registry: Registry, version: ModelVersion) -> ModelDetail:
    manifest = version.manifest
    sets = manifest.calibration.prediction_sets
    return ModelDetail(
        **_summary(registry, version).model_dump(),
        versions=[str(other.manifest.version) for other in registry.versions(manifest.name)],
        labels=list(manifest.labels),
        task=manifest.task,
        preprocessing=manifest.preprocessing,
        metrics={variant.precision.value: variant.metrics for variant in manifest.variants},
        calibration=manifest.calibration,
        heatmap=manifest.class_map,
        dense=manifest.dense,
        coverages=list(sets.threshold_of) if sets else [],
        engine=_engine(version.serving) if version.serving else None,
        licence=manifest.provenance.licence,
        created=manifest.provenance.created,
    )


def _engine(serving: Deployment) -> EngineInfo:
    profile = serving.profile
    chosen = Chosen(
        **profile.chosen.model_dump(exclude={"seconds"}),
        images_per_s=round(profile.images_per_s, 1),
        milliseconds_alone=round(profile.alone_s * 1000, 3),
        tried=len(profile.tried),
        reason=profile.reason,
    )
    batch_profile = [
        BatchTime(
            batch_size=n.batch_size, milliseconds=round(n.seconds * 1000, 3), images_per_s=round(n.images_per_s, 1)
        )
        for n in profile.points
    ]
    return EngineInfo(
        **asdict(serving.engine),
        precision=serving.precision.value,
        max_batch_size=serving.max_batch_size,
        batch_profile=batch_profile,
        chosen=chosen,
    )
