/** @file A studio over folders of a test, as built (npm test builds it): its processes are of built files. */

const { openStudio }: typeof import("../open-studio.ts") = await import(
  new URL("../../../dist/studio/open-studio.js", import.meta.url).href
);

export interface BuiltStudio {
  /** A request below /api; what is given is sent as JSON, a text as it is. */
  ask(path: string, given?: unknown): Promise<Response>;
  /** The answer's JSON. @throws Error with the studio's sentence if it is none. */
  get<T>(path: string, given?: unknown): Promise<T>;
  close(): Promise<void>;
}

export async function openBuiltStudio(folders: readonly string[]): Promise<BuiltStudio> {
  const { app, start, close } = await openStudio({ folders, token: "token", page: "nowhere" });
  start();
  const host = "127.0.0.1:8123";
  const headers = {
    ...{ host, origin: `http://${host}`, cookie: "slimtune-8123=token" },
    "content-type": "application/json",
  };
  const ask = async (path: string, given?: unknown) => {
    const body =
      given === undefined
        ? {}
        : { method: "POST", body: typeof given === "string" ? given : JSON.stringify(given) };
    return app.request(`http://${host}/api${path}`, { ...body, headers });
  };
  return {
    ask,
    async get<T>(path: string, given?: unknown) {
      const answer = (await (await ask(path, given)).json()) as T & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    close,
  };
}
