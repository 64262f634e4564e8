"""Runs inside `.venv-az`: loads the Azure CLI once, then forks for every command that comes as a line of JSON.

A fork runs `python -m azure.cli`, as `bin/az` does, in a process of its own; it saves only the time that loading takes.
"""

import gc
import importlib
import json
import os
import runpy
import sys

_LOADED = (
    "azure.cli.core.commands",
    "azure.cli.core.profiles",
    "azure.cli.core._profile",
    "azure.cli.core.auth.identity",
    "azure.cli.core.intercept_survey",
    "azure.cli.core.telemetry",
    "azure.cli.command_modules.keyvault.commands",
    "azure.cli.command_modules.keyvault.custom",
    "azure.cli.command_modules.keyvault._params",
    "azure.cli.command_modules.role.commands",
    "azure.cli.command_modules.role.custom",
    "azure.cli.command_modules.role._params",
    "azure.keyvault.administration",
    "azure.keyvault.certificates",
    "azure.keyvault.keys",
    "azure.keyvault.secrets",
    "azure.mgmt.authorization",
    "azure.mgmt.keyvault",
    "msal",
    "msrest.paging",
    "requests",
)


def next_command() -> dict | None:
    """Comes back in every fork with its command, and at the end of the input with none."""
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            return command
        print(command["number"], os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def redirect(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def main() -> None:
    for module in _LOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # A collection in a fork would write to, and so copy, all that was loaded.
    command = next_command()
    if command is None:
        return
    redirect(0, os.devnull, os.O_RDONLY)
    redirect(1, command["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    redirect(2, command["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.argv = ["az", *command["arguments"]]
    runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
