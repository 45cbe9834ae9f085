"""Options of these tests."""


def pytest_addoption(parser):
    parser.addoption(
        "--every-cell",
        action="store_true",
        help="each scenario with each distribution in 1, 2 and 4 processes, of 900 and 1,003 rows",
    )
