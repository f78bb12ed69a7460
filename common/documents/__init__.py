"""The strict reader of YAML and JSON files: text in, a tree with positions or problems out.

It knows no schema: `common.schedule.load` (schedule files) and the platform initializer
(platform.yml) stand on it::

    document = read_document(payload, "platform.yml")
    checker = Checker("platform.yml")
    fields = checker.mapping(document.root, "", known={"version", "machines"}, required={"version"})
    ...
    problems = document.problems + checker.problems
"""

from common.documents.checker import Checker
from common.documents.problem import Problem
from common.documents.reader import Document, Mapping, Node, Scalar, Sequence, read_document

__all__ = [
    "Checker", "Document", "Mapping", "Node", "Problem", "Scalar", "Sequence", "read_document",
]  # fmt: skip
