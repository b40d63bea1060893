/** A site by node:http, which prints each request that reaches it. */
import http from "node:http";
import process from "node:process";

const server = http.createServer((request, response) => {
  console.log(`seen: ${request.method} ${request.headers.host ?? ""}${request.url}`);
  request.resume();
  response.end("ok");
});
server.on("clientError", ({ code }, socket) => {
  // A body that is broken off is no request of its own, nor is a client that hears no answer.
  if (code.startsWith("HPE_") && code !== "HPE_INVALID_EOF_STATE") console.log(`seen: ${code}`);
  socket.destroy();
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
// Whoever started it is gone.
process.stdin.on("end", () => process.exit()).resume();
