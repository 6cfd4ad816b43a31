"""Head sets from files, and those that come with the package."""

from importlib import resources
from pathlib import Path

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.files.reading import read_json
from alignatt4llm.heads.headset import ANY, VERSION, HeadSet
from alignatt4llm.heads.published import parse_ranking


def load_head_set(path: Path) -> HeadSet:
    """Read an artefact, or a ranking as published with AlignAtt4LLM.

    Raises
    ------
    AlignattError
        If the file is missing, not JSON, of another version, or lacks a key.
    """
    try:
        record = read_json(path)
    except UsageError as problem:
        raise AlignattError(f"'{path}' is not a readable head set: {problem}") from problem
    try:
        if "token_alignment_heads" in record:
            return parse_ranking(record)
        if record["version"] != VERSION:
            raise AlignattError(
                f"'{path}' is a head set of version {record['version']}; this program reads "
                f"version {VERSION}. Make it anew with 'alignatt heads calibrate'."
            )
        return HeadSet._parse(record)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
        raise AlignattError(f"'{path}' is not a readable head set: {problem!r}.") from problem


def shipped_head_sets() -> dict[str, Path]:
    """Return the artefacts inside the package, by name ``model:pair``."""
    folder = Path(str(resources.files("alignatt4llm.heads"))) / "artefacts"
    paths = sorted(folder.glob("*.json"))
    return {":".join(path.name.removesuffix(".json").rsplit("_", 1)): path for path in paths}


def shipped_pairs(model: str) -> tuple[str, ...]:
    """Return the directions for which head sets of a model are shipped, as ``en-de``."""
    names = (name.rpartition(":") for name in shipped_head_sets())
    return tuple(pair for made_for, _, pair in names if made_for == model and pair != ANY)


def shipped_set(model: str, pair: str) -> HeadSet | None:
    """Return the shipped head set of a model and direction; None if there is none.

    Parameters
    ----------
    model
        Short name; see `weights.models.short_name`.
    pair
        Direction, as ``en-de``; `ANY` for the set that is used for those without one.
    """
    path = shipped_head_sets().get(f"{model}:{pair}")
    return load_head_set(path) if path else None


def head_set_for(model: str, pair: str) -> HeadSet:
    """Return the shipped head set of a model and direction, as `shipped_set`.

    Raises
    ------
    UsageError
        If none is shipped; the message names those that are and says how to make one.
    """
    found = shipped_set(model, pair)
    if found is None:
        raise UsageError(
            f"There is no head set for {pair} with the model '{model}' (shipped: "
            f"{', '.join(shipped_head_sets()) or 'none'}). Make one with 'alignatt heads calibrate "
            f"--model MODEL --pair {pair} --out FILE' and pass it with --heads FILE."
        )
    return found
