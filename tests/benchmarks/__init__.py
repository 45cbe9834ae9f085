"""Speed, as ratios against other programs in the same run: `nox -s bench`."""
