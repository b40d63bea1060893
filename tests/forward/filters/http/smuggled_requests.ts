/** Requests that servers read in different ways, by what is wrong with them. */

/** None of them is to reach a target whole, nor what follows it. */
export const smuggledRequests: Readonly<Record<string, string>> = {
  "Content-Length and Transfer-Encoding":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding and Content-Length":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
  "two lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "two equal lengths":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
  "a list of lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
  "a signed length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
  "a length that overflows":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na",
  "an unknown coding": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  "chunked twice": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
  "an odd coding": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
  "a coding behind a strange blank":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
  "a host with a strange blank": "GET / HTTP/1.1\r\nHost: a\xa0\r\n\r\n",
  "chunked in HTTP/1.0":
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "bare line feeds": "GET / HTTP/1.1\nHost: a\n\nGET /private HTTP/1.1\nHost: a\n\n",
  "a bare carriage return": "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
  "a folded field": "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
  "a blank before the colon": "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
  "a blank before the first field": "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
  "a field without a name": "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
  "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "no host": "GET / HTTP/1.1\r\n\r\n",
  "a list of hosts": "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
  "a host with a user": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
  "another host in the target": "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "a target of another scheme": "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "a target without a slash": "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
  "a target with a fragment": "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
  "CONNECT": "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
  "an oversize chunk":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc",
  "a signed chunk":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
  "a chunk that is longer than it says":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
  "a NUL in a field": "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
  "a control character in a field": "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
  "a NUL in the target": "GET /a\0 HTTP/1.1\r\nHost: a\r\n\r\n",
  "a byte above 127 in the target": "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
  "an oversize line": `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  "an oversize field": `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
  "many fields": `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(200)}\r\n`,
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "RTSP": "GET /r RTSP/1.0\r\nHost: a\r\n\r\n",
  "RTSP's own method": "DESCRIBE /x RTSP/1.0\r\nHost: a\r\n\r\n",
  "ICE": "SOURCE /x ICE/1.0\r\nHost: a\r\n\r\n",
  "HTTP/0.9": "GET / HTTP/0.9\r\n\r\n",
  "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
};
