"""How a browser is known again: by a random token that it keeps, and tells when a page begins.

A script in the page's head tells it before anything else is loaded: so a session goes on when its
page is loaded again, and ends when the page was closed.
"""

import hashlib
import re

TOKEN = re.compile(r"[0-9a-f]{32}")
HEAD = """<script>
(() => {
  const key = 'hfru-visitor', hex = (b) => b.toString(16).padStart(2, '0');
  try {
    let token = localStorage.getItem(key) || '';
    if (!/^[0-9a-f]{32}$/.test(token)) {
      token = Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join('');
      localStorage.setItem(key, token);
    }
    window.hfruVisitor = token;
    fetch('gradio_api/run/back', {
      method: 'POST', headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({data: [token]}),
    }).catch(() => 0);
  } catch (error) { /* a browser that keeps nothing is a new visitor each time */ }
})();
</script>"""
TELL = "() => [window.hfruVisitor || '']"
FORGET = """() => {
  try { localStorage.removeItem('hfru-visitor'); } catch (error) { /* nothing was kept */ }
  location.reload();
}"""


def valid(token: object) -> bool:
    """Whether this is a token as the script makes them."""
    return isinstance(token, str) and TOKEN.fullmatch(token) is not None


def visitor_of(token: str, user: str | None = None) -> str:
    """The name of the visitor's folder, which does not lead back to the token; who has a login is
    the same in every browser, and two of them in one browser are two."""
    key = f"user {user}" if user else token
    return hashlib.sha256(key.encode()).hexdigest()[:32]
