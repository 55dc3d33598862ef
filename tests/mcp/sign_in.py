"""A user at an authorization endpoint, without a browser.

As a program it is the browser that a client opens: BROWSER="python sign_in.py %s &".
"""

import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html import unescape
from http.cookiejar import CookieJar


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def sign_in(authorization_url, person="administrator"):
    """Returns the URL that leads back to the client."""
    parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(authorization_url).query)
    callback = parameters["redirect_uri"][0]
    cookies = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(cookies, NoRedirect)
    url, form = authorization_url, None
    for _ in range(10):
        try:
            page = browser.open(url, form).read().decode()
        except urllib.error.HTTPError as redirect:
            url, form = urllib.parse.urljoin(url, redirect.headers["Location"]), None
            if url.startswith(callback):
                return url
        else:
            # The sign-in page of the development issuer.
            action = unescape(re.search(r'action="([^"]+)"', page)[1])
            token = re.search(r'name="form" value="([^"]+)"', page)[1]
            url = urllib.parse.urljoin(url, action)
            form = urllib.parse.urlencode({"form": token, "person": person}).encode()
    raise RuntimeError("the sign-in did not lead back to the client")


def open_callback(url):
    """The client may still be about to listen."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    open_callback(sign_in(sys.argv[1]))
