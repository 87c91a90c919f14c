/**
 * Services: an object that lives on a worker thread of its own and is called over comlink; the control plane without a data plane.
 *
 *   serve(service) in the worker  ◀─comlink─▶  connect(url) here ─▶ { remote, close }
 *
 * A comlink call hangs for ever when its worker dies, so `call` races every call with the worker's end.
 * Not here: actors and rings (host.ts), what a service does.
 */
import { Worker, parentPort } from 'node:worker_threads';
import { expose, proxy, wrap, type Remote } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { MessagePort } from 'node:worker_threads';
import { ActorFailed, assert } from '../../util/errors.js';
import { failureFromBytes, failureToBytes } from '../failure.js';

/** What a call came to, as data: errors keep their class across threads. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Uint8Array };

/** Runs `work` and tells its outcome as data. */
export const outcome = async <T>(work: () => Promise<T> | T): Promise<Outcome<T>> => {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error: failureToBytes(error) };
  }
};

/** Offers `service` to whoever started this worker. */
export const serve = (service: object): void => {
  assert(parentPort !== null, 'a service runs in a worker thread');
  expose(service, nodeEndpoint(parentPort));
};

/** A function that the other side may call. */
export const callback = <F extends (...args: never[]) => unknown>(f: F): F => proxy(f) as unknown as F;

export interface Connection<Service> {
  readonly remote: Remote<Service>;
  /** The value of a call's outcome; throws its error, or ActorFailed if the worker ended. */
  call<T>(started: Promise<Outcome<T>>): Promise<T>;
  /** Ends the worker. */
  close(): Promise<void>;
}

/** Starts a worker from `url` and connects to the service that it serves. */
export const connect = <Service>(url: URL, name: string): Connection<Service> => {
  const worker = new Worker(url);
  const ended = new Promise<never>((_, reject) => {
    const fail = (cause: unknown): void => reject(new ActorFailed({ what: `the ${name} ended while it was needed` }, { cause }));
    worker.once('error', fail);
    worker.once('exit', fail);
  });
  ended.catch(() => {});
  return {
    remote: wrap<Service>(nodeEndpoint(worker as unknown as MessagePort)),
    async call(started) {
      const result = await Promise.race([started, ended]);
      if (result.ok) return result.value;
      throw failureFromBytes(result.error, name, 0);
    },
    async close() {
      await worker.terminate();
    },
  };
};
