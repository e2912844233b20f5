"""The files for the stock server's image, and the image itself where Docker is."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
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


@pytest.mark.parametrize(("service", "most"), [("serving", 8), ("page", 1)])
def test_the_services_have_limits_and_are_known_to_be_well(compose: Any, service: str, most: int) -> None:
    found = compose["services"][service]
    giga = {"m": 2**-10, "g": 1}
    memory = int(found["mem_limit"][:-1]) * giga[found["mem_limit"][-1]]
    (mount,) = found["tmpfs"]
    place, _, options = mount.partition(":")
    size = next(each for each in options.split(",") if each.startswith("size=")).removeprefix("size=")
    assert place == "/tmp" and {"noexec", "nosuid", "nodev"} < set(options.split(","))
    assert int(size[:-1]) * giga[size[-1]] < memory <= most and 0 < found["pids_limit"] < 2**15
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["healthcheck"]["test"][0] == "CMD" and {"interval", "timeout", "retries"} < set(found["healthcheck"])
    assert "$" not in "".join(found["healthcheck"]["test"])  # compose would fill it in
    assert compose["services"]["page"]["depends_on"]["serving"]["condition"] == "service_healthy"


def test_rest_is_reached_through_the_page_alone(compose: Any) -> None:
    """TF Serving looks at neither Host nor Origin, and what browsers cannot speak is all that is left."""
    assert compose["services"]["serving"]["ports"] == ["127.0.0.1:8500:8500"]
    assert compose["services"]["page"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_server_is_well_once_the_model_of_its_config_is_there(compose: Any) -> None:
    """What its shell does, to a server that answers as TF Serving does."""
    command = compose["services"]["serving"]["healthcheck"]["test"][1:]
    assert "GET /v1/models/captions HTTP/1.0" in command[-1]
    for state, expected in (("AVAILABLE", 0), ("LOADING", 1)):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            there = [*command[:-1], command[-1].replace("/8501", f"/{port}")]
            with subprocess.Popen(there) as asking:
                line, _ = listening.accept()
                with line, line.makefile("rb") as asked:
                    assert [asked.readline(), asked.readline()] == [b"GET /v1/models/captions HTTP/1.0\r\n", b"\r\n"]
                    line.sendall(f'HTTP/1.0 200 OK\r\n\r\n{{"state": "{state}"}}\n'.encode())
                assert asking.wait(20) == expected
    assert subprocess.run([*there], capture_output=True, check=False).returncode == 1  # nobody listens


Directive = tuple[list[str], list[Any]]


def directives(words: Iterator[str]) -> list[Directive]:
    """Parses a config of nginx up to the end of a block: each directive's words, and those of its own block."""
    found, line = list[Directive](), list[str]()
    for word in words:
        if word == "}":
            return found
        if word in (";", "{"):
            found.append((line, directives(words) if word == "{" else []))
            line = []
        else:
            line.append(word.strip('"'))
    return found


@pytest.fixture(scope="module")
def page() -> list[Directive]:
    text = (DOCKER / "page.conf").read_text(encoding="utf-8")
    tokens = [each for each in re.findall(r'"[^"]*"|[{};]|#.*|[^\s{};#"]+', text) if not each.startswith("#")]
    assert tokens.count("{") == tokens.count("}")
    return directives(iter(tokens))


def under(block: list[Directive], *words: str) -> list[Directive]:
    """The blocks of some words, joined."""
    return [inner for line, own in block if line == list(words) for inner in own]


def test_the_page_has_the_same_rights_behind_a_web_server(page: list[Directive]) -> None:
    _, served = [own for line, own in page if line == ["server"]]
    lines = [line for line, _ in under(served, "location", "=", "/")]
    for name, value in PAGE_HEADERS[:3]:
        assert ["add_header", name, value, "always"] in lines  # with an error too


def test_the_web_server_answers_to_names_and_pages_that_are_its_own(page: list[Directive]) -> None:
    other, served = [own for line, own in page if line == ["server"]]
    assert [line for line, _ in other] == [
        ["listen", "8080", "default_server"],
        ["server_name", "_"],
        ["return", "403"],
    ]
    assert (["server_name", "localhost", "127.0.0.1"], []) in served and (["listen", "8080"], []) in served
    assert under(served, "if", "($foreign)") == [(["return", "403"], [])]
    rules = [line for line, _ in under(page, "map", "$http_origin $http_host", "$foreign")]
    assert rules.pop(0) == ["default", "1"]

    def foreign(origin: str, host: str) -> str:
        for pattern, result in rules:
            ignoring = re.IGNORECASE if pattern.startswith("~*") else 0
            if re.search(pattern.lstrip("~*"), f"{origin} {host}", ignoring):
                return result
        return "1"

    for origin in ("", "http://localhost:8080", "https://localhost:8080", "http://LOCALHOST:8080"):
        assert foreign(origin, "localhost:8080") == "0"
    for origin in (
        "http://evil.example",
        "null",
        "http://localhost:8080.evil.example",
        "http://localhost",
        "http://x y",
    ):
        assert foreign(origin, "localhost:8080") == "1"


def test_the_web_server_finds_the_models_again_and_waits_for_nobody(page: list[Directive]) -> None:
    _, served = [own for line, own in page if line == ["server"]]
    lines = [line for line, _ in under(served, "location", "/v1/")]
    assert ["resolver", "127.0.0.11", "valid=10s"] in lines
    (name,) = [line[1] for line in lines if line[0] == "set" and line[2] == "serving"]
    assert ["proxy_pass", f"http://{name}:8501"] in lines  # a name in a variable is looked up at each request
    for limit in ("client_header_timeout", "client_body_timeout", "send_timeout"):
        assert ([limit, "10s"], []) in served
    assert (["client_max_body_size", "32m"], []) in served


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
