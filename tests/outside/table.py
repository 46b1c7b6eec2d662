"""The count of what was replayed: a line for each provider, and why what was not replayed was not."""

from collections import Counter, defaultdict

COLUMNS = ["cases", "skipped", "replays", "passed", "failed", "asked alike", "not alike", "plain", "not asked"]


class Table:
    """Counts as the suite goes along."""

    def __init__(self):
        self.counts = defaultdict(Counter)
        self.reasons = defaultdict(Counter)
        self.routes = defaultdict(Counter)
        self.told = []

    def add(self, recording, skipped):
        """Counts a recording, which is skipped if there is a reason."""
        self.counts[recording.folder]["cases"] += 1
        if skipped:
            self.counts[recording.folder]["skipped"] += 1
            self.reasons[recording.folder][f"skipped: {skipped}"] += 1

    def count(self, folder, what, reason=None):
        self.counts[folder][what] += 1
        if reason:
            self.reasons[folder][reason] += 1

    def begin(self, folder, route):
        """Counts a replay as failed until it has passed."""
        self.counts[folder]["replays"] += 1
        self.counts[folder]["failed"] += 1
        self.routes[route]["replays"] += 1

    def passed(self, folder, route):
        self.counts[folder]["failed"] -= 1
        self.counts[folder]["passed"] += 1
        self.routes[route]["passed"] += 1

    def lines(self):
        """The table, ready to be printed."""
        widths = [max(7, len(column)) for column in COLUMNS]
        heads = "  ".join(f"{column:>{width}}" for column, width in zip(COLUMNS, widths))
        yield f"{'provider':<22} {heads}"
        total = Counter()
        for folder, counts in sorted(self.counts.items()):
            total += counts
            yield self.line(folder, counts, widths)
        yield self.line("all", total, widths)
        yield ""
        for route, counts in sorted(self.routes.items()):
            yield f"by {route:<19} {counts['replays']:>7} replays, {counts['passed']} passed"
        yield ""
        for folder, reasons in sorted(self.reasons.items()):
            for reason, count in sorted(reasons.items()):
                yield f"{folder:<22} {count:>4} x {reason}"

    @staticmethod
    def line(name, counts, widths):
        return f"{name:<22} " + "  ".join(f"{counts[column]:>{width}}" for column, width in zip(COLUMNS, widths))
