# SPDX-License-Identifier: BSD-2-Clause
"""A browser without a screen: cookies, redirects, forms; see Browser."""
import email.utils
import ssl
import time
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from harness.client import Client

REDIRECTS = (301, 302, 303, 307, 308)


class Loop(Exception):
    """More redirects in a row than any browser follows."""


class Jar:
    """Cookies as RFC 6265 section 5 stores and sends them, all over TLS."""

    def __init__(self):
        self.cookies = {}		# (domain, path, name) -> (value, host only)

    def take(self, host, request_path, fields):
        for field in fields:
            pair, *attributes = (part.strip() for part in field.split(";"))
            name, _, value = pair.partition("=")
            given = {}
            for attribute in attributes:
                key, _, text = attribute.partition("=")
                given[key.lower()] = text
            domain = given.get("domain", "").lstrip(".").lower()
            if domain and not within(host, domain):
                continue
            path = given.get("path") or request_path.rpartition("/")[0] or "/"
            key = (domain or host, path, name)
            self.cookies.pop(key, None)
            if not ended(given):
                self.cookies[key] = (value, not domain)

    def field(self, host, path):
        """The Cookie field's value for a request, longest paths first."""
        fit = [(len(p), name, value)
               for (domain, p, name), (value, host_only) in self.cookies.items()
               if (host == domain if host_only else within(host, domain))
               and (path + "/").startswith(p.rstrip("/") + "/")]
        fit.sort(key=lambda c: -c[0])
        return "; ".join(f"{name}={value}" for _, name, value in fit)

    def named(self, prefix):
        """The values by name of the cookies whose names begin so."""
        return {name: value for (_, _, name), (value, _) in self.cookies.items()
                if name.startswith(prefix)}


def within(host, domain):
    return host == domain or host.endswith("." + domain)


def ended(attributes):
    """Whether a cookie's attributes say that it is to be forgotten."""
    if "max-age" in attributes:
        return int(attributes["max-age"]) <= 0
    if "expires" in attributes:
        then = email.utils.parsedate_to_datetime(attributes["expires"])
        return then.timestamp() <= time.time()
    return False


class Forms(HTMLParser):
    """The forms of a page: action, and fields with their values."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.found.append((given.get("action", ""), {}))
        elif tag == "input" and self.found and given.get("name"):
            self.found[-1][1][given["name"]] = given.get("value") or ""


class Page:
    """What a browser shows: the last response, its URL, and the way there."""

    def __init__(self, url, response, way):
        self.url, self.response, self.way = url, response, way

    @property
    def status(self):
        return self.response.status

    @property
    def host(self):
        return urlsplit(self.url).hostname

    def form(self):
        forms = Forms(self.response.text).found
        assert forms, f"no form at {self.url}: {self.response}"
        return forms[0]

    def __repr__(self):
        return f"<{self.url} {self.response} after {self.way}>"


class Browser:
    """Speaks HTTPS to one port of this machine, whatever the host's name.

    Connections are kept and used again, as browsers do."""

    def __init__(self, port, cafile):
        self.port = port
        self.jar = Jar()
        self.tls = ssl.create_default_context(cafile=cafile)
        self.tls.set_alpn_protocols(["http/1.1"])
        self.connections = {}
        self.requests = 0		# answered so far

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def url(self, host, target="/"):
        return f"https://{host}:{self.port}{target}"

    def fetch(self, url, method="GET", headers=(), body=None):
        """One request and its response; no redirect is followed."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.port) == ("https", self.port), url
        host = parts.hostname
        path = parts.path or "/"
        fields = [("User-Agent", "scripted"), *headers]
        if not any(name.lower() == "accept" for name, _ in fields):
            fields.append(("Accept", "text/html,*/*;q=0.8"))
        if (cookies := self.jar.field(host, path)):
            fields.append(("Cookie", cookies))
        target = path + ("?" + parts.query if parts.query else "")
        response = self._exchange(host, method, target, parts.netloc, fields, body)
        self.requests += 1
        self.jar.take(host, path, response.all("Set-Cookie"))
        return response

    def connect(self, host):
        """A new connection, for what is not a page."""
        return Client(("127.0.0.1", self.port), tls=True, sni=host,
                      context=self.tls, timeout=30)

    def _exchange(self, host, method, target, authority, fields, body):
        old = self.connections.pop(host, None)
        for connection in ([old] if old else []) + [None]:
            if connection is None:
                connection = self.connect(host)
            try:
                response = connection.request(method, target, authority, fields,
                                              body)
            except (EOFError, ConnectionError):
                if connection is not old:
                    raise
                continue		# closed while it was idle
            if (response["Connection"] or "").lower() == "close":
                connection.close()
            else:
                self.connections[host] = connection
            return response

    def open(self, url, method="GET", headers=(), body=None, most=20):
        """A page, by way of its redirects.

        The headers go with the first request only, as those of a script's
        fetch across origins would."""
        way = []
        while True:
            response = self.fetch(url, method, headers, body)
            way.append((response.status, url))
            location = response["Location"]
            if response.status not in REDIRECTS or location is None:
                return Page(url, response, way)
            if len(way) > most:
                raise Loop(way)
            if response.status not in (307, 308):
                method, body = "GET", None
            url, headers = urljoin(url, location), ()

    def submit(self, page, **values):
        """Fills in the first form of a page and sends it."""
        action, fields = page.form()
        body = urlencode({**fields, **values}).encode()
        return self.open(
            urljoin(page.url, action), "POST",
            [("Content-Type", "application/x-www-form-urlencoded")], body)
