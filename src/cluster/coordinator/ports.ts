/**
 * Ports: the coordinator's view of every actor, with each ask accounted for until it settles.
 *
 * After a fault the coordinator waits here until no actor is still at work for the old attempt. Not here: what is asked (down.ts, up.ts).
 */
import type { FlatMessage } from '../../actor/protocol-codec.js';
import type { Ref } from '../../actor/system.js';
import type { FlashCommand, FlashReply } from '../flash/protocol.js';
import type { InputCommand, InputReply } from '../input/protocol.js';
import type { MemoryXCommand, MemoryXReply } from '../memoryx/protocol.js';
import type { SwarmXCommand, SwarmXReply } from '../swarmx/protocol.js';
import type { TileCommand, TileReply } from '../tile/protocol.js';
import type { WaferCommand, WaferReply } from '../wafer/protocol.js';
import { assert } from '../../util/errors.js';

/** A lane of flash: its number among those of its shard, and whether any run of a piece is its own. */
export interface FlashLane {
  readonly ref: Ref<FlashCommand, FlashReply>;
  readonly lane: number;
  readonly has: (piece: number) => boolean;
}

/** Refs by number; inputs by the band's id. */
export interface Ports {
  /** One a thread that has bands. */
  readonly hosts: readonly { readonly thread: number; readonly ref: Ref<TileCommand, TileReply> }[];
  readonly inputs: readonly Ref<InputCommand, InputReply>[];
  /** One a thread, for the wafers whose first band is there. */
  readonly wafers: readonly { readonly wafers: readonly number[]; readonly ref: Ref<WaferCommand, WaferReply> }[];
  readonly nodes: readonly Ref<SwarmXCommand, SwarmXReply>[];
  readonly units: readonly Ref<MemoryXCommand, MemoryXReply>[];
  /** Lanes of flash; none where all of MemoryX is in DRAM. */
  readonly lanes: readonly FlashLane[];
}

/** The ref with that number. */
export const pick = <R>(refs: readonly R[], number: number): R => {
  const ref = refs[number];
  assert(ref !== undefined, `actor ${number} of ${refs.length} exists`);
  return ref;
};

/** Which MemoryX unit serves a block: neighbours on different units. */
export const unitOf = (streamed: number, block: number, units: number): number => (streamed * 7 + block) % units;

/** Asks that have not settled. */
export class Ledger {
  readonly #open = new Set<Promise<unknown>>();

  /** Asks, and remembers until the answer is there. */
  ask<C extends FlatMessage, R extends FlatMessage>(ref: Ref<C, R>, message: C): Promise<R> {
    const answer = ref.ask(message);
    this.#open.add(answer);
    const forget = (): void => void this.#open.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  /** Settles when nothing is under way, whatever came of it. */
  async quiet(): Promise<void> {
    while (this.#open.size > 0) await Promise.allSettled(this.#open);
  }
}
