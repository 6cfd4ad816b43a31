"""Chat templates as GGUF files carry them, rendered as transformers renders its own."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alignatt4llm.errors import AlignattError


class ChatTemplate:
    """How a chat model's conversation is written; prompts take it for its tokeniser.

    Parameters
    ----------
    template
        The template; None for a model without one.
    start, end
        The tokens before and after a text, written out.
    """

    def __init__(self, template: str | None, start: str, end: str) -> None:
        self.chat_template = template
        self._known = {"bos_token": start, "eos_token": end}

    def apply_chat_template(self, messages: Sequence[dict[str, str]], **options: Any) -> str:
        """Return a conversation as text.

        Raises
        ------
        AlignattError
            If the template cannot be used for it.
        """
        options.pop("tokenize", None)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": datetime.now().strftime}
        try:
            template = environment.from_string(self.chat_template or "")
            return template.render(messages=messages, **self._known, **options)
        except TemplateError as problem:
            raise AlignattError(
                f"This model's chat template cannot be used: {problem}; "
                "use the few-shot prompt instead (--prompt few-shot)."
            ) from problem


def _json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)
