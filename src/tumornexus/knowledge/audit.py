"""The curator's view of the catalogue: every problem of form and of meaning, and where its numbers come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tumornexus.errors import KnowledgeFormError
from tumornexus.knowledge.check import Finding, check_meaning, count_origins
from tumornexus.knowledge.load import DATA, KINDS, Knowledge, read_all
from tumornexus.knowledge.model_names import observables, parameters_read

STATUSES = ("measured", "calibrated", "assumed")


@dataclass(frozen=True)
class Audit:
    """What a check of the catalogue found.

    Attributes:
        digest: of the catalogue with what was added to it.
        extended: whether a further folder was named; `added` are the records that could be read of it.
        findings: errors first; problems of form have the topic ``form`` and leave the questions of meaning open.
            With a further folder, only those that concern what it added.
        records: number of records of each kind.
        origins: counts of sourced and assumed statements (`count_origins`).
        parameter_status: number of parameters that are measured, calibrated, assumed.
    """

    digest: str
    extended: bool
    added: tuple[str, ...]
    findings: tuple[Finding, ...]
    records: Mapping[str, int]
    origins: Mapping[str, Mapping[str, int]]
    parameter_status: Mapping[str, int]

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(f.severity == severity for f in self.findings)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 in order, 1 something to mend (with `strict` also to look at), 2 records that cannot be read."""
        if any(f.topic == "form" for f in self.findings):
            return 2
        return int(bool(self.count("error") or (strict and self.count("warning"))))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "digest": self.digest,
            "added": list(self.added),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("info"),
            "records": dict(self.records),
            "origins": {kind: dict(counts) for kind, counts in self.origins.items()},
            "parameter_status": dict(self.parameter_status),
            "findings": [{**asdict(f), "value": _plain(f.value)} for f in self.findings],
        }


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (str, int, float, bool, list)) else str(value)


def form_finding(problem: KnowledgeFormError) -> Finding:
    """Return a problem of form as a finding."""
    named = re.match(r"record '([^']*)': (.*)", problem.problem, re.DOTALL)
    record, message = named.groups() if named else ("", problem.problem)
    if problem.valid:
        message += f"; {problem.valid}" if problem.valid.startswith("did you mean") else f"; valid: {problem.valid}"
    return Finding(
        "error", str(problem.file), record, problem.field or "", problem.value, message, "form", problem.line
    )


def concerns_added(finding: Finding, knowledge: Knowledge) -> bool:
    """Tell whether a finding stands in a file that the user added, or names a record that the user added."""
    ids = {key.partition("/")[2] for key in knowledge.added}
    words = set(re.findall(r"[a-z0-9_]+", finding.message))
    return finding.file in knowledge.added_files or finding.record in ids or bool(ids & words)


def audit(
    extra: Path | None = None,
    folder: Path = DATA,
    *,
    further: Callable[[Knowledge], list[Finding]] | None = None,
) -> Audit:
    """Check the catalogue, with a folder of further records if one is named, and list everything at once.

    Args:
        extra: folder of further records (``--knowledge DIR``).
        folder: the catalogue itself.
        further: checks of layers that know more, such as `tumornexus.profile.readable.biomarker_findings`.

    Raises:
        InputError: a folder does not exist or `extra` holds no record.
    """
    knowledge, problems = read_all(folder, extra)
    if problems:
        findings = [form_finding(p) for p in problems]
    else:
        findings = check_meaning(
            knowledge, read_by_model=parameters_read(set(knowledge.parameters)), observables=observables()
        )
        if further is not None:
            rank = {"error": 0, "warning": 1, "info": 2}
            findings = sorted([*findings, *further(knowledge)], key=lambda f: rank[f.severity])
        if extra is not None:
            findings = [f for f in findings if concerns_added(f, knowledge)]
    status = Counter(p.status for p in knowledge.parameters.values())
    return Audit(
        digest=knowledge.digest,
        extended=extra is not None,
        added=knowledge.added,
        findings=tuple(findings),
        records={kind: len(getattr(knowledge, plural)) for plural, kind in KINDS.items()}
        | {"reference": len(knowledge.references)},
        origins=count_origins(knowledge),
        parameter_status={word: status[word] for word in STATUSES},
    )
