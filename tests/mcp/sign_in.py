"""A user at the authorization endpoint of the development issuer, without a browser.

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
    cookies = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(cookies, NoRedirect)
    page = browser.open(authorization_url).read().decode()
    action = unescape(re.search(r'action="([^"]+)"', page)[1])
    form = {"form": re.search(r'name="form" value="([^"]+)"', page)[1], "person": person}
    url = urllib.parse.urljoin(authorization_url, action)
    try:
        browser.open(url, urllib.parse.urlencode(form).encode())
    except urllib.error.HTTPError as redirect:
        return redirect.headers["Location"]
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
