"""What a run has found: rows of figures, written as JSON for machines and as a table for people."""

import datetime
import json
import os
import pathlib
import platform
import statistics

# Of every other figure less is better.
MORE_IS_BETTER = {"MB/s", "requests/CPU s", "requests/s", "commits/s"}
# Complaints of a broker's log that are kept; a broken one may write many.
MOST_COMPLAINTS = 50
MOST_SHOWN = 160


class Report:
    """Rows are added as they are measured; each holds every single run."""

    def __init__(self, settings):
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.machine = machine()
        self.settings = settings
        self.versions = {}
        self.rows = []
        self.failures = []
        self.complaints = {}
        self.notes = []

    def row(self, section, label, base="Kafka"):
        """Begins a row, to which `add` gives figures. Its ratios are to the contestant named `base`."""
        row = {"section": section, "label": label, "base": base, "figures": {}, "beside": {}}
        self.rows.append(row)
        return row

    @staticmethod
    def add(row, unit, contestant, value):
        row["figures"].setdefault(unit, {}).setdefault(contestant, []).append(round(value, 4))

    @staticmethod
    def add_beside(row, unit, contestant, value):
        """A figure for the JSON file alone."""
        row["beside"].setdefault(unit, {}).setdefault(contestant, []).append(round(value, 4))

    def failed(self, where, contestant, failure):
        self.failures.append({"where": where, "contestant": contestant, "reason": str(failure)})

    def complain(self, contestant, lines):
        """Warnings and errors of a broker's or a client's log."""
        kept = self.complaints.setdefault(contestant, {"count": 0, "lines": []})
        kept["count"] += len(lines)
        kept["lines"] += lines[:MOST_COMPLAINTS - len(kept["lines"])]

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def as_dictionary(self):
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "ended": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": self.machine, "versions": self.versions, "settings": self.settings, "rows": self.rows,
            "failures": self.failures, "complaints": self.complaints, "notes": self.notes,
        }

    def save(self, directory):
        """Writes the JSON file and returns its path."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"bench-{self.began.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json"
        path.write_text(json.dumps(self.as_dictionary(), indent=1) + "\n")
        return path


def machine():
    """What the figures depend on."""
    processor = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {"system": f"{platform.system()} {platform.release()}", "processor": processor, "cores": os.cpu_count(),
            "memory_gibibytes": round(memory, 1), "load_average_before": os.getloadavg()[0]}


def brief(number):
    """A number with three digits that matter."""
    if number is None:
        return "-"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def table(report):
    """Sections of rows; for each figure the ratios to the base first, then the medians."""
    sections = dict.fromkeys(row["section"] for row in report.rows if row["figures"])
    return "\n\n".join("\n".join(section_table(report, section)) for section in sections)


def section_table(report, section):
    rows = [row for row in report.rows if row["section"] == section and row["figures"]]
    base = rows[0]["base"]
    names = list(dict.fromkeys(name for row in rows for values in row["figures"].values() for name in values))
    names.sort(key=[*(name for name in ("Zurau", "Kafka") if name in names), *(name for name in names if name not in ("Zurau", "Kafka"))].index)
    others = [name for name in names if name != base] if base in names else []
    width = max(len(section), *(len(row["label"]) for row in rows))
    first, second = section.ljust(width), " " * width
    lines = [row["label"].ljust(width) for row in rows]
    for unit in dict.fromkeys(unit for row in rows for unit in row["figures"]):
        block = [[f"{name}/{base}" for name in others] + names]
        for row in rows:
            found = {name: statistics.median(values) for name, values in row["figures"].get(unit, {}).items()}
            ratios = [found[name] / found[base] if name in found and found.get(base) else None for name in others]
            block.append([brief(number) for number in ratios + [found.get(name) for name in names]])
        title = f"{unit}, {'more' if unit in MORE_IS_BETTER else 'less'} is better"
        columns = [max(map(len, column)) + 2 for column in zip(*block)]
        columns[0] += max(0, len(title) + 2 - sum(columns))
        texts = ["".join(cell.rjust(size) for cell, size in zip(cells, columns)) for cells in block]
        first += " |" + ("  " + title).ljust(len(texts[0]))
        second += " |" + texts[0]
        lines = [line + " |" + text for line, text in zip(lines, texts[1:])]
    return [first.rstrip(), second, "-" * len(second), *lines]


def footer(report, path):
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines = [f"medians of {report.settings['rounds']} rounds in turn; {report.machine['processor']}, {report.machine['cores']} cores, "
             f"{report.machine['memory_gibibytes']} GiB, load average before {report.machine['load_average_before']:.2f}; {versions}"]
    lines += [f"- {note}" for note in report.notes]
    lines += [f"log of {name}: {kept['count']} warnings and errors, the first: {kept['lines'][0].strip()[:MOST_SHOWN]}"
              for name, kept in report.complaints.items()]
    lines += [f"FAILED {failure['where']}, {failure['contestant']}: {failure['reason'].strip()}" for failure in report.failures]
    return "\n".join([*lines, f"every single run: {path}"])
