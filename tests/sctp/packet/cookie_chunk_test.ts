import { equal } from "node:assert/strict";
import { writeCookieAck, writeCookieEcho } from "../../../src/sctp/packet/cookie_chunk.ts";
import { hex } from "./amid.ts";

Deno.test("COOKIE ECHO is written as RFC 9260 section 3.3.11 has it", () => {
  equal(writeCookieEcho(hex("c00c1e")).toHex(), "0a000007" + "c00c1e00");
  equal(writeCookieEcho(hex("c00c1e55")).toHex(), "0a000008" + "c00c1e55");
});

Deno.test("COOKIE ACK is written as RFC 9260 section 3.3.12 has it", () => {
  equal(writeCookieAck().toHex(), "0b000004");
});
