/**
 * Host: the long-running task of one worker thread. It takes turns until it is told to close.
 *
 *   inbox ring ─▶ turn ─▶ outbox ring         between turns: drain, publish; every 5 ms: the event loop, for the control port
 *
 * An idle host spins briefly where a core is free, then parks in Atomics.wait for at most 5 ms. A full outbox parks it until the
 * main side has read: the main side never waits for a host, so nothing can wedge.
 * Not here: the turn itself (../turns.ts), the other end (dispatcher.ts).
 */
import { threadId } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { TurnLog } from '../../trace/host-trace.js';
import { nowMs } from '../../util/clock.js';
import { WORD_ACTOR } from '../protocol-codec.js';
import type { DevicesModule } from '../registry.js';
import { TurnTable, type Outbox } from '../turns.js';
import type { HostControl, HostTask } from './control.js';
import { RingReader, RingWriter } from './ring.js';

const yieldEveryMs = 5;
const spinMs = 0.05;
/** While turns follow each other, the main side is woken at least this often. */
const bellEveryMs = 20;

const eventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const outboxOf = (ring: RingWriter): Outbox => ({
  words: ring.words,
  reserve: () => {
    for (;;) {
      const at = ring.reserve();
      if (at >= 0) return at;
      ring.publish();
      ring.waitForRoom(yieldEveryMs);
    }
  },
  commit: () => ring.commit(),
});

/** Runs the actors of one thread; settles when the main side closes it. */
export const hostThread = async (task: HostTask): Promise<void> => {
  const { devices } = (await import(task.devicesUrl)) as DevicesModule;
  const inbox = new RingReader(task.inbox);
  const replies = new RingWriter(task.outbox);
  const taken = new Int32Array(task.taken);
  const slots: number[] = [];
  const env = { thread: task.thread, threads: task.threads };
  const table = new TurnTable(devices, env, outboxOf(replies), task.fault, () => process.exit(1), task.turns === undefined ? undefined : new TurnLog(task.turns));
  const life = { closing: false };

  const control: HostControl = {
    ready: () => threadId,
    spawn: (data, slot) => {
      slots[data.actor] = slot;
      table.spawn(data);
      replies.publish();
    },
    close: () => {
      life.closing = true;
    },
  };
  expose(control, nodeEndpoint(task.port));

  let bellAt = 0;
  /** Takes turns until the inbox is empty or `untilMs` has come. */
  const takeTurns = async (untilMs: number): Promise<void> => {
    while (inbox.available() > 0) {
      const at = inbox.at();
      const actor = inbox.words[at + WORD_ACTOR] ?? -1;
      // Its spawn was posted before this message: it is on its way through the port.
      while (!table.knows(actor) && !life.closing) {
        replies.publish();
        await eventLoop();
      }
      if (life.closing) return;
      const slot = slots[actor] ?? 0;
      taken[slot] = ((taken[slot] ?? 0) + 1) | 0;
      table.turn(inbox.words, at);
      inbox.advance();
      inbox.release();
      // Waking a sleeping main side costs more than many a turn, and it looks by itself while much goes on: it is woken when this
      // thread has nothing left to do, or has not woken it for long.
      const now = nowMs();
      if (inbox.available() > 0 && now < bellAt) replies.publishQuietly();
      else {
        replies.publish();
        bellAt = now + bellEveryMs;
      }
      if (now >= untilMs) return;
    }
  };
  const idle = (): void => {
    const until = nowMs() + spinMs;
    while (task.spin && nowMs() < until) if (inbox.available() > 0) return;
    inbox.sleep(yieldEveryMs);
  };

  try {
    while (!life.closing) {
      const until = nowMs() + yieldEveryMs;
      for (;;) {
        await takeTurns(until);
        if (nowMs() >= until) break;
        idle();
        if (inbox.available() === 0) break;
      }
      await eventLoop();
    }
    table.close();
  } finally {
    task.port.close();
  }
};
