"""The files of a report: its JSON, what is made of it for people and programs, and their hashes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from audit.report.csv_files import findings_csv, samples_csv
from audit.report.json_file import read, to_json
from audit.report.markdown import markdown
from audit.report.page import page
from audit.report.pdf import print_pdf
from audit.report.report import Report
from hfru_core.files import write_text

JSON, SUMS = "report.json", "SHA256SUMS"


def write(report: Report, folder: Path, pdf: bool = False) -> None:
    """All files of a new report."""
    write_text(folder / JSON, to_json(report))
    render(folder, pdf)


def render(folder: Path, pdf: bool = False) -> None:
    """Make the other files of a report from its JSON, which stays as it is."""
    report, digest = read(folder), hash_of(folder / JSON)
    made = {
        "report.html": page(report, digest),
        "report.md": markdown(report, digest),
        "findings.csv": findings_csv(report),
    }
    if report.samples:
        made["samples.csv"] = samples_csv(report)
    for name, text in made.items():
        write_text(folder / name, text)
    names = [JSON, *made]
    if pdf:
        print_pdf(folder / "report.html", folder / "report.pdf")
        names.append("report.pdf")
    sums = "".join(f"{hash_of(folder / name)}  {name}\n" for name in names)
    write_text(folder / SUMS, sums)


def hash_of(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
