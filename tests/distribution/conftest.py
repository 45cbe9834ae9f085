"""Options of these tests."""


def pytest_addoption(parser):
    parser.addoption(
        "--every-cell",
        action="store_true",
        help="each scenario with each distribution in 1, 2 and 4 processes, of 900 and 1,003 rows",
    )


def pytest_terminal_summary(terminalreporter):
    """Writes how far the losses of each scenario were from those of one device, at most."""
    farthest = {}
    for report in (r for of in ("passed", "failed") for r in terminalreporter.stats.get(of, ())):
        for name, value in getattr(report, "user_properties", ()):
            if name == "farthest":
                processes, _, scenario, far = value
                row = farthest.setdefault(scenario, {})
                row[processes] = max(far, row.get(processes, 0.0))
    for scenario, row in farthest.items():
        cells = "  ".join(f"{n} process{'es'[: 2 * (n > 1)]} {far:.1e}" for n, far in row.items())
        terminalreporter.write_line(f"{scenario:17} {cells}")
