"""Counting batches over epochs."""


class EveryBatches:
    """Says when every n-th batch has ended, counted over the ends of epochs.

    Args:
        count: n.
    """

    def __init__(self, count: int):
        self.count = count
        self._since = 0  # batches since the last time
        self._last: int | None = None  # the number of the last batch in its epoch

    @property
    def state(self) -> tuple[int, int | None]:
        """How many batches there were since the last time, and the number of the last one."""
        return self._since, self._last

    @state.setter
    def state(self, state: tuple[int, int | None]) -> None:
        self._since, self._last = state

    @property
    def left(self) -> int:
        """How many batches there are until the next time."""
        return max(self.count - self._since, 1)

    def note(self, batch: int) -> bool:
        """Notes that `batch` (and maybe some before it) has ended; says whether it is time."""
        new_epoch = self._last is None or batch <= self._last
        self._since += batch + 1 if new_epoch else batch - self._last  # type: ignore[operator]
        self._last = batch
        if self._since < self.count:
            return False
        self._since = 0
        return True


def check_frequency(value: object, units: str = "") -> None:
    """Raises a ValueError if `value` is not `"epoch"` or a positive number of batches.

    Args:
        value: The value.
        units: What else there is, for the message.
    """
    if value == "epoch" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return
    raise ValueError(
        f"Invalid value for `save_freq`. Unrecognized save_freq: {value}. Expected save_freq are "
        "'epoch' or integer values (a "
        f"positive number of batches){units}."
    )
