/** Prints a command's JSON on stdout: bodies are checked against their schemas by the compiler, and by the tests at run time. Not here: the schemas (beside this file). */
import type * as v from 'valibot';
import { envelope, type Envelope } from '../../report/json.js';
import type { JsonOf } from './kinds.js';

type Read<T> = T extends readonly (infer I)[] ? readonly Read<I>[] : T extends object ? { readonly [K in keyof T]: Read<T[K]> } : T;
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** What a document or line says, without its envelope. */
export type BodyOf<S extends v.GenericSchema> = Read<Without<v.InferInput<S>, keyof Envelope>>;

/** One line of JSON. */
export const sayJson = <S extends v.GenericSchema>({ command, version }: JsonOf<S>, body: BodyOf<S>): void => {
  process.stdout.write(`${JSON.stringify(envelope(command, version, body as object))}\n`);
};
