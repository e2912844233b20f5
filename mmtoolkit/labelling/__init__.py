"""A local page on which a person labels pictures: the table on disk, a model's proposals, and the server."""

from mmtoolkit.labelling.proposals import Proposal, Proposer
from mmtoolkit.labelling.replies import Labelling, Summary
from mmtoolkit.labelling.server import LabelServer
from mmtoolkit.labelling.table import CAPTIONS, QUESTIONS, Form, Sheet, hold, labels, open_sheet, save, unfinished

__all__ = [
    "CAPTIONS",
    "QUESTIONS",
    "Form",
    "LabelServer",
    "Labelling",
    "Proposal",
    "Proposer",
    "Sheet",
    "Summary",
    "hold",
    "labels",
    "open_sheet",
    "save",
    "unfinished",
]
