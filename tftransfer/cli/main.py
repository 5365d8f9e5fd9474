"""The command `tftransfer` and what it ends with.

Exit codes: 0 done; 1 failed; 2 wrong usage, config or run directory; 3 data invalid; 4 findings that inspect is to
fail on; 130 interrupted.
"""

import os
import sys

import click

from tftransfer import __version__
from tftransfer.cli.evaluate import evaluate
from tftransfer.cli.export import export
from tftransfer.cli.fit import fit
from tftransfer.cli.inspect import inspect
from tftransfer.cli.list import list_entries
from tftransfer.cli.predict import predict
from tftransfer.cli.show import show
from tftransfer.errors import TFTransferError

__all__ = ["main", "run"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tftransfer")
def main() -> None:
    """Fine-tune pretrained language models as Keras models, and serve them with TF Serving.

    Exit codes: 0 done; 1 failed; 2 wrong usage, config or run directory; 3 data invalid; 4 findings that inspect was to
    fail on; 130 interrupted.
    """


for _command in (inspect, fit, evaluate, predict, export, show, list_entries):
    main.add_command(_command)


def run() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        # What comes back is the exit code of a command that ended with one, or None.
        sys.exit(main(prog_name="tftransfer", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TFTransferError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "Interrupted. What the run directory holds is whole; a run without weights was taken away.", err=True
        )
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
