"""Presets on the Hugging Face Hub, of which a folder stands in here, with the arguments of its library."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import huggingface_hub
import pytest
import yaml

import mmtoolkit as mm
from mmtoolkit import hub
from mmtoolkit.errors import InputError
from mmtoolkit.models.companions import Companions
from mmtoolkit.presets import find_preset

ADDRESS = "hf://ann/shapes"


class Hub:
    """Repositories as folders, a commit each time that one is written."""

    def __init__(self, root: Path) -> None:
        self.root, self.commits, self.online, self.private = root, list[str](), True, dict[str, Any]()
        self.fetched, self.sizes = list[str](), dict[str, int | None]()
        self.api = create_autospec(huggingface_hub.HfApi, instance=True)
        self.api.create_repo.side_effect = self.create
        self.api.upload_folder.side_effect = self.upload
        self.api.repo_info.side_effect = self.info
        download = create_autospec(huggingface_hub.snapshot_download, side_effect=self.download)
        self.library = SimpleNamespace(HfApi=lambda: self.api, snapshot_download=download)

    def check(self) -> None:
        if not self.online:
            raise ConnectionError("Name or service not known")

    def create(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> str:
        self.check()
        assert exist_ok
        self.private[repo_id] = private
        return f"https://huggingface.co/{repo_id}"

    def upload(self, *, repo_id: str, folder_path: str, **_: Any) -> None:
        self.check()
        self.commits.append(f"commit{len(self.commits)}")
        shutil.copytree(folder_path, self.root / repo_id / self.commits[-1])

    def info(self, repo_id: str, *, revision: str | None, files_metadata: bool) -> Any:
        self.check()
        if repo_id not in self.private or not self.commits:
            raise FileNotFoundError("404 Client Error: Repository Not Found")
        sha = revision if revision in self.commits else self.commits[-1]
        files = [path for path in (self.root / repo_id / sha).rglob("*") if path.is_file()]
        place = self.root / repo_id / sha
        siblings = [
            SimpleNamespace(rfilename=path.relative_to(place).as_posix(), size=self.size(path)) for path in files
        ]
        return SimpleNamespace(sha=sha, siblings=siblings)

    def size(self, path: Path) -> int | None:
        return self.sizes.get(path.name, path.stat().st_size)

    def download(self, repo_id: str, *, revision: str, local_dir: str, allow_patterns: list[str]) -> None:
        place = self.root / repo_id / revision
        for path in place.rglob("*"):
            name = path.relative_to(place).as_posix()
            if path.is_file() and any(fnmatch(name, pattern) for pattern in allow_patterns):
                self.fetched.append(name)
                (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, Path(local_dir) / name)
        (Path(local_dir) / ".cache").mkdir()  # as the library leaves it


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    there = Hub(tmp_path / "hub")
    monkeypatch.setattr(hub, "library", lambda: there.library)
    return there


def test_a_preset_comes_back_as_it_was(there: Hub, tmp_path: Path) -> None:
    own = mm.load("shapes_vqa")
    own.companions = Companions({"other": mm.load("shapes_demo")})
    own.save_preset(tmp_path / "mine")
    assert mm.push_preset(tmp_path / "mine", ADDRESS).endswith("/ann/shapes")
    again = mm.load(ADDRESS)
    for ours, theirs in zip(again.get_weights(), own.get_weights(), strict=True):
        assert (ours == theirs).all()
    assert again.card["data"] == own.card["data"] and again.baselines == own.baselines
    assert again.companions.model("other", mm.Captioner).image_size == 64  # a preset in the preset
    folder = find_preset(ADDRESS)
    assert folder.parent == tmp_path / "cache" / "hub" / "ann--shapes" and not (folder / ".cache").exists()
    there.library.snapshot_download.assert_called_once()  # the second time it is there


def test_only_data_is_fetched(there: Hub) -> None:
    mm.push_preset("shapes_demo", ADDRESS)
    place = there.root / "ann/shapes" / there.commits[-1]
    for name in ("model.pkl", "run.py", "codecs.pickle", "weights.bin", "codecs/words/more.txt", "a/b/config.json"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"\x80\x04cos\nsystem\n.")
    assert mm.load(ADDRESS).image_size == 64
    files = {"config.json", "card.json", "model.weights.h5", "seen_pictures.h5"}
    assert set(there.fetched) == files | {"codecs/words/codec.json", "codecs/words/vocabulary.txt"}
    assert "README.md" not in there.fetched and (place / "README.md").is_file()


@pytest.mark.parametrize("harm", ["changed", "unlisted", "no config"])
def test_files_are_those_that_the_card_lists(there: Hub, harm: str, tmp_path: Path) -> None:
    mm.push_preset("shapes_demo", ADDRESS)
    place = there.root / "ann/shapes" / there.commits[-1]
    if harm == "changed":
        data = bytearray((place / "model.weights.h5").read_bytes())
        data[-1] ^= 1
        (place / "model.weights.h5").write_bytes(data)
        message = "model.weights.h5 is damaged: its SHA-256 is not the one in card.json"
    elif harm == "unlisted":
        card = json.loads((place / "card.json").read_text())
        del card["preset_files"]["model.weights.h5"]
        (place / "card.json").write_text(json.dumps(card))
        message = "a card with the SHA-256 of each file. Received: .* lacks model.weights.h5"
    else:
        (place / "config.json").unlink()
        message = "Expected a preset of mmtoolkit. Received: a repository without config.json"
    with pytest.raises(InputError, match=message):
        mm.load(ADDRESS)
    kept = list((tmp_path / "cache" / "hub" / "ann--shapes").glob("*"))
    assert not kept


def test_a_newer_commit_is_fetched_and_an_older_one_named(there: Hub) -> None:
    mm.push_preset("shapes_demo", ADDRESS)
    first = find_preset(ADDRESS)
    mm.push_preset("shapes_vqa", ADDRESS)
    assert type(mm.load(ADDRESS)) is mm.VisualQA and type(mm.load(f"{ADDRESS}@commit0")) is mm.Captioner
    assert find_preset(f"{ADDRESS}@commit0") == first
    there.online = False
    with pytest.warns(UserWarning, match="cannot be reached; taken as it was"):
        assert find_preset(f"{ADDRESS}@commit0") == first


def test_offline_it_is_as_it_was_with_a_warning(there: Hub) -> None:
    with pytest.raises(InputError, match="hf://ann/shapes cannot be read .*404.*; check its name, the connection"):
        mm.load(ADDRESS)
    mm.push_preset("shapes_demo", ADDRESS)
    mm.load(ADDRESS)
    there.online = False
    with pytest.warns(UserWarning, match="hf://ann/shapes cannot be reached; taken as it was, .*commit0"):
        assert mm.load(ADDRESS).image_size == 64
    with pytest.raises(InputError, match="Name or service not known"):
        mm.load("hf://ann/others")
    with pytest.raises(InputError, match="cannot be written .*log in with `hf auth login`"):
        mm.push_preset("shapes_demo", ADDRESS)


@pytest.mark.parametrize("size", [2**40, None])
def test_too_large_a_repository_is_not_fetched(there: Hub, size: int | None) -> None:
    mm.push_preset("shapes_demo", ADDRESS)
    there.sizes["vocabulary.txt"] = size
    with pytest.raises(InputError, match=r"4,294,967,296 bytes and 200 files at most, whose sizes are known. Received"):
        mm.load(ADDRESS)
    there.library.snapshot_download.assert_not_called()


def test_an_address_with_the_ending_of_a_keras_file_is_a_preset_too(there: Hub) -> None:
    mm.push_preset("shapes_demo", "hf://ann/shapes.keras")
    assert type(mm.load("hf://ann/shapes.keras")) is mm.Captioner
    there.library.snapshot_download.assert_called_once()


def test_a_refusal_is_not_taken_for_no_connection(there: Hub) -> None:
    mm.push_preset("shapes_demo", ADDRESS)
    mm.load(ADDRESS)
    refused = PermissionError("401 Client Error")
    refused.response = 401  # type: ignore[attr-defined]
    there.api.repo_info.side_effect = refused
    with pytest.raises(InputError, match="401 Client Error"):
        mm.load(ADDRESS)


def test_an_older_card_is_sealed_when_it_is_pushed(there: Hub, tmp_path: Path) -> None:
    shutil.copytree(find_preset("shapes_demo"), tmp_path / "old")
    card = json.loads((tmp_path / "old" / "card.json").read_text())
    del card["preset_files"]
    (tmp_path / "old" / "card.json").write_text(json.dumps(card))
    mm.push_preset(tmp_path / "old", ADDRESS)
    assert mm.load(ADDRESS).image_size == 64
    assert "preset_files" not in json.loads((tmp_path / "old" / "card.json").read_text())


@pytest.mark.parametrize("address", ["hf://ann", "hf://ann/b/c", "hf://../etc/passwd", "hf://ann/..", "hf://"])
def test_wrong_addresses_are_told(there: Hub, address: str) -> None:
    with pytest.raises(InputError, match="Expected hf://user/name or hf://user/name@revision. Received: "):
        mm.load(address)


def test_a_model_that_is_shared_has_a_licence(there: Hub, tmp_path: Path) -> None:
    mm.load("shapes_demo").save_preset(tmp_path / "mine", card={"seed": 3})
    with pytest.raises(InputError, match="A model that is shared has a licence.* --licence apache-2.0"):
        mm.push_preset(tmp_path / "mine", ADDRESS)
    assert not there.commits
    mm.push_preset(tmp_path / "mine", ADDRESS, licence="mit", private=True)
    assert there.private == {"ann/shapes": True}
    assert mm.load(ADDRESS).card["licence"] == "mit" and "licence" not in mm.load(tmp_path / "mine").card


def test_the_model_card_is_read_by_the_hub(there: Hub, tmp_path: Path) -> None:
    """By its own library, of the card that a training leaves."""
    scores, intervals = {"BLEU-4": 22.4, "CIDEr": 0.5491}, {"BLEU-4": [21.1, 23.6]}
    card = {"data": "photos | of <b>dogs</b>", "licence": "Apache-2.0", "seed": 0, "command": "mmtoolkit caption"}
    card |= {"test_scores": scores, "test_intervals": intervals, "valid_scores": {"BLEU-4": 1.0}}
    mm.load("shapes_demo").save_preset(tmp_path / "mine", card=card)
    text = mm.model_card(tmp_path / "mine", name="ann/dogs")
    read = huggingface_hub.ModelCard(text)
    assert read.data.license == "apache-2.0" and read.data.pipeline_tag == "image-to-text"
    assert read.data.library_name == "mmtoolkit"
    found = {result.metric_name: result.metric_value for result in read.data.eval_results or ()}
    assert found == {"BLEU-4": 22.4, "CIDEr": 0.549}
    assert "| BLEU-4 | 22.4 | 21.1 to 23.6 |" in text and "| CIDEr | 0.5491 | – |" in text
    assert "photos \\| of \\<b\\>dogs\\</b\\>" in text  # a card's texts are no HTML
    assert "*Not written yet. Say what it cannot do" in text
    assert yaml.safe_load(text.split("---")[1])["model-index"][0]["name"] == "ann/dogs"


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"The Hugging Face Hub needs its library: pip install '.*\[hub\]'"):
        mm.load(ADDRESS)
