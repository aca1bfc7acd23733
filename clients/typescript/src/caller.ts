/** Calls whose path, parameters, body and answer are those of the OpenAPI document, with a token that renews itself. */

import { NEEDS_TOKEN, ParleyError } from "./errors.ts";
import type { paths } from "./generated/protocol.gen.ts";
import type { Http, RequestFacts } from "./http.ts";
import type { Session } from "./session.ts";

export type Path = keyof paths;
export type Method<P extends Path> = Extract<
  { [M in keyof paths[P]]: undefined extends paths[P][M] ? never : M }[keyof paths[P]],
  string
>;

type PathOf<Operation> = Operation extends { parameters: { path: infer Parameters } }
  ? { path: Parameters }
  : { path?: never };
type QueryOf<Operation> = Operation extends { parameters: { query?: infer Query } } ? { query?: Query } : object;
type BodyOf<Operation> = Operation extends { requestBody: { content: { "application/json": infer Body } } }
  ? { body: Body }
  : Operation extends { requestBody?: { content: { "application/json": infer Body } } }
    ? { body?: Body | undefined }
    : { body?: undefined };

/** What is common to all calls. */
export interface CallOptions {
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
  /** Whether the call carries the access token. */
  signed?: boolean;
}

export type Given<Operation> = PathOf<Operation> & QueryOf<Operation> & BodyOf<Operation> & CallOptions;

type JsonOf<Response> = Response extends { content: { "application/json": infer Json } } ? Json : never;
type AnyAnswer<Responses> = { [Status in keyof Responses]: JsonOf<Responses[Status]> }[keyof Responses];
/** The JSON of a success; undefined where there is none. */
export type Answer<Operation> = Operation extends { responses: infer Responses }
  ? [AnyAnswer<Responses>] extends [never]
    ? undefined
    : AnyAnswer<Responses>
  : never;

export class Caller {
  readonly http: Http;
  readonly #session: Session;

  constructor(http: Http, session: Session) {
    this.http = http;
    this.#session = session;
  }

  /** Throws ParleyError. What is refused for its token is tried once more with a new one. */
  readonly call = async <P extends Path, M extends Method<P>>(
    method: M,
    path: P,
    given: Given<paths[P][M]>,
  ): Promise<Answer<paths[P][M]>> => {
    const {
      path: parameters,
      signed,
      ...facts
    } = given as RequestFacts & CallOptions & { path?: Record<string, string> };
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters?.[name] ?? ""));
    const call = (headers: Record<string, string>) =>
      this.http.json(method, filled, { ...facts, headers: { ...facts.headers, ...headers } });
    return (await (signed === false ? call({}) : this.signed(call))) as Answer<paths[P][M]>;
  };

  /** Runs it with the header that says who is calling, and once more if that is refused. */
  async signed<T>(run: (headers: { Authorization: string }) => Promise<T>): Promise<T> {
    const token = await this.#session.token();
    try {
      return await run(bearer(token));
    } catch (error) {
      if (!(error instanceof ParleyError && error.status === 401 && NEEDS_TOKEN.includes(error.code))) throw error;
      return run(bearer(await this.#session.instead(token)));
    }
  }
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
