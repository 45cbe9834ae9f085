"""What to do when a package is missing that jkeras itself does not require."""


def missing(need: str, packages: str, extra: str | None = None) -> ImportError:
    """Returns the error that says what needs a package, and the command that installs it.

    Args:
        need: The first part of the message: `"`plot` needs matplotlib"`.
        packages: The packages, as pip calls them, with spaces between them.
        extra: The extra of jkeras that they belong to.
    """
    command = f"`pip install {packages}`"
    if extra:
        command += f', or `pip install ".[{extra}]"` in a clone of jkeras'
    return ImportError(f"{need}, which is not installed: {command}.")
