"""Results files of before: figures whose name means something else today."""

from __future__ import annotations

from typing import Any

from metrics import names


def named_as_today(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a results.json, with the figures called ``cliou`` in older ones under ``cliou_predicted``.

    Files in which ``cliou`` is that of OmniCrack30k have both; where it stands alone, it is the one that counted true
    positives on the predicted centreline.
    """
    alone = names.CLIOU in content and names.CLIOU_PREDICTED not in content
    return {
        names.CLIOU_PREDICTED if alone and key == names.CLIOU else key: named_as_today(value)
        if isinstance(value, dict)
        else value
        for key, value in content.items()
    }
