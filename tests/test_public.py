"""The public names, and how each is called: what programs are written against does not change."""

import inspect
from pathlib import Path

import pytest

import alignatt4llm

LIST = Path(__file__).with_name("public.txt")
"""What is public. To change it is to change every program that uses it: say so in CHANGELOG.md."""
OWN = {
    "AudioSource": "aclose attend open ready stop",
    "Events": "__init__",
    "Interpreter": "hear prompt_form refuse_calibration heads location threads",
    "Session": "__init__ end flush listen restore targets translate",
    "Stream": "__init__ add drop forget last listen restore wall",
    "System": "check chosen head_set is_ready taught",
}
"""What only the package itself calls, and may change: sessions are made by an interpreter."""


def described():
    """A line for each name and each of its methods, with what it takes."""
    lines = []
    for name in sorted(alignatt4llm.__all__):
        thing = getattr(alignatt4llm, name)
        if not inspect.isclass(thing):
            lines.append(f"{name}{_takes(thing)}")
            continue
        own = OWN.get(name.removeprefix("Scripted"), "").split()
        lines.append(f"class {name}{'' if '__init__' in own else _takes(thing)}")
        lines += [f"    {line}" for line in sorted(_members(thing, own))]
    return "\n".join(lines) + "\n"


def _members(kind, own):
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        named = not name.startswith("_") or name in ("__aenter__", "__enter__", "__anext__")
        if name in own or not named or _home(kind, name) is None:
            continue
        if isinstance(found, property):
            yield name
        elif isinstance(found, classmethod):
            yield f"{name}{_takes(getattr(kind, name))}"
        elif inspect.isfunction(found):
            yield f"{'async ' * inspect.iscoroutinefunction(found)}{name}{_takes(found)}"


def _home(kind, name):
    """The class of ours that has it."""
    classes = [each for each in kind.__mro__ if name in vars(each)]
    return classes[0] if classes[0].__module__.startswith("alignatt4llm") else None


def _takes(thing):
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):  # an alias, an exception
        return ""
    shown = [_plain(one) for one in signature.parameters.values() if one.name != "self"]
    return str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))


def _plain(one):
    """A parameter without its type, and without the looks of a default that is an object."""
    empty = one.default in (inspect.Parameter.empty, ())
    simple = empty or isinstance(one.default, str | int | float | None)
    default = one.default if simple else ...
    return one.replace(annotation=inspect.Parameter.empty, default=default)


def test_what_is_public_stays_as_it_is():
    assert described() == LIST.read_text("utf-8")


CLASSES = [name for name in alignatt4llm.__all__ if inspect.isclass(getattr(alignatt4llm, name))]


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_public_is_documented(name):
    kind = getattr(alignatt4llm, name)
    assert inspect.getdoc(kind)
    for member in dir(kind):
        if not member.startswith("_") and _home(kind, member):
            found = inspect.getattr_static(kind, member)
            if isinstance(found, property | classmethod) or inspect.isfunction(found):
                assert inspect.getdoc(getattr(kind, member)), f"{name}.{member}"


def test_it_is_typed():
    assert (Path(alignatt4llm.__file__).parent / "py.typed").exists()
