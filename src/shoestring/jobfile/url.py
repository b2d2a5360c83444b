"""URLs in job files: what must not be in them."""

from urllib.parse import urlsplit


def carries_credentials(url: str) -> bool:
    """Whether a URL holds a user name or password before its host; ``git@`` of ssh is none.

    >>> carries_credentials("https://me:word@host/x"), carries_credentials("ssh://git@host/x")
    (True, False)
    """
    if "://" not in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return "@" in url
    user, at, _ = parts.netloc.rpartition("@")
    return bool(at) and not (parts.scheme == "ssh" and ":" not in user)
