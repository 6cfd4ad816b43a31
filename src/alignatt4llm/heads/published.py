"""Head rankings as published with AlignAtt4LLM, read as head sets."""

from typing import Any

from alignatt4llm.heads.headset import HeadScore, HeadSet, Layout
from alignatt4llm.text.languages import Pair

TOP = 8
"""Heads of a ranking that are used."""


def parse_ranking(record: dict[str, Any]) -> HeadSet:
    """Turn a published ranking into a head set: its first `TOP` heads, their own rows averaged."""
    ranking = tuple(
        HeadScore(int(head["layer"]), int(head["head"]), float(head["ts"]))
        for head in record["token_alignment_heads"]
    )
    return HeadSet(
        model=record["model"],
        pair=str(Pair.parse(record["direction"])),
        heads=tuple((score.layer, score.head) for score in ranking[:TOP]),
        row="own",
        layout=Layout(int(record["num_layers"]), int(record["num_heads"])),
        ranking=ranking,
        origin={
            "kind": "published",
            "by": "AlignAtt4LLM (IWSLT 2026), MIT licence",
            "note": "TS at full sentences of the development set it was evaluated on; "
            "not measured again.",
            "pairs": record["used_pairs"],
            "target_tokens": record["used_target_tokens"],
        },
    )
