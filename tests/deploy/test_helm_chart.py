"""deploy/kubernetes: what Helm makes of the chart, by the schemas of Kubernetes and the settings of the service."""

import re
import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scripts.reference import chart_settings
from service.settings import Settings
from tests.support.helm_chart import (
    CHART,
    KUBERNETES,
    ROOT,
    RefusedError,
    environment,
    notes,
    one,
    pod_template,
    render,
    render_command,
    rendered_texts,
)

OLDEST, IMAGE_VOLUMES, NEWEST = "1.30", "1.31", "1.37"
"""Chart.yaml's `kubeVersion`, the first Kubernetes whose API has image volumes, and the newest with schemas at hand."""

KEYS = yaml.safe_load((KUBERNETES / "values-keys.yaml").read_text())
GPU = yaml.safe_load((KUBERNETES / "values-gpu.yaml").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "keys": KEYS,
    "gpu": GPU,
    "keys and gpu": {**GPU, **KEYS},
    "tls": {"tls": {"secret": "certificate"}, "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "claim": {"models": {"claim": {"name": "bundles", "path": "production"}}},
    "init": {"models": {"init": {"image": "copy:1", "command": ["cp", "-r", "/bundles/.", "/models"]}}},
    "autoscaling": {"autoscaling": {"enabled": True, "queueWait": {"enabled": True, "milliseconds": 20}}},
    "gpu autoscaling": {**GPU, "autoscaling": {**GPU["autoscaling"], "enabled": True}},
    "everything else": {
        "image": {"repository": "registry.example/vision/snellen", "tag": "1.2", "pullSecrets": [{"name": "registry"}]},
        "settings": {"max_body_bytes": 33554432, "watch": True, "deadline_s": 2.5, "providers": "openvino,cpu"},
        "service": {"type": "LoadBalancer", "port": 8080, "annotations": {"a": "b"}},
        "networkPolicy": {"from": [{"podSelector": {}}], "to": [{"ports": [{"port": 4318}]}]},
        "serviceAccount": {"annotations": {"a": "b"}},
        "podDisruptionBudget": {"maxUnavailable": "25%"},
        "podLabels": {"team": "vision"},
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    },
}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    """In the strict schemas an unknown or misspelt field is an error."""
    manifests = render(VALUES[name])
    for manifest in manifests:
        if manifest["kind"] != "ServiceMonitor":  # the operator's own kind
            kubernetes_validate.validate(manifest, version, strict=True)
    kinds = {each["kind"] for each in manifests}
    assert kinds >= {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"}


def test_image_volumes_are_known_where_they_exist() -> None:
    """They are off by default, and older Kubernetes drops them silently, so its schema refuses them."""
    manifests = render({"models": {"imageVolume": {"reference": "registry.example/bundles:3", "path": "models"}}})
    deployment = one(manifests, "Deployment")
    kubernetes_validate.validate(deployment, IMAGE_VOLUMES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="image"):
        kubernetes_validate.validate(deployment, OLDEST, strict=True)
    assert not [each for each in pod_template(render({}))["volumes"] if "image" in each]


@pytest.mark.parametrize("name", VALUES)
def test_a_pod_can_do_no_more_than_it_needs(name: str) -> None:
    """As in compose: read-only, no capabilities, no root, no account in the cluster, bounded memory."""
    spec = pod_template(render(VALUES[name]))
    assert not spec["automountServiceAccountToken"]
    assert not spec["enableServiceLinks"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        context = container["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
    (service,) = spec["containers"]
    assert {each["name"] for each in service["volumeMounts"] if not each.get("readOnly")} == {"tmp"}
    assert all("sizeLimit" in each["emptyDir"] for each in spec["volumes"] if "emptyDir" in each)


@pytest.mark.parametrize("name", VALUES)
def test_the_service_takes_its_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting, read as the value that was meant."""
    (container,) = pod_template(render(VALUES[name]))["containers"]
    for variable, value in environment(container).items():
        monkeypatch.setenv(variable, value)
    read = Settings()
    assert {each.removeprefix("SNELLEN_").lower() for each in environment(container)} <= set(Settings.model_fields)
    for setting, value in VALUES[name].get("settings", {}).items():
        got = getattr(read, setting)
        assert (",".join(got) if isinstance(got, tuple) else got) == value


def test_it_has_time_to_drain() -> None:
    """Kubernetes kills after the grace period; the service needs its delay, its limit and 10 s for what hangs."""
    spec = pod_template(render({"drain": {"delaySeconds": 20, "limitSeconds": 100}}))
    assert spec["terminationGracePeriodSeconds"] > 20 + 100 + 10
    (container,) = spec["containers"]
    assert environment(container)["SNELLEN_DRAIN_DELAY_S"] == "20"
    assert environment(container)["SNELLEN_DRAIN_LIMIT_S"] == "100"


def test_the_selectors_find_the_pods() -> None:
    """Those of every object that has a selector, and of no other release."""
    manifests = render(KEYS)
    labels = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        one(manifests, "Deployment")["spec"]["selector"]["matchLabels"],
        one(manifests, "Service")["spec"]["selector"],
        one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        one(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector == {"app.kubernetes.io/name": "snellen", "app.kubernetes.io/instance": "demo"}
        assert selector.items() <= labels.items()
    assert one(manifests, "Service")["metadata"]["labels"].items() >= selectors[-1].items()


def test_the_probes_ask_what_the_service_answers() -> None:
    """Over HTTPS where it speaks HTTPS; the service is given time to load before it is judged."""
    for values, scheme in (({}, "HTTP"), (VALUES["tls"], "HTTPS")):
        (container,) = pod_template(render(values))["containers"]
        probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
        assert {name: each["path"] for name, each in probes.items()} == {
            "startup": "/readyz",
            "readiness": "/readyz",
            "liveness": "/livez",
        }
        assert {each["scheme"] for each in probes.values()} == {scheme}
        assert {each["port"] for each in probes.values()} == {container["ports"][0]["name"]}
        assert container["ports"][0]["containerPort"] == Settings().port


def test_keys_are_a_folder_that_follows_its_secret() -> None:
    """A file of a subPath would stay as it was when the secret changes."""
    manifests = render(KEYS)
    spec = pod_template(manifests)
    (container,) = spec["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "keys")
    assert environment(container)["SNELLEN_KEYS"] == f"{mount['mountPath']}/keys.txt"
    assert mount["readOnly"]
    assert "subPath" not in mount
    assert {"name": "keys", "secret": {"secretName": "snellen-keys"}} in spec["volumes"]
    (endpoint,) = one(manifests, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "snellen-prometheus-key", "key": "key"}


def test_a_gpu_is_asked_for_once_per_pod() -> None:
    (container,) = pod_template(render(GPU))["containers"]
    assert container["image"] == "snellen:gpu"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    (container,) = pod_template(render({}))["containers"]
    assert container["image"] == "snellen:cpu"
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_a_value_that_is_taken_away_leaves_a_pod_that_runs() -> None:
    """Limits, beside which a GPU stays, and secrets, without which there is no HTTPS."""
    manifests = render({**GPU, "resources": {"limits": None}, "tls": {"secret": None}})
    (container,) = pod_template(manifests)["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTP"
    assert one(manifests, "Service")["spec"]["ports"][0]["appProtocol"] == "http"
    (container,) = pod_template(render({"resources": {"limits": {"cpu": None}}}))["containers"]
    assert container["resources"]["limits"] == {"memory": DEFAULTS["resources"]["limits"]["memory"]}


def test_the_chart_knows_the_settings_of_the_service() -> None:
    """`python -m scripts.reference` writes them."""
    assert (CHART / "settings.txt").read_text() == chart_settings()
    assert set(chart_settings().split()) == set(Settings.model_fields)


def test_recreate_stands_alone() -> None:
    """Kubernetes refuses the default's rollingUpdate beside it."""
    strategy = one(render({"strategy": {"type": "Recreate"}}), "Deployment")["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


def test_autoscaling_decides_the_number_of_pods_alone() -> None:
    """A number of replicas beside it would set the pods back at each upgrade of the release."""
    manifests = render(VALUES["autoscaling"])
    assert "replicas" not in one(manifests, "Deployment")["spec"]
    cpu, wait = one(manifests, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 75}
    assert wait["pods"]["target"] == {"type": "AverageValue", "averageValue": "20m"}
    adapter = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == wait["pods"]["metric"]["name"]


def test_nothing_leaves_a_pod_that_needs_nothing() -> None:
    """Egress is closed; an init container that downloads has names and HTTPS."""
    assert one(render({}), "NetworkPolicy")["spec"]["egress"] == []
    (rule,) = one(render(VALUES["init"]), "NetworkPolicy")["spec"]["egress"]
    assert sorted({each["port"] for each in rule["ports"]}) == [53, 443]
    policy = one(render(VALUES["everything else"]), "NetworkPolicy")["spec"]
    assert policy["egress"] == [{"ports": [{"port": 4318}]}]
    assert policy["ingress"] == [{"ports": [{"port": "http"}], "from": [{"podSelector": {}}]}]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replica": 3}, "replica"),
        ({"settings": {"models": "/elsewhere"}}, "settings.models: the chart sets it itself; see models"),
        (
            {"settings": {"max-queue": 3}},
            "settings.max-queue is no setting; names are those of docs/settings.md with _",
        ),
        ({"settings": {"max_qeue": 3}}, "settings.max_qeue is no setting"),
        ({"models": {"claim": {"path": "a"}}}, "models.claim.path has no effect without models.claim.name"),
        ({"models": {"init": {"args": ["a"]}}}, "models.init.args has no effect without models.init.image"),
        ({"models": {"imageVolume": {"path": "a"}}}, "has no effect without models.imageVolume.reference"),
        ({"podDisruptionBudget": {"maxUnavailable": "all"}}, "podDisruptionBudget/maxUnavailable"),
        ({"settings": {"formats": ["JPEG"]}}, "settings/formats"),
        ({"models": {"claim": {"name": "a"}, "init": {"image": "b"}}}, "set one of claim, init"),
        ({"keys": {"secret": "k"}, "serviceMonitor": {"enabled": True}}, "scope metrics"),
        ({"autoscaling": {"enabled": True, "cpuUtilization": 0}}, "nothing is scaled"),
        ({"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 4}}, "minReplicas is above maxReplicas"),
        ({"drain": {"limitSeconds": 0}}, "limitSeconds"),
        ({"service": {"type": "Clusterip"}}, "service/type"),
    ],
)
def test_values_that_mean_nothing_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(says)):
        render(values)


def test_the_notes_name_the_next_commands() -> None:
    """With a key and HTTPS where the service asks for them, and a warning where it is open."""
    assert "curl --data-binary @photo.jpg http://localhost:8000/v1/classify" in notes({})
    assert "Every client that reaches this address may use it" in notes({})
    secured = notes({**KEYS, "tls": {"secret": "certificate"}})
    assert 'curl --insecure -H "X-API-Key: $KEY" --data-binary @photo.jpg https://localhost' in secured
    assert "Every client" not in secured


def test_the_schema_knows_every_value() -> None:
    """An undocumented value, or one that is documented and refused, would be found by a user only."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def names(part: dict[str, Any], values: dict[str, Any], path: str) -> None:
        known = set(part["properties"]) - {"global"}
        assert known == set(values), path
        for name, inner in part["properties"].items():
            if "properties" in inner:
                names(inner, values[name], f"{path}.{name}")

    names(schema, DEFAULTS, "values")


def test_no_text_of_a_manifest_is_a_number_by_accident() -> None:
    """Helm would print 33554432 as 3.3554432e+07."""
    assert "e+" not in "".join(rendered_texts(VALUES["everything else"]).values())


def documented_commands() -> list[list[str]]:
    """The words of every helm command about the chart in docs/kubernetes.md."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words for words in lines if words[0] == "helm" and "deploy/kubernetes/snellen" in words]


@pytest.mark.parametrize("words", documented_commands(), ids=" ".join)
def test_the_commands_of_the_document_render(words: list[str]) -> None:
    """They name values that exist, and files that are there."""
    for manifest in render_command(words):
        if manifest["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(manifest, NEWEST, strict=True)


def test_kserve_runs_the_container_of_the_chart() -> None:
    """The pod that KServe makes of it is one that Kubernetes knows, and as confined as the chart's."""
    service = yaml.safe_load((KUBERNETES / "kserve.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    spec = {name: value for name, value in service["spec"]["predictor"].items() if name not in own}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": spec}, NEWEST, strict=True
    )
    ours = pod_template(render({}))
    (theirs_container,), (our_container,) = spec["containers"], ours["containers"]
    assert theirs_container["name"] == "kserve-container"
    for name in ("image", "args", "resources", "securityContext", "volumeMounts"):
        assert theirs_container[name] == our_container[name]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        theirs, expected = dict(theirs_container[probe]), dict(our_container[probe])
        assert theirs.pop("httpGet")["path"] == expected.pop("httpGet")["path"]
        assert theirs == expected
    assert spec["terminationGracePeriodSeconds"] == ours["terminationGracePeriodSeconds"]
    assert spec["volumes"] == ours["volumes"]
