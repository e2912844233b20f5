"""Shares a preset on the Hugging Face Hub, with a model card."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.cli.options import Group
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """The options of `mmtoolkit push`.

    Args:
        preset: What is shared: the name of a shipped preset, or a path.
        address: hf://user/name; a repository that is not there is created.
        licence: Licence of the model, e.g. apache-2.0, in place of its card's own.
        private: Make a new repository private.
        dry_run: Print the model card and upload nothing.
    """

    preset: tyro.conf.Positional[str]
    address: tyro.conf.Positional[str]
    licence: str | None = None
    private: bool = False
    dry_run: bool = False


def main(options: Options) -> None:
    """Shares a preset on the Hugging Face Hub, with a model card.

    The card is made from the preset's card.json: data, licence, limits, biases and scores. Prints the address of the
    repository. mm.load("hf://user/name"), and --preset of every command, read it from there.
    """
    start_tensorflow()
    from mmtoolkit.hub import parsed
    from mmtoolkit.model_cards import model_card, push_preset
    from mmtoolkit.presets import find_preset

    mm.Model.from_preset(options.preset)  # whole, and of a class that is known
    name, _ = parsed(options.address)
    if options.dry_run:
        print(model_card(find_preset(options.preset), name=name, licence=options.licence))
        return
    print(push_preset(options.preset, options.address, licence=options.licence, private=options.private))


if __name__ == "__main__":
    run(main)
