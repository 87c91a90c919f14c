/**
 * Host handle: the main side of one incarnation of a worker thread, from its start to the certainty that it is gone.
 *
 *   start ─▶ piscina task + control port + two rings ─▶ live ─▶ gone (closed, killed, crashed)
 *
 * `gone` settles only after the worker has exited, so that a successor never shares memory with a dying thread, and after the replies
 * that it had published are delivered. Not here: what a death means for actors (dispatcher.ts, ../desk.ts).
 */
import { MessageChannel } from 'node:worker_threads';
import { wrap, type Remote } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Piscina } from 'piscina';
import { nowMs } from '../../util/clock.js';
import { ActorFailed } from '../../util/errors.js';
import type { ThreadFault } from '../turns.js';
import type { HostControl, HostTask } from './control.js';
import { makeRing, ringBell, RingReader, RingWriter } from './ring.js';

export interface HostOptions {
  readonly pool: Piscina;
  readonly devicesUrl: string;
  readonly thread: number;
  readonly threads: number;
  readonly spin: boolean;
  readonly ringCapacity: number;
  readonly turns: SharedArrayBuffer | undefined;
  readonly fault: ThreadFault | undefined;
  readonly deliver: (words: Int32Array, at: number) => void;
  /** Called when the worker is gone and before `gone` settles. */
  readonly onGone: (cause: unknown) => void;
}

export const actorsPerThreadMax = 4096;
const startLimitMs = 60_000;
const closeLimitMs = 2_000;
const recordsPerDrainMax = 256;
/** While messages go to and fro, this side looks for replies this often instead of being woken for each; and for so long after the last one. */
const lookEveryMs = 1;
const busyMs = 100;
/** A long run of tells is published in between, so that the worker can begin. */
const stagedMax = 64;

const eventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** `promise`, or undefined after `ms`; leaves no timer. */
const within = async <T>(ms: number, promise: Promise<T>): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
};

export class HostHandle {
  readonly inbox: RingWriter;
  /** Turns begun, by slot: written by the worker before it publishes. */
  readonly taken = new Int32Array(new SharedArrayBuffer(actorsPerThreadMax * 4));
  /** Messages sent, by slot. */
  readonly sent = new Int32Array(actorsPerThreadMax);
  readonly control: Remote<HostControl>;
  /** Settles when the worker is gone, with the error of its task if it did not end by itself. */
  readonly gone: Promise<unknown>;
  /** Ended on purpose, to make room for its successor: no notice. */
  replaced = false;
  readonly #outbox: RingReader;
  readonly #abort = new AbortController();
  readonly #options: HostOptions;
  readonly #started: Promise<void>;
  #worker: { terminate(): Promise<number> } | undefined;
  #killCause: unknown;
  #live = true;
  #flushing = false;
  #busyUntil = 0;

  constructor(options: HostOptions) {
    this.#options = options;
    const { pool, devicesUrl, thread, threads, spin, ringCapacity, turns, fault } = options;
    const [inbox, outbox] = [makeRing(ringCapacity), makeRing(ringCapacity)];
    this.inbox = new RingWriter(inbox);
    this.#outbox = new RingReader(outbox);
    const { port1, port2 } = new MessageChannel();
    this.control = wrap<HostControl>(nodeEndpoint(port1));
    const task: HostTask = { port: port2, devicesUrl, inbox, outbox, taken: this.taken.buffer as SharedArrayBuffer, thread, threads, spin, turns, fault };
    const run = pool.run(task, { name: 'hostThread', transferList: [port2], signal: this.#abort.signal });
    this.gone = this.#watch(run as Promise<void>).finally(() => port1.close());
    this.#started = this.control.ready().then((threadId) => {
      this.#worker = pool.threads.find((worker) => worker.threadId === threadId);
    });
    this.#pump().catch((error: unknown) => this.kill(error));
  }

  /** Settles when the worker has loaded its devices; throws ActorFailed if it cannot. */
  async ready(): Promise<void> {
    const dead = this.gone.then((cause) => {
      throw new ActorFailed({ what: `thread ${this.#options.thread} did not start: ${cause instanceof Error ? cause.message : String(cause)}` }, { cause });
    });
    const started = await within(startLimitMs, Promise.race([this.#started.then(() => true), dead]));
    if (started === undefined) throw new ActorFailed({ what: `thread ${this.#options.thread} did not start in time`, limit: `${startLimitMs} ms` });
  }

  /** Publishes what is committed, at the end of this microtask round or at once if it is much. */
  flushSoon(): void {
    this.#busyUntil = nowMs() + busyMs;
    if (this.inbox.staged >= stagedMax) this.inbox.publish();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.inbox.publish();
    });
  }

  /** Wakes a parked worker, so that it serves its control port. */
  wake(): void {
    ringBell(this.inbox.words);
  }

  /** Ends the worker abruptly, once it is known which it is. */
  async kill(cause?: unknown): Promise<void> {
    this.#killCause ??= cause;
    await within(closeLimitMs, Promise.race([this.#started, this.gone]));
    this.#abort.abort();
    await this.gone;
  }

  /** Ends the worker in an orderly way, or abruptly if that takes too long. Settles with the error of an actor's close, if any. */
  async close(): Promise<unknown> {
    void this.control.close();
    this.wake();
    const closed = await within(closeLimitMs, this.gone.then((cause) => ({ cause })));
    if (closed === undefined) await this.kill();
    return closed?.cause;
  }

  async #watch(run: Promise<void>): Promise<unknown> {
    let cause: unknown;
    try {
      await run;
    } catch (error) {
      cause = this.#killCause ?? error;
      await this.#worker?.terminate();
    }
    while (this.#drain(recordsPerDrainMax) > 0) await eventLoop();
    this.#live = false;
    ringBell(this.#outbox.words);
    this.#options.onGone(cause);
    return cause;
  }

  async #pump(): Promise<void> {
    let left = recordsPerDrainMax;
    /** Settles when the worker rings; it stays armed while this side looks by itself. */
    let bell: Promise<unknown> | undefined;
    const disarm = (): void => void (bell = undefined);
    while (this.#live) {
      const read = this.#drain(left);
      left -= read;
      if (read > 0) this.#busyUntil = nowMs() + busyMs;
      if (left === 0) {
        // The event loop after every `recordsPerDrainMax` records.
        await eventLoop();
        left = recordsPerDrainMax;
        continue;
      }
      if (bell === undefined) {
        bell = this.#outbox.sleepAsync()?.then(disarm);
        // Without a bell there is more to read: promises go on first.
        if (bell === undefined) {
          await undefined;
          continue;
        }
      }
      await (nowMs() < this.#busyUntil ? within(lookEveryMs, bell) : bell);
      left = recordsPerDrainMax;
    }
  }

  /** Delivers at most `max` records; how many. */
  #drain(max: number): number {
    const outbox = this.#outbox;
    let count = 0;
    while (count < max && outbox.available() > 0) {
      this.#options.deliver(outbox.words, outbox.at());
      outbox.advance();
      count++;
    }
    outbox.release();
    outbox.notifyRoom();
    return count;
  }
}
