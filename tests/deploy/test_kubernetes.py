"""The manifests: rendered by kustomize, checked by schemas, linters and the service itself."""
import os
import re
import shutil

import pytest
import yaml

from programs import (
    AUDIENCE, DEPLOY, ROOT, SERVICE, Issuer, documented, of_kind, parsed_settings, rendered, run, seconds, settings_of,
)

KUSTOMIZATIONS = ["base", "overlays/redis", "overlays/hpa", "overlays/production"]
VERSIONS = ["1.37", "1.32"]
everywhere = pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)


@everywhere
def test_schemas_and_linters_find_nothing(kustomization, tmp_path):
    text, _ = rendered(kustomization)
    file = tmp_path / "manifests.yaml"
    file.write_text(text)
    for version in VERSIONS:
        run("kubernetes-validate", "--strict", "--kubernetes-version", version, file)
    run("node", ROOT / "tests/deploy/http_route.mjs", file)
    run("checkov", "--file", file, "--framework", "kubernetes", "--quiet", "--compact", "--skip-download")


def test_the_sources_pass_the_linter_too():
    run("checkov", "--directory", DEPLOY / "kubernetes", "--framework", "kubernetes", "--quiet", "--compact",
        "--skip-download")


@everywhere
def test_selectors_select_the_pods(kustomization):
    _, manifests = rendered(kustomization)
    deployment = of_kind(manifests, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        of_kind(manifests, "Service")["spec"]["selector"],
        of_kind(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        deployment["selector"]["matchLabels"],
        *(it["labelSelector"]["matchLabels"] for it in deployment["template"]["spec"]["topologySpreadConstraints"]),
        *(it["spec"]["podSelector"]["matchLabels"] for it in manifests if it["kind"] == "NetworkPolicy"),
    ]
    for selector in selectors:
        assert selector and selector.items() <= labels.items(), selector
    assert {it["metadata"]["namespace"] for it in manifests} == {"api"}


def test_the_route_leads_from_the_gateway_to_the_service():
    _, manifests = rendered("base")
    route = of_kind(manifests, "HTTPRoute")["spec"]
    assert route["parentRefs"] and route["hostnames"]
    service = of_kind(manifests, "Service")
    [port] = service["spec"]["ports"]
    [rule] = route["rules"]
    assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]


def test_manifest_and_settings_agree():
    _, manifests = rendered("base")
    settings = parsed_settings(manifests)
    pod = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    ports = {it["name"]: it["containerPort"] for it in container["ports"]}
    assert ports == {"http": settings["server"]["port"], "operations": settings["operations"]["port"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "operations"
    drain = seconds(settings["server"]["drain_delay"])
    stop = drain + seconds(settings["server"]["shutdown_timeout"])
    assert stop < pod["terminationGracePeriodSeconds"]
    # One probe at least sees that the replica is not ready any more.
    assert container["readinessProbe"]["periodSeconds"] < drain
    [memory] = [container["resources"]["limits"]["memory"].removesuffix("Mi")]
    connections = settings["server"]["max_connections"] * 256 // 1024
    stores = (settings["auth"]["token_memory_bytes"] + 64 * 1024 * 1024) // 1024 // 1024
    assert connections + stores + 35 < int(memory)


def test_the_autoscaler_alone_sets_the_replicas():
    _, manifests = rendered("overlays/hpa")
    assert "replicas" not in of_kind(manifests, "Deployment")["spec"]
    assert of_kind(manifests, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2


def test_the_documented_overlay_changes_the_namespace_the_settings_and_the_image(tmp_path):
    digest = "sha256:" + 64 * "a"
    overlay = documented("yaml", "apiVersion: kustomize.config.k8s.io").replace("sha256:…", digest)
    [remote] = re.findall(r"github.com/\S+/deploy/(kubernetes/\S+)\?ref=\S+", overlay)
    copy = tmp_path / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", copy)
    (tmp_path / "kustomization.yaml").write_text(re.sub(r"github.com/\S+", remote, overlay))
    (tmp_path / "Settings.toml").write_text("# other settings\n")
    manifests = list(yaml.safe_load_all(run("kubectl", "kustomize", tmp_path)))
    assert {it["metadata"]["namespace"] for it in manifests} == {"my-namespace"}
    assert settings_of(manifests) == "# other settings\n"
    [container] = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f"@{digest}")


@everywhere
def test_the_service_accepts_the_settings(kustomization, tmp_path):
    _, manifests = rendered(kustomization)
    (tmp_path / "Settings.toml").write_text(settings_of(manifests))
    (tmp_path / "replay-store").write_text("redis://:secret@127.0.0.1:6379\n")
    [container] = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    mount = "/run/secrets/actix-resource-server"
    assert mount in [it["mountPath"] for it in container["volumeMounts"]]
    variables = {it["name"]: it["value"].replace(mount, str(tmp_path)) for it in container.get("env", [])}
    with Issuer() as issuer:
        # Only the issuer is another one.
        variables |= {"ISSUER_BASE_URL": issuer.url, "AUDIENCE": AUDIENCE, "PATH": os.environ["PATH"]}
        shown = run(SERVICE, "check", cwd=tmp_path, env=variables)
    assert "secret@" not in shown
    assert ("REPLAY_STORE_FILE" in shown) == (kustomization in ("overlays/redis", "overlays/production")), shown
