/**
 * Local dispatcher: all actors in the calling thread, one turn at a time, in an order that can be replayed.
 *
 *   tell ─▶ mailbox (records) ─Ready.take─▶ turn ─▶ outbox ─▶ desk
 *
 * A turn a microtask, so that the promises that a reply settles go on before the next turn; after a run of turns the event loop
 * is served once. "Threads" are groups of actors that die together, so that laws about faults run here too.
 * A mailbox above its capacity throws EmulatorBug (system.ts). Props are not cloned here. Not here: worker threads (thread/).
 */
import { TurnLog, type HostTrace } from '../../trace/host-trace.js';
import { EmulatorBug, type ActorFailed } from '../../util/errors.js';
import { Desk, closeFailed, mailboxFull, systemClosed, threadDied, type Entry } from '../desk.js';
import { RECORD_WORDS, WORD_ACTOR, WORD_CORRELATION, type FlatMessage } from '../protocol-codec.js';
import type { BehaviorModule } from '../registry.js';
import type { ActorSpec, ActorSystem, Ref, SystemOptions } from '../system.js';
import { DEATH, TurnTable, type Outbox } from '../turns.js';
import { RecordQueue } from './record-queue.js';
import { Ready } from './schedule.js';

const turnsBetweenYields = 128;
const repliesPerTurnMax = 1 << 16;

interface LocalThread {
  table: TurnTable | undefined;
  generation: number;
  reviving: Promise<void> | undefined;
}

class LocalSystem {
  readonly threads: number;
  readonly #desk: Desk;
  readonly #options: SystemOptions<BehaviorModule>;
  readonly #groups: LocalThread[];
  readonly #mailboxes: RecordQueue[] = [];
  readonly #ready: Ready;
  readonly #replies = new RecordQueue(repliesPerTurnMax);
  readonly #outbox: Outbox;
  readonly #record = new Int32Array(RECORD_WORDS);
  readonly #abort = (): void => this.#stop(this.#options.signal?.reason);
  #turnsLeft = turnsBetweenYields;
  #running = false;
  #immediate: NodeJS.Immediate | undefined;

  constructor(options: SystemOptions<BehaviorModule>) {
    options.signal?.throwIfAborted();
    this.threads = options.threads;
    this.#options = options;
    this.#desk = new Desk(options.devices, options.threads, options.hostTrace === true);
    this.#ready = new Ready(options.pick);
    const replies = this.#replies;
    this.#outbox = {
      get words() {
        return replies.words;
      },
      reserve: () => {
        const at = replies.reserve();
        if (at < 0) throw new EmulatorBug({ what: 'a turn gave too many replies', limit: repliesPerTurnMax });
        return at;
      },
      commit: () => replies.commit(),
    };
    this.#groups = Array.from({ length: options.threads }, (_, thread) => ({ table: this.#tableOf(thread, 0), generation: 0, reviving: undefined }));
    options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  spawn(spec: ActorSpec<string, unknown>): Ref<FlatMessage, FlatMessage> {
    const entry = this.#desk.register(spec);
    this.#mailboxes.push(new RecordQueue(entry.mailboxCapacity));
    const table = this.#groups[spec.thread]?.table;
    if (table === undefined) entry.down = threadDied(spec.thread);
    else this.#spawnIn(table, entry);
    return this.#desk.refOf(entry, this.#post);
  }

  onFailure(listener: Parameters<Desk['onFailure']>[0]): () => void {
    return this.#desk.onFailure(listener);
  }

  hostTrace(): HostTrace | null {
    return this.#desk.hostTrace('local');
  }

  async kill(thread: number): Promise<void> {
    this.#desk.checkThread(thread);
    this.#die(thread, 'killed');
  }

  async revive(thread: number): Promise<void> {
    this.#desk.checkThread(thread);
    const group = this.#groups[thread];
    if (group === undefined) return;
    group.reviving ??= this.#reviveOnce(thread, group).finally(() => (group.reviving = undefined));
    await group.reviving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: ActorFailed[] = [];
    if (this.#desk.closed === undefined) this.#groups.forEach((group, thread) => {
      try {
        group.table?.close();
      } catch (error) {
        errors.push(closeFailed(thread, error));
      }
    });
    this.#stop(undefined);
    this.#desk.forget();
    if (errors[0] !== undefined) throw errors[0];
  }

  async #reviveOnce(thread: number, group: LocalThread): Promise<void> {
    if (this.#desk.closed !== undefined) throw this.#desk.closed;
    this.#die(thread, 'revived', false);
    group.generation++;
    group.table = this.#tableOf(thread, group.generation);
    for (const entry of this.#desk.reviveThread(thread)) this.#spawnIn(group.table, entry);
  }

  readonly #post = (entry: Entry, correlation: number, message: FlatMessage): void => {
    const mailbox = this.#mailboxes[entry.actor];
    const at = mailbox?.reserve() ?? -1;
    if (mailbox === undefined || at < 0) throw mailboxFull(entry);
    entry.kind.command.encode(message, mailbox.words, at);
    mailbox.words[at + WORD_ACTOR] = entry.actor;
    mailbox.words[at + WORD_CORRELATION] = correlation;
    mailbox.commit();
    if (mailbox.size === 1) this.#ready.add(entry.actor);
    this.#schedule();
  };

  #tableOf(thread: number, generation: number): TurnTable {
    const fault = this.#options.faults?.find((f) => f.thread === thread && (f.generation ?? 0) === generation);
    const ring = this.#desk.turnRings[thread];
    return new TurnTable(this.#options.devices, { thread, threads: this.threads }, this.#outbox, fault, () => {
      throw DEATH;
    }, ring === undefined ? undefined : new TurnLog(ring));
  }

  #spawnIn(table: TurnTable, entry: Entry): void {
    const { name, kind, props } = entry.spec;
    table.spawn({ actor: entry.actor, name, kind, props });
    if (this.#replies.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    if (this.#turnsLeft > 0) queueMicrotask(this.#run);
    else this.#yield();
  }

  #yield(): void {
    this.#immediate = setImmediate(() => {
      this.#turnsLeft = turnsBetweenYields;
      void this.#run();
    });
  }

  readonly #run = async (): Promise<void> => {
    while (this.#replies.size > 0 || this.#ready.size > 0) {
      this.#deliver();
      if (this.#turnsLeft-- <= 0) {
        this.#yield();
        return;
      }
      if (this.#ready.size > 0) this.#turn(this.#ready.take());
      this.#deliver();
      await undefined;
    }
    this.#running = false;
  };

  #turn(actor: number): void {
    const mailbox = this.#mailboxes[actor];
    const entry = this.#desk.entries[actor];
    if (mailbox === undefined || entry === undefined || mailbox.size === 0) return;
    const record = this.#record;
    const at = mailbox.peek();
    for (let i = 0; i < RECORD_WORDS; i++) record[i] = mailbox.words[at + i] ?? 0;
    mailbox.drop();
    if (mailbox.size > 0) this.#ready.add(actor);
    try {
      this.#groups[entry.spec.thread]?.table?.turn(record, 0);
    } catch (error) {
      this.#replies.clear();
      this.#die(entry.spec.thread, error === DEATH ? 'planned death' : error);
    }
  }

  #deliver(): void {
    const replies = this.#replies;
    while (replies.size > 0) {
      const record = this.#record;
      const at = replies.peek();
      for (let i = 0; i < RECORD_WORDS; i++) record[i] = replies.words[at + i] ?? 0;
      replies.drop();
      this.#desk.deliver(record, 0);
    }
  }

  #die(thread: number, cause: unknown, notice = true): void {
    const group = this.#groups[thread];
    if (group?.table === undefined) return;
    group.table = undefined;
    for (const entry of this.#desk.entries) if (entry.spec.thread === thread) this.#mailboxes[entry.actor]?.clear();
    this.#ready.remove((actor) => this.#desk.entries[actor]?.spec.thread === thread);
    this.#desk.failThread(thread, threadDied(thread, cause), notice);
  }

  #stop(cause: unknown): void {
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#desk.close(systemClosed(cause));
    clearImmediate(this.#immediate);
    for (const mailbox of this.#mailboxes) mailbox.clear();
    this.#ready.remove(() => true);
    this.#replies.clear();
    for (const group of this.#groups) group.table = undefined;
  }
}

/** Starts an actor system whose actors take their turns in the calling thread. */
export const startLocalSystem = async <D extends BehaviorModule>(options: SystemOptions<D>): Promise<ActorSystem<D>> =>
  new LocalSystem(options) as unknown as ActorSystem<D>;
