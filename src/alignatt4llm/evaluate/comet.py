"""COMET and XCOMET, where the package and the weights of a model are at hand."""

from pathlib import Path

from alignatt4llm.errors import AlignattError


def comet_scores(model: str, texts: list[dict[str, str]]) -> list[float]:
    """Score texts, each with its source ``src``, translation ``mt`` and reference ``ref``.

    Parameters
    ----------
    model
        Hub id, as ``Unbabel/XCOMET-XL``, or a checkpoint file.
    texts
        One a segment.

    Raises
    ------
    AlignattError
        If unbabel-comet is not installed or the model cannot be loaded.
    """
    try:
        from comet import download_model, load_from_checkpoint
    except ImportError as problem:
        raise AlignattError(
            "COMET needs the package unbabel-comet, whose pins want an environment of their own; "
            "install alignatt4llm[evaluate] beside it there and score the run's folder."
        ) from problem
    try:
        loaded = load_from_checkpoint(model if Path(model).is_file() else download_model(model))
    except Exception as problem:  # it raises whatever its loaders do
        raise AlignattError(f"The COMET model '{model}' cannot be loaded: {problem}.") from problem
    return [float(score) for score in loaded.predict(texts, batch_size=8, gpus=0).scores]
