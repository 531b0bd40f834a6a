"""The table of clients in README.md: what each scenario of each release did on Kafka and on Zurau."""

BEGIN = "<!-- The table of clients begins; write-matrix makes it. -->"
END = "<!-- The table of clients ends. -->"
COLUMNS = ("kafka", "zurau")


class BadResults(Exception):
    """Results or a README that no table can be made of."""


def merged(rows):
    """(client, version, scenario) -> {broker: row}, in order of appearance. Of two results the later one counts."""
    table = {}
    for row in rows:
        if row["broker"] not in COLUMNS:
            raise BadResults(f"results of broker {row['broker']!r}, which is neither of {COLUMNS}")
        # What has no version is no client that somebody released: hostile bytes, crash runs, the broker's end.
        if row["version"] is None:
            continue
        table.setdefault((row["client"], row["version"], row["scenario"]), {})[row["broker"]] = row
    return table


def cell(row):
    if row is None:
        return "not run"
    if row["result"] == "skip":
        return f"skipped: {row['note']}"
    return row["result"] if row["result"] == "pass" else f"**{row['result']}**"


def lines(rows):
    """The table with its counts above it."""
    table = merged(rows)
    if not table:
        raise BadResults("no results of any client that has a version")
    counts = []
    for broker, title in zip(COLUMNS, ("Kafka", "Zurau")):
        results = [entry[broker]["result"] for entry in table.values() if broker in entry]
        counts.append(f"on {title} {results.count('pass')} passed, {results.count('fail')} failed, {results.count('skip')} skipped")
    clients = {(client, version) for client, version, _ in table}
    yield f"{len(clients)} releases of clients, {len(table)} scenarios: {'; '.join(counts)}."
    yield ""
    yield "| client | version | scenario | on Kafka | on Zurau |"
    yield "| --- | --- | --- | --- | --- |"
    for (client, version, scenario), entry in sorted(table.items(), key=lambda item: item[0][0]):
        cells = [client, version, scenario] + [cell(entry.get(broker)) for broker in COLUMNS]
        yield "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def rewrite(readme, rows):
    """Puts the table between the two marker lines of the file."""
    with open(readme) as file:
        text = file.read().split("\n")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise BadResults(f"{readme} does not have the marker lines {BEGIN!r} and {END!r}, once each and in this order")
    text[text.index(BEGIN) + 1 : text.index(END)] = lines(rows)
    with open(readme, "w") as file:
        file.write("\n".join(text))
