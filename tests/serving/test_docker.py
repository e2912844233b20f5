"""The files for the stock server's image, and the image itself where Docker is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from mmtoolkit.serving.client import RestClient
from mmtoolkit.serving.demo_html import PAGE_HEADERS
from mmtoolkit.serving.rest import MOST_ROWS
from mmtoolkit.serving.verify import replay

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
# Of SessionBundleConfig's BatchingParameters and of MonitoringConfig, whose Python forms no package has
BATCHING = {
    "max_batch_size",
    "max_execution_batch_size",
    "enable_large_batch_splitting",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "allowed_batch_sizes",
}


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


def test_the_models_config_is_one() -> None:
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((DOCKER / "models.config").read_text(encoding="utf-8"), config)
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("captions", "/models/captions", "tensorflow")


def test_the_other_configs_name_what_the_server_knows() -> None:
    batching = (DOCKER / "batching.config").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)\s*[{:]", batching, re.M)) == BATCHING
    sizes = [int(size) for size in re.findall(r"allowed_batch_sizes: (\d+)", batching)]
    (together,) = re.findall(r"^max_execution_batch_size { value: (\d+) }", batching, re.M)
    assert sizes == sorted(sizes) and sizes[-1] == int(together)  # or the server refuses to start
    (most,) = re.findall(r"^max_batch_size { value: (\d+) }", batching, re.M)
    assert int(most) == MOST_ROWS and "enable_large_batch_splitting { value: true }" in batching
    monitoring = (DOCKER / "monitoring.config").read_text(encoding="utf-8")
    assert re.findall(r"^\s*(\w+)\s*[{:]", monitoring, re.M) == ["prometheus_config", "enable", "path"]


def test_the_services_are_pinned_unprivileged_and_on_this_machine_only(compose: Any) -> None:
    assert set(compose["services"]) == {"serving", "page"}
    for service in compose["services"].values():
        image, _, tag = service["image"].partition(":")
        assert tag and tag != "latest" and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.rpartition(":")[0].rpartition(":")[0]
            assert volume.endswith(":ro") and (source.startswith("${MODELS:?") or (DOCKER / source).is_file())
    files = " ".join(compose["services"]["serving"]["command"])
    assert {"/config/models.config", "/config/batching.config", "/config/monitoring.config"} <= set(
        re.findall(r"=(/config/\S+)", files)
    )


def test_the_page_has_the_same_rights_behind_a_web_server() -> None:
    config = (DOCKER / "page.conf").read_text(encoding="utf-8")
    for name, value in PAGE_HEADERS[:1]:
        assert f'add_header {name} "{value}"' in config


def test_the_stock_server_answers_as_the_presets_do(models: Path, compose: Any) -> None:
    """The real thing with the configs of the compose file, where there is an engine to run it."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs a Docker engine")
    service = compose["services"]["serving"]
    run = [docker, "run", "--rm", "--detach", "--publish", "127.0.0.1:0:8501", "--read-only", "--tmpfs", "/tmp"]
    mounts = [word for place in (f"{models}:/models:ro", f"{DOCKER}:/config:ro") for word in ("--volume", place)]
    command = [*run, *mounts, service["image"], *service["command"]]
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        follow = [docker, "logs", "--follow", container]
        with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as logs:
            lines = iter(logs.stdout.readline, "")  # type: ignore[union-attr]  # they end when the server does
            assert any("Exporting HTTP/REST API" in line for line in lines)
            logs.terminate()
        told = subprocess.run([docker, "port", container, "8501"], capture_output=True, text=True, check=True).stdout
        client = RestClient(f"http://{told.split()[0]}/v1/models/captions", retries=10)
        assert replay(models / "captions" / "1", client.predict).problems == []
    finally:
        subprocess.run([docker, "kill", container], capture_output=True, check=False)
