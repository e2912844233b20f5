"""Downloads folders of JSON, text and HDF5 files from the Hugging Face Hub, and uploads them to it."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError, first_line, shortened
from mmtoolkit.files import write_atomically, write_folder_atomically
from mmtoolkit.installation import install_command

ADDRESS = re.compile(r"hf:/{1,2}([A-Za-z0-9][\w.-]*)/([A-Za-z0-9][\w.-]*)(?:@([\w.-]+))?")  # user, name, revision
# The files of a preset, and of its companions in folders of their own; nothing else is fetched.
FILE = re.compile(
    r"(?:\w+/)?(?:(?:config|card|baselines)\.json|(?:model\.weights|seen_pictures)\.h5"
    r"|codecs/\w+/(?:codec\.json|vocabulary\.txt))",
    re.ASCII,
)
REPLACED = ["*.json", "*.h5", "*.txt"]  # of what was pushed before, where it is no longer there
MOST_BYTES, MOST_FILES = 2**32, 200  # of a preset


def is_address(name: Any) -> bool:
    """Checks whether a name is the address of a preset on the hub, `hf://user/name` or `hf://user/name@revision`."""
    return isinstance(name, str) and name.startswith("hf:/")


def parsed(address: str) -> tuple[str, str | None]:
    """Returns the repository `user/name` and the revision of an address.

    Example:
        >>> parsed("hf://ann/dogs@v2")
        ('ann/dogs', 'v2')

    Raises:
        InputError: It is no such address.
    """
    match = ADDRESS.fullmatch(address)
    if not match:
        raise InputError(f"Expected hf://user/name or hf://user/name@revision. Received: {shortened(address)}.")
    return f"{match[1]}/{match[2]}", match[3]


def fetch(address: str, cache: Path, *, check: Callable[[Path], None]) -> Path:
    """Downloads a preset into a folder of the cache, once for each of its commits.

    Args:
        address: `hf://user/name`, with `@` and a branch, tag or commit where it is not the newest.
        cache: Folder for all that is downloaded. Without a connection the last commit in it is taken, with a warning.
        check: Called with the new folder before it gets its place; what it raises leaves nothing.

    Returns:
        The folder of the preset.

    Raises:
        InputError: There is no such preset, or it is too large.
    """
    repository, revision = parsed(address)
    hub, place = library(), cache / "hub" / repository.replace("/", "--")
    note = place / f"{revision or 'newest'}.commit"  # of the last time that it was asked
    try:
        found = hub.HfApi().repo_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # of many kinds: no connection, no such repository, no right to read it
        answered = getattr(error, "response", None) is not None
        if answered or not note.is_file():
            raise InputError(
                f"{address} cannot be read ({first_line(error)}); check its name, the connection, and for a private "
                "one the token ($HF_TOKEN)."
            ) from error
        folder = place / note.read_text(encoding="ascii")
        warnings.warn(f"{address} cannot be reached; taken as it was, {folder}", stacklevel=2)
        return folder
    folder = place / str(found.sha)
    if not (folder / "card.json").is_file():
        files = {each.rfilename: each.size for each in found.siblings or () if FILE.fullmatch(each.rfilename)}
        check_sizes(files, address)
        with write_folder_atomically(folder) as fresh:
            hub.snapshot_download(
                repository, revision=found.sha, local_dir=str(fresh), allow_patterns=sorted(files) or ["config.json"]
            )
            shutil.rmtree(fresh / ".cache", ignore_errors=True)  # notes of the library
            check(fresh)
    write_atomically(note, lambda file: file.write(str(found.sha).encode("ascii")))
    return folder


def check_sizes(files: Mapping[str, int | None], address: str) -> None:
    """Checks, before anything is fetched, that the files of a preset are few and no larger than they may be."""
    total = sum(size or 0 for size in files.values())
    if None in files.values() or total > MOST_BYTES or len(files) > MOST_FILES:
        raise InputError(
            f"Expected a preset of {MOST_BYTES:,} bytes and {MOST_FILES} files at most, whose sizes are known. "
            f"Received: {address}, {len(files)} files of {total:,} bytes."
        )


def upload(folder: Path, address: str, *, private: bool = False) -> str:
    """Uploads a folder to the hub; a repository that is not there is created.

    Returns:
        The URL of the repository.

    Raises:
        InputError: The hub refuses it, or cannot be reached.
    """
    repository, revision = parsed(address)
    api = library().HfApi()
    try:
        url = api.create_repo(repository, private=private or None, exist_ok=True)
        message = {"revision": revision, "commit_message": "Push with mmtoolkit", "delete_patterns": REPLACED}
        api.upload_folder(repo_id=repository, folder_path=str(folder), **message)
    except Exception as error:  # of many kinds: no token, no right, no connection
        raise InputError(
            f"{address} cannot be written ({first_line(error)}); log in with `hf auth login` or set $HF_TOKEN, and "
            "check the name."
        ) from error
    return str(url)


def library() -> Any:
    """Returns the library of the hub.

    Raises:
        InputError: It is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(f"The Hugging Face Hub needs its library: {install_command('hub')}.") from error
    return huggingface_hub
