"""A hook of MkDocs: a page for each command, written down from its parser."""

import os
import re
from argparse import SUPPRESS, ArgumentParser, _ArgumentGroup, _HelpAction, _SubParsersAction
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from alignatt4llm.cli.main import parser

WIDTH = "76"
"""Characters of a line of usage."""
MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, first in Reference."""
    os.environ["COLUMNS"] = WIDTH
    commands = [{name: f"commands/{name}.md"} for name in subcommands(parser())]
    reference = next(entry["Reference"] for entry in config.nav or [] if "Reference" in entry)
    reference.insert(0, {"Command line": ["commands/index.md", *commands]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    whole = parser()
    pages = {"index": whole, **subcommands(whole)}
    for name, command in pages.items():
        content = "\n".join(lines(command, told(whole).get(name, ""), 1))
        files.append(File.generated(config, f"commands/{name}.md", content=content))
    return files


def subcommands(command: ArgumentParser) -> dict[str, ArgumentParser]:
    """Return the parsers of a command's commands by name."""
    found = [action for action in command._actions if isinstance(action, _SubParsersAction)]
    return dict(found[0].choices) if found else {}


def told(command: ArgumentParser) -> dict[str, str]:
    """Return what a command says of its commands, by name."""
    found = [action for action in command._actions if isinstance(action, _SubParsersAction)]
    return {entry.dest: entry.help or "" for action in found for entry in action._choices_actions}


def lines(command: ArgumentParser, does: str, level: int) -> Iterator[str]:
    """Yield the Markdown of a command, and of those of its actions that have no page."""
    description = escaped(command.description or f"{does[:1].upper()}{does[1:]}.")
    yield from ("#" * level + f" {command.prog}", "", description, "")
    yield from ("```text", command.format_usage().strip(), "```", "")
    for group in command._action_groups:
        yield from options(command, group)
    if command.epilog:
        yield from ("```text", command.epilog.strip(), "```", "")
    if level > 1 or not command.prog.endswith("alignatt"):
        for name, action in subcommands(command).items():
            yield from lines(action, told(command)[name], level + 1)


def options(command: ArgumentParser, group: _ArgumentGroup) -> Iterator[str]:
    """Yield a definition for each option of a group."""
    formatter = command._get_formatter()
    for action in group._group_actions:
        if isinstance(action, _SubParsersAction):
            yield from choices(command)
        elif action.help and action.help != SUPPRESS and not isinstance(action, _HelpAction):
            said = formatter._format_action_invocation(action).strip()
            yield from (f"`{said}`", f":   {escaped(formatter._expand_help(action))}", "")


def choices(command: ArgumentParser) -> Iterator[str]:
    """Yield a definition for each command of a command."""
    for name, does in told(command).items():
        top = command.prog == "alignatt"
        link = f"{name}.md" if top else f"#{command.prog}-{name}".replace(" ", "-")
        yield from (f"[`{name}`]({link})", f":   {escaped(does)}", "")


def escaped(text: str) -> str:
    """Return text of a help such that Markdown shows it as it is."""
    return MARKS.sub(r"\\\1", " ".join(text.split()))
