"""The command ``camil``: label MIDI files and audit collections from a terminal.

Only the standard library is imported at the start, so that ``camil --help`` is immediate.
"""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence

DONE, INCOMPLETE, FAILED, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
COPIES = "labelled"  # default folder of labelled copies
CODES = """\
exit status:
  0    every file was labelled
  1    some files were skipped; each is named with the reason on standard error
  2    wrong usage, or nothing was labelled
  130  interrupted by Ctrl-C
"""
LABEL_EXAMPLES = f"""\
examples:
  camil label song.mid                      print a table of the parts
  camil label song.mid --apply              write {COPIES}/song.mid with the labelled programs
  camil label song.mid --apply -o new.mid   write new.mid
  camil label songs -o labels.csv           label all files in a folder, one row per part
  camil label songs --json | jq '.files[].tracks[].text'
  camil label song.mid --threshold 0.8      accept more confident labels only
  camil label audio.mid --transcription     join scattered parts of a transcription first
  camil label audio.mid --transcription --apply --join     and write them as joined tracks

Each part gets a class (Guitar, Piano, Bass, Strings, Organ, Brass, Pipe, Reed) or "other" if its
probability is at least the threshold. Below it, the part is uncertain; the two most probable labels
are printed if their probabilities together reach it and the second is at least half of the first.
The programs in the file are not used; an asterisk marks labels that contradict them.

{CODES}"""
AUDIT_EXAMPLES = f"""\
examples:
  camil audit songs                         print the 25 most suspicious tracks
  camil audit songs -o audit.csv            write all tracks, the most suspicious first

{CODES}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments after ``camil``; by default those of this process, which then ends.

    Returns:
        The exit status.
    """
    if arguments is not None:
        return _run(arguments)
    gc.disable()  # until all modules are imported, which is then a quarter faster
    # An exception during an import may surface as another one, or be printed by an extension.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    _leave(_run(sys.argv[1:]))


def _run(arguments: Sequence[str]) -> int:
    # A stream that the shell has closed is None.
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end
    if sys.stdout is None:
        print("camil: standard output is closed.", file=sys.stderr)
        return FAILED
    try:
        options = command_parser().parse_args(arguments)
        from camil.labelling import command

        if not gc.isenabled():
            gc.freeze()
            gc.enable()
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal cannot show must not end the command.
            getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
        outcome = getattr(command, options.command)(options)
        sys.stdout.flush()
        if not outcome.labelled:
            return FAILED
        return INCOMPLETE if outcome.skipped else DONE
    except SystemExit as ended:  # from argparse
        return int(ended.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, for example `head`, has ended. Python would fail again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ValueError, OSError, RuntimeError) as error:
        print(f"camil: {error}", file=sys.stderr)
        return FAILED


def _leave(status: int) -> None:
    """End the process at once: freeing all modules of torch takes half a second."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(status)


def command_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="camil",
        description="Recognize the instrument of each part of a MIDI file from its notes.",
        epilog="For example: camil label song.mid. More examples: camil COMMAND --help",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_label(commands)
    _add_audit(commands)
    return parser


def _add_label(commands) -> None:
    label = commands.add_parser(
        "label",
        help="label the parts of MIDI files with instruments",
        description="Label the parts of MIDI files with instruments.",
        epilog=LABEL_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    label.add_argument(
        "paths",
        metavar="FILE",
        nargs="+",
        help=".mid, .midi, .kar or .rmi files, or folders, which are searched recursively",
    )
    label.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default="",
        help="write the table to this .csv or .json file; with --apply, write the copies into this "
        "folder, or a single copy to this .mid file",
    )
    _add_formats(label)
    label.add_argument(
        "--apply",
        action="store_true",
        help="write a copy of each file that plays the labelled instruments; drums, uncertain "
        f"parts and parts of no class keep theirs. Copies go to the folder {COPIES!r} in the "
        "current folder; a file is overwritten only if -o names it or its folder",
    )
    label.add_argument(
        "--transcription",
        action="store_true",
        help="for files that a transcription model wrote from audio: join the tracks that are "
        "likely one part before labelling, and mark likely drums; a copy keeps the tracks of the "
        "file, unless --join is given",
    )
    label.add_argument(
        "--join",
        action="store_true",
        help="with --transcription and --apply: write each joined part into the copy as one track, "
        "and likely drums on channel 10",
    )
    label.add_argument(
        "--threshold",
        metavar="P",
        type=probability,
        default=None,
        help="smallest probability of a label, between 0 and 1 (default: 0.5)",
    )
    label.set_defaults(copies=COPIES)
    _add_labeller(label)


def _add_audit(commands) -> None:
    audit = commands.add_parser(
        "audit",
        help="list the tracks of a collection whose program is probably wrong",
        description="List the tracks of a collection whose General MIDI program is probably wrong.",
        epilog=AUDIT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audit.add_argument("path", metavar="FOLDER", help="a folder, searched recursively, or a file")
    audit.add_argument(
        "-o", "--output", metavar="OUT", default="", help="write a .csv or .json file"
    )
    _add_formats(audit)
    audit.add_argument(
        "--top",
        metavar="N",
        type=count,
        default=None,
        help="number of tracks (default: 25 in the terminal, all in files)",
    )
    _add_labeller(audit)


def _add_formats(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print JSON with all probabilities")
    formats.add_argument("--csv", action="store_true", help="print CSV, one row per part")


def _add_labeller(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pretrained",
        metavar="NAME",
        type=network,
        default=None,
        help="another network: the folder of a run, or 'permissive' for the included one that was "
        "trained on permissively licensed songs alone",
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=count,
        default=None,
        help="number of processes for many files (default: one per core)",
    )


class _Version(argparse.Action):
    def __call__(self, parser, *_):
        from importlib.metadata import version

        print(f"camil {version('camil')}")
        parser.exit()


def network(text: str) -> str:
    if not text:  # such as an unset variable of a shell, which must not mean the default network
        raise argparse.ArgumentTypeError("an empty name is no network")
    return text


def probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


if __name__ == "__main__":
    main()
