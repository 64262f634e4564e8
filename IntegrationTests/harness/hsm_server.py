"""A `strongroom dev` with options that only the tests of hardware keys need."""

from pathlib import Path

from .server import Server


class HsmServer(Server):
    def __init__(self, binary: Path, data: Path, *options: str, vaults: tuple[str, ...] = ("demo",)):
        super().__init__(binary, data, vaults)
        self.options = options

    @property
    def command(self) -> list[str]:
        return [*super().command, *self.options]
