/**
 * Thread dispatcher: actors on worker threads that piscina owns, one long-running host task a thread.
 *
 *   tell ─▶ ring of the actor's thread ─▶ host (turn) ─▶ ring back ─▶ desk          spawn, close: comlink over a port
 *
 * A mailbox is the actor's share of its thread's ring: messages sent and not yet begun. Above its capacity, or with the whole ring
 * full, a tell throws EmulatorBug that names actor and capacity (system.ts). A thread that dies fails its actors and their asks with
 * ActorFailed; `revive` starts a fresh thread and makes its actors anew. Not here: the worker's side (host.ts).
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { HostTrace } from '../../trace/host-trace.js';
import { EmulatorBug, InvalidConfig } from '../../util/errors.js';
import { Desk, closeFailed, mailboxFull, systemClosed, threadDied, type Entry } from '../desk.js';
import { WORD_ACTOR, WORD_CORRELATION, type FlatMessage } from '../protocol-codec.js';
import type { BehaviorModule } from '../registry.js';
import type { ActorSpec, ActorSystem, Ref, SystemOptions } from '../system.js';
import { actorsPerThreadMax, HostHandle } from './host-handle.js';

const ringCapacityDefault = 4096;
const hostFile = fileURLToPath(new URL('../../../workers/host.js', import.meta.url));

class ThreadSystem {
  readonly threads: number;
  readonly #options: SystemOptions<BehaviorModule>;
  readonly #desk: Desk;
  readonly #pool: Piscina;
  readonly #hosts: (HostHandle | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #reviving = new Map<number, Promise<void>>();
  readonly #abort = (): void => void this.#stop(false, this.#options.signal?.reason);
  #stopped: Promise<void> | undefined;

  constructor(options: SystemOptions<BehaviorModule>) {
    options.signal?.throwIfAborted();
    this.threads = options.threads;
    this.#options = options;
    this.#desk = new Desk(options.devices, options.threads, options.hostTrace === true);
    this.#pool = new Piscina({
      filename: hostFile,
      name: 'hostThread',
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
    });
    // A worker that fails without a task: told like any other failure, to whoever listens.
    this.#pool.on('error', (error: unknown) => this.#desk.escalate({ thread: -1, error: threadDied(-1, error) }));
    options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  async start(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.threads }, (_, thread) => this.#startHost(thread)));
    } catch (error) {
      await this.#stop(false, error);
      throw error;
    }
  }

  spawn(spec: ActorSpec<string, unknown>): Ref<FlatMessage, FlatMessage> {
    const entry = this.#desk.register(spec);
    if (entry.slot >= actorsPerThreadMax) throw new InvalidConfig({ what: `too many actors on thread ${spec.thread}`, limit: actorsPerThreadMax });
    const host = this.#hosts[spec.thread];
    if (host === undefined) entry.down = threadDied(spec.thread);
    else this.#spawnOn(host, entry);
    return this.#desk.refOf(entry, this.#post);
  }

  onFailure(listener: Parameters<Desk['onFailure']>[0]): () => void {
    return this.#desk.onFailure(listener);
  }

  hostTrace(): HostTrace | null {
    return this.#desk.hostTrace('thread');
  }

  async kill(thread: number): Promise<void> {
    this.#desk.checkThread(thread);
    await this.#hosts[thread]?.kill();
  }

  async revive(thread: number): Promise<void> {
    this.#desk.checkThread(thread);
    const revival = this.#reviving.get(thread) ?? this.#reviveOnce(thread).finally(() => this.#reviving.delete(thread));
    this.#reviving.set(thread, revival);
    await revival;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop(true, undefined);
    this.#desk.forget();
  }

  readonly #post = (entry: Entry, correlation: number, message: FlatMessage): void => {
    const host = this.#hosts[entry.spec.thread];
    if (host === undefined) throw threadDied(entry.spec.thread);
    const { inbox, sent, taken } = host;
    const { slot } = entry;
    const next = ((sent[slot] ?? 0) + 1) | 0;
    if (((next - (taken[slot] ?? 0)) | 0) > entry.mailboxCapacity && ((next - Atomics.load(taken, slot)) | 0) > entry.mailboxCapacity) throw mailboxFull(entry);
    const at = inbox.reserve();
    if (at < 0) {
      inbox.publish();
      throw new EmulatorBug({ what: `ring of thread ${entry.spec.thread} is full for actor '${entry.spec.name}'`, limit: inbox.capacity, hint: 'the credits of the streams above exceed ringCapacity' });
    }
    entry.kind.command.encode(message, inbox.words, at);
    inbox.words[at + WORD_ACTOR] = entry.actor;
    inbox.words[at + WORD_CORRELATION] = correlation;
    inbox.commit();
    sent[slot] = next;
    host.flushSoon();
  };

  async #reviveOnce(thread: number): Promise<void> {
    if (this.#desk.closed !== undefined) throw this.#desk.closed;
    const host = this.#hosts[thread];
    if (host !== undefined) {
      host.replaced = true;
      await host.kill();
    }
    if (this.#desk.closed !== undefined) throw this.#desk.closed;
    this.#generations[thread] = (this.#generations[thread] ?? 0) + 1;
    await this.#startHost(thread);
  }

  async #startHost(thread: number): Promise<void> {
    const { devicesUrl, faults, ringCapacity = ringCapacityDefault } = this.#options;
    const generation = this.#generations[thread] ?? 0;
    const host = new HostHandle({
      pool: this.#pool,
      devicesUrl,
      thread,
      threads: this.threads,
      spin: this.threads < availableParallelism(),
      ringCapacity,
      turns: this.#desk.turnRings[thread],
      fault: faults?.find((f) => f.thread === thread && (f.generation ?? 0) === generation),
      deliver: (words, at) => this.#desk.deliver(words, at),
      onGone: (cause) => {
        this.#hosts[thread] = undefined;
        if (this.#desk.closed === undefined) this.#desk.failThread(thread, threadDied(thread, cause), !host.replaced);
      },
    });
    this.#hosts[thread] = host;
    for (const entry of this.#desk.reviveThread(thread)) this.#spawnOn(host, entry);
    await host.ready();
  }

  #spawnOn(host: HostHandle, entry: Entry): void {
    const { name, kind, props } = entry.spec;
    // Props that cannot be cloned: the thread would wait for this actor for ever.
    host.control.spawn({ actor: entry.actor, name, kind, props }, entry.slot).catch((error: unknown) => host.kill(error));
    host.wake();
  }

  #stop(orderly: boolean, cause: unknown): Promise<void> {
    this.#stopped ??= this.#stopOnce(orderly, cause);
    return this.#stopped;
  }

  async #stopOnce(orderly: boolean, cause: unknown): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#desk.close(systemClosed(cause));
    const ends = await Promise.all(this.#hosts.map((host) => (orderly ? host?.close() : host?.kill(cause))));
    await this.#pool.destroy();
    this.#pool.removeAllListeners();
    const failed = ends.findIndex((end) => end !== undefined);
    if (orderly && failed >= 0) throw closeFailed(failed, ends[failed]);
  }
}

/** Starts an actor system on `threads` worker threads; settles when all of them have loaded the devices module. */
export const startThreadSystem = async <D extends BehaviorModule>(options: SystemOptions<D>): Promise<ActorSystem<D>> => {
  const system = new ThreadSystem(options);
  await system.start();
  return system as unknown as ActorSystem<D>;
};
