/** How Deno's `fetch` and `WebSocket` are to go through a proxy, or past it. */
import { formatEndpoint } from "../socket/endpoint.ts";
import { type Proxy, proxyForUrl, proxyVariables } from "../socket/proxy.ts";

const variables = proxyVariables.flatMap((name) => [name, name.toLowerCase()]);

/** One for each way, of which a process's variables name a few; they live as long as it does. */
const clients = new Map<string, Deno.HttpClient>();

/** What `fetch` and `WebSocket` take besides; nothing where no variable is set. Throws BadInput. */
export function proxyOptions(url: string): { readonly client?: Deno.HttpClient } {
  const proxy = proxyForUrl(url);
  const isAnySet = variables.some((name) => (Deno.env.get(name) ?? "") !== "");
  return isAnySet ? { client: clientOf(proxy) } : {};
}

function clientOf(proxy: Proxy | undefined): Deno.HttpClient {
  const options = proxy === undefined ? {} : { proxy: denoProxy(proxy) };
  const key = JSON.stringify(options);
  const client = clients.get(key) ?? withoutVariables(() => Deno.createHttpClient(options));
  clients.set(key, client);
  return client;
}

function denoProxy({ protocol, host, port, credentials }: Proxy): Deno.Proxy {
  return {
    transport: protocol,
    url: `${protocol}://${formatEndpoint({ host, port })}`,
    ...(credentials === undefined ? {} : { basicAuth: credentials }),
  };
}

/**
 * A client reads the variables itself when it is made, and by other rules: for it ALL_PROXY goes
 * first, and `*` is no address.
 */
function withoutVariables<Result>(make: () => Result): Result {
  const values = variables.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of variables) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of values) if (value !== undefined) Deno.env.set(name, value);
  }
}
