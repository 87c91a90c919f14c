/**
 * Control plane of a host thread: what it is started with, and what the main side may call on it over comlink.
 *
 *   main ─HostTask (piscina)─▶ host        main ◀─HostControl (comlink over a transferred port)─▶ host
 *
 * A comlink call hangs for ever when its worker dies: the caller races every call with the host task's promise.
 * Not here: the data plane (ring.ts).
 */
import type { MessagePort } from 'node:worker_threads';
import type { SpawnData, ThreadFault } from '../turns.js';

export interface HostTask {
  readonly port: MessagePort;
  readonly devicesUrl: string;
  /** Ring main → worker. */
  readonly inbox: SharedArrayBuffer;
  /** Ring worker → main. */
  readonly outbox: SharedArrayBuffer;
  /** Turns begun, one word an actor of this thread: the main side bounds mailboxes with it. */
  readonly taken: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  /** Spin a little before parking: only where a core is free. */
  readonly spin: boolean;
  /** Where the thread notes its turns; undefined: nowhere. */
  readonly turns: SharedArrayBuffer | undefined;
  readonly fault: ThreadFault | undefined;
}

export interface HostControl {
  /** The worker's thread id, once the devices module is loaded. */
  ready(): number;
  spawn(data: SpawnData, slot: number): void;
  /** Ends the host after what is in its inbox by now. */
  close(): void;
}
