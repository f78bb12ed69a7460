"""The strict reader of YAML and JSON files: text in, a tree with positions and problems out.

It knows no schema: `common.schedule.load` (schedule files) and the platform initializer
(platform.yml) stand on it::

    document = read_document(payload, "platform.yml")
    checker = Checker("platform.yml")
    if document.tree is not None:
        fields = checker.mapping(document.tree, "", known={"version"}, required={"version"})
    ...
    problems = bounded([*document.problems, *checker.problems])

A file with problems may have a tree all the same: what could be read is checked too, so that all is
told at once. Its `root` is None.
"""

from common.documents.checker import Checker
from common.documents.problem import Problem, bounded
from common.documents.reader import MOST_BYTES, Document, read_document
from common.documents.tree import Mapping, Node, Scalar, Sequence, Unread

__all__ = [
    "MOST_BYTES", "Checker", "Document", "Mapping", "Node", "Problem", "Scalar", "Sequence",
    "Unread", "bounded", "read_document",
]  # fmt: skip
