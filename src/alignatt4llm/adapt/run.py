"""From parallel text to an adapter's folder."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from alignatt4llm.adapt.checkpoint import Checkpoint, remove
from alignatt4llm.adapt.course import Wanted, plan
from alignatt4llm.adapt.curriculum import Curriculum
from alignatt4llm.adapt.settings import TeachingSettings
from alignatt4llm.adapt.sheet import FILE as SHEET
from alignatt4llm.adapt.sheet import curve, data, lessons, sheet
from alignatt4llm.adapt.student import load_student
from alignatt4llm.adapt.teaching import Teaching
from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.machine.packages import installed
from alignatt4llm.prompts.forms import prompt_form
from alignatt4llm.weights.adapters import FILE, Adapter
from alignatt4llm.weights.models import resolve_llm

PROMPT = "taught"
_VERSIONS = ("alignatt4llm", "torch", "transformers", "peft", "eflomal")


def adapt(
    model: str,
    wanted: Wanted,
    settings: TeachingSettings,
    out: Path,
    tell: Tell,
    stopping: Callable[[], bool] = lambda: False,
) -> Adapter | None:
    """Teach a model to interpret; go on where an earlier call was stopped.

    Parameters
    ----------
    model
        As for ``--model``.
    wanted
        What it is taught.
    settings
        How it is taught.
    out
        Folder of the adapter.
    tell
        Is told the progress.
    stopping
        Asked before each step whether to stop.

    Returns
    -------
    Adapter or None
        None if it was stopped; the same call goes on from there.

    Raises
    ------
    AlignattError
        If text, model or packages are missing, or the folder holds something else.
    """
    if (out / FILE).exists():
        raise UsageError(f"'{out}' holds a finished adapter; give another --out.")
    if out.is_file() or not out.absolute().parent.is_dir():
        raise UsageError(f"'{out}' cannot be made a folder; give a new name where a folder is.")
    courses = plan(wanted, tell)
    weights = resolve_llm(model, tell)
    torch.manual_seed(settings.seed)
    student = load_student(weights.location, weights.revision, settings.rank)
    curriculum = Curriculum([each.subjects for each in courses], settings.seed, settings.mix)
    forms = {str(pair): prompt_form(student.tokenizer, pair, PROMPT) for pair in wanted.pairs}
    teaching = Teaching(student, curriculum, courses, forms, settings, tell)
    digests = [each.digest for each in courses]
    parts = [weights.name, weights.revision, asdict(settings), digests, student.is_half]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    if found := Checkpoint.load(out, key):
        teaching.restore(found)
        tell(f"going on after step {teaching.step} of {settings.steps}")
    if not teaching.run(lambda: teaching.checkpoint(key).save(out), stopping):
        return None
    folder = Path(model).expanduser()
    adapter = Adapter(
        out,
        str(folder.resolve()) if folder.is_dir() else model,
        weights.name,
        PROMPT,
        tuple(map(str, wanted.pairs)),
        tuple(teaching.heads),
        student.layout,
        {
            "data": data(courses),
            "lessons": lessons(curriculum, settings.steps * settings.batch),
            "settings": asdict(settings),
            "arithmetic": "bfloat16" if student.is_half else "float32",
            "steps": teaching.step,
            "seconds": round(teaching.seconds, 1),
            "scores": teaching.scores,
            "curve": curve(teaching.losses),
            "versions": {name: installed(name) for name in _VERSIONS},
        },
    )
    _write(adapter, student.adapted)
    return adapter


def _write(adapter: Adapter, adapted: "torch.nn.Module") -> None:
    """Write the adapter; what says that it is finished comes last."""
    adapted.peft_config["default"].base_model_name_or_path = adapter.base  # type: ignore[index,union-attr]
    try:
        adapted.save_pretrained(str(adapter.folder), save_embedding_layers=False)  # type: ignore[operator]
        (adapter.folder / SHEET).write_text(sheet(adapter), "utf-8")
        adapter.save()
        remove(adapter.folder)
    except OSError as problem:
        raise AlignattError(f"'{adapter.folder}' cannot be written: {problem}.") from problem
