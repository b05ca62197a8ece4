"""Errors of the Hugging Face Hub and of the network, as messages that a person can use.

A token goes into requests and nowhere else: messages here never quote what a library said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hfru_core.types import UserError


@contextmanager
def clear_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Raise errors of the Hub and of the network as messages that quote no request."""
    try:
        yield
    except HFValidationError:
        problem = f"'{repo}' is not the name of a repository: enter it as owner/name."
    except RevisionNotFoundError:
        problem = f"'{repo}' has no revision '{revision}'. Use a branch, a tag or a commit."
    except RepositoryNotFoundError:
        problem = (
            f"'{repo}' is not on the Hub, or the token given does not open it: a private "
            "repository needs a token of somebody who may read it."
        )
    except HfHubHTTPError as error:
        problem = refusal(repo, error.response.status_code if error.response is not None else None)
    except OfflineModeIsEnabled:
        problem = (
            "HF_HUB_OFFLINE is set: the Hub is not asked. Unset it, or use what is on this machine."
        )
    except UserError:
        raise
    except Exception as error:  # Whatever it is: its text might quote the request.
        problem = (
            f"Could not reach the Hugging Face Hub ({type(error).__name__}). Check the network and "
            "HF_ENDPOINT, and try again later."
        )
    else:
        return
    raise UserError(problem) from None


def refusal(repo: str, status: int | None) -> str:
    """What an HTTP error of the Hub means, by its status."""
    if status in (401, 403):
        return (
            f"The Hub refused '{repo}' ({status}): the token is not valid, or has no right to do "
            "this there. Make a new one at huggingface.co/settings/tokens."
        )
    return f"The Hub answered '{repo}' with an error ({status}). Try again later."
