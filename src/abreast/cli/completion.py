"""`abreast completion`: tab completion for bash, zsh and fish, and the words that it offers."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

from abreast.config.commands import COMMANDS, TRAINING
from abreast.config.identity import leaves
from abreast.config.options import MAIN, conf_dir, groups, load, option, top_level
from abreast.config.schema import LoaderKeys, ScheduleKeys, defaults
from abreast.runtime.wrapping import fitted

SHARED_KEYS = {"data": LoaderKeys, "schedule": ScheduleKeys}  # of all options of a group
SHELLS = ("bash", "zsh", "fish")
SWEPT = ",("  # what stands before a further value of a sweep

# bash hands over the word after `=` alone, so what stands before it is cut off.
BASH = """_abreast() {
    local line="${COMP_LINE:0:COMP_POINT}" word reply
    word="${line##* }"
    COMPREPLY=()
    while IFS= read -r reply; do
        case "$COMP_WORDBREAKS:$word" in
            *=*:*=*) COMPREPLY+=("${reply#"${word%"${word##*=}"}"}") ;;
            *) COMPREPLY+=("$reply") ;;
        esac
    done < <(abreast completion --words "$line" 2>/dev/null)
}
complete -o default -o nospace -F _abreast abreast
"""
ZSH = """#compdef abreast
_abreast() {
    local -a replies
    replies=("${(@f)$(abreast completion --words "$LBUFFER" 2>/dev/null)}")
    if [[ -n "$replies" ]]; then compadd -Q -S '' -- $replies; else compset -P '*='; _files; fi
}
compdef _abreast abreast
"""
FISH = """complete -c abreast -f -a '(abreast completion --words (commandline -cp) 2>/dev/null; \
__fish_complete_path (commandline -ct))'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
INSTALLED_BY = {
    "bash": 'eval "$(abreast completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(abreast completion zsh)" in ~/.zshrc, after compinit',
    "fish": "abreast completion fish | source in ~/.config/fish/config.fish",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast completion`."""
    lines = "; ".join(f"{shell}: put {line}" for shell, line in INSTALLED_BY.items())
    parser = ArgumentParser("abreast completion", description="Tab completion.", epilog=lines)
    parser.add_argument(
        "shell", nargs="?", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish: print its script"
    )
    parser.add_argument("--words", metavar="LINE", help="print what may stand at the line's end")
    args = parser.parse_args(argv)
    if args.words is not None:
        print("".join(f"{text}\n" for text in completions(args.words)), end="")
    elif args.shell is None:
        parser.error(f"name a shell: {', '.join(SHELLS)}")
    else:
        print(SCRIPTS[args.shell], end="")
        if sys.stdout.isatty():
            print(fitted(f"# To install it, put {INSTALLED_BY[args.shell]}", sys.stderr), file=sys.stderr)
    return 0


def completions(line: str) -> list[str]:
    """What may stand at a command line's end in place of its last word.

    Args:
        line: The line up to the cursor, from `abreast` on.

    Returns:
        Whole words, such as `loss=hinge`; none where a file's name is expected.

    >>> completions("abreast optim=nad")
    ['optim=nadam']
    """
    *before, word = line.lstrip().split(" ")
    words = [text for text in before[1:] if text]
    if words and words[0] in COMMANDS and words[0] not in TRAINING:
        candidates = _of_command(words[0], word)
    else:
        candidates = _of_training(words, word)
    return sorted({text for text in candidates if text.startswith(word) and text != word})


def _of_command(command: str, word: str) -> Iterator[str]:
    folders = [conf_dir()]
    if command == "completion":
        yield from SHELLS
    if command == "show" and not Path(word).exists():
        group, equals, _ = word.partition("=")
        known = groups(folders)
        yield from (
            (f"{group}={name}" for name in known.get(group, ())) if equals else (f"{key}=" for key in known)
        )
    if command == "evaluate" and word.startswith("data"):
        yield from (f"data={name}" for name in groups(folders)["data"])


def _of_training(words: Sequence[str], word: str) -> Iterator[str]:
    folders = [conf_dir()]
    if not words:
        yield from COMMANDS
    yield from ("-m", "--help", "--cfg", "--dry-run", "resume=")
    known = groups(folders)
    chosen = {
        key.lstrip("+"): value for key, equals, value in (text.partition("=") for text in words) if equals
    }
    keys = top_level(folders)
    yield from (f"{key}=" for key, value in keys.items() if value != {} and not isinstance(value, dict))
    plain = word.lstrip("+")
    for group, names in known.items():
        sign = "" if group in keys else "+"
        if not sign or word.startswith("+") or word == "":
            yield f"{sign}{group}="
        head, equals, value = plain.partition("=")
        if equals and head == group:
            done = value[: max(value.rfind(mark) for mark in SWEPT) + 1]
            yield from (f"{word[: len(word) - len(value)]}{done}{name}" for name in names)
        if plain.startswith(f"{group}.") and not equals:
            name = chosen.get(group) or _default(group)
            shared = SHARED_KEYS.get(group)
            flat = leaves({**(defaults(shared) if shared else {}), **option(group, name, folders)})
            yield from (f"{group}.{key}=" for key in flat if not key.rpartition(".")[2].startswith("_"))


def _default(group: str) -> str:
    """The option of a group that a run has where the command line names none."""
    for entry in load(conf_dir() / f"{MAIN}.yaml")["defaults"]:
        if isinstance(entry, dict):
            (key, name), *_ = entry.items()
            if str(key).split()[-1].strip("/") == group:
                return str(name)
    return "default"
