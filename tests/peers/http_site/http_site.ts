/** Sites of other programs' servers, which tell each request that reaches them. */
import { fileURLToPath } from "node:url";
import { freePort } from "../../program/local_service.ts";
import { PeerProcess } from "../peer_process.ts";

const nodeSite = fileURLToPath(new URL("./node_site.mjs", import.meta.url));

/** What listens, and where. */
export interface HttpSite extends AsyncDisposable {
  readonly port: number;
  readonly process: PeerProcess;
  /** The requests that it was told of, as `METHOD host/path?query`. */
  readonly seen: readonly string[];
}

/** By node:http, of Node or of Deno: what runs a module is called with the given arguments. */
export async function startNodeSite(
  program: string,
  args: readonly string[] = [],
): Promise<HttpSite> {
  const process = new PeerProcess(program, [...args, nodeSite]);
  const [, port] = await process.waitFor(/listening on (\d+)\n/);
  return siteOf(process, Number(port));
}

/** By nginx, which keeps its files in a folder of the caller's. */
export async function startNginxSite(folder: string): Promise<HttpSite> {
  const port = freePort();
  await Deno.writeTextFile(`${folder}/nginx.conf`, nginxConfig(folder, port));
  const process = new PeerProcess("nginx", ["-c", `${folder}/nginx.conf`, "-e", "stderr"]);
  // Said after it has begun to listen.
  await process.waitFor(/RLIMIT_NOFILE/);
  return siteOf(process, port);
}

function siteOf(process: PeerProcess, port: number): HttpSite {
  return {
    port,
    process,
    get seen() {
      return [...process.printed.matchAll(/^seen: (.*)$/gm)].map(([, request = ""]) => request);
    },
    [Symbol.asyncDispose]: () => process.stop(),
  };
}

const nginxConfig = (folder: string, port: number): string => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  log_format seen escape=none "seen: $request_method $http_host$request_uri";
  access_log /dev/stdout seen;
${
  ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `  ${name}_temp_path ${folder}/${name};`
  ).join("\n")
}
  server {
    listen 127.0.0.1:${port};
    location / {
      return 200 ok;
    }
  }
}
`;
