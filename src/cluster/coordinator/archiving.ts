/**
 * Archiving: checkpoints of versions while the stream goes on. What a coming update would change is written before it; nothing else waits.
 *
 *   version v acknowledged ─▶ begin ─▶ each group of parameters, in DRAM or brought there ─▶ finish          update of step s on a group: behind its part of every v ≤ s
 *
 * Not here: files (archive/, formats/checkpoint/).
 */
import type { Ref } from '../../actor/system.js';
import { assert } from '../../util/errors.js';
import type { ArchiveCommand, ArchiveReply } from '../archive/protocol.js';
import type { ClusterLayout } from '../layout.js';
import { keys } from '../wants.js';
import { updateGroups } from './attempt.js';
import type { Ledger } from './ports.js';
import type { Visits } from './visits.js';

export interface ArchivePlan {
  readonly ref: Ref<ArchiveCommand, ArchiveReply>;
  /** Every so many steps, and after the last. */
  readonly every: number;
  /** The version that the run begins with. */
  readonly first: number;
  /** Room for a state's text. */
  readonly text: SharedArrayBuffer;
  /** Groups of parameters, by number, in the order in which they are written. */
  readonly groups: readonly { readonly group: number; readonly parameters: readonly number[] }[];
  readonly onFailure: (error: Error) => void;
}

interface UnderWay {
  readonly version: number;
  readonly state: Uint8Array;
  isBegun: boolean;
  /** Groups that are written. */
  readonly written: Set<number>;
  /** Settles when a group is written. */
  readonly parts: Map<number, { readonly promise: Promise<void>; readonly resolve: () => void }>;
}

export class Archiving {
  readonly #plan: ArchivePlan;
  #now: UnderWay | null = null;
  #work: Promise<void> = Promise.resolve();
  /** The version that was begun last, and who waits for one to begin. */
  #last: number;
  readonly #waiting: (() => void)[] = [];
  /** Bytes written, and checkpoints finished. */
  bytes = 0;
  finished = 0;

  constructor(plan: ArchivePlan) {
    this.#plan = plan;
    this.#last = plan.first;
  }

  /** The version that was begun last. */
  get last(): number {
    return this.#last;
  }

  /** Whether a version is one of those that are written. */
  isDue(version: number): boolean {
    return version > this.#plan.first && version % this.#plan.every === 0;
  }

  /** Whether the parts of a version are written while the step that changes it runs. */
  isComing(version: number): boolean {
    return this.#now?.version === version || (this.isDue(version) && version > this.#last);
  }

  /** Begins with a version that was just acknowledged, behind the one under way. */
  async start(version: number, state: Uint8Array, ledger: Ledger, visits: Visits): Promise<void> {
    await this.#work;
    const parts = new Map(this.#plan.groups.map(({ group }) => {
      let resolve = (): void => {};
      const promise = new Promise<void>((done) => (resolve = done));
      return [group, { promise, resolve }] as const;
    }));
    this.#last = version;
    this.#now = { version, state, isBegun: false, written: new Set(), parts };
    this.go(ledger, visits);
    for (const begun of this.#waiting.splice(0)) begun();
  }

  /** Goes on with what is under way: also after a fault, where it was left. */
  go(ledger: Ledger, visits: Visits): void {
    const now = this.#now;
    if (now === null) return;
    this.#work = this.#write(now, ledger, visits);
    this.#work.catch(this.#plan.onFailure);
  }

  /** Settles when the one under way is complete. */
  whole(): Promise<void> {
    return this.#work;
  }

  /** What stands in the way of an update of step `step`. */
  async before(step: number, group: number): Promise<void> {
    while (this.isDue(step) && this.#last < step) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const now = this.#now;
    if (now !== null && step >= now.version) await Promise.race([now.parts.get(group)?.promise, this.#work]);
  }

  async #write(now: UnderWay, ledger: Ledger, visits: Visits): Promise<void> {
    const { ref, groups, text } = this.#plan, { version } = now;
    await ledger.ask(ref, { type: 'archive.begin', version, again: now.isBegun ? 1 : 0 });
    now.isBegun = true;
    for (const { group, parameters } of groups) {
      await visits.during(() => keys.archive(version, group), 1, async () => {
        if (now.written.has(group)) return;
        for (const parameter of parameters) this.bytes += (await ledger.ask(ref, { type: 'archive.write', version, parameter })).bytes;
      });
      now.written.add(group);
      now.parts.get(group)?.resolve();
    }
    const bytes = now.state;
    assert(bytes.length <= text.byteLength, 'there is room for the text of a state');
    new Uint8Array(text).set(bytes);
    await ledger.ask(ref, { type: 'archive.finish', version, textBytes: bytes.length });
    this.finished++;
    this.#now = null;
  }
}

/** Groups in the order in which they are written: where state comes and goes, as the forward pass brings it; else those that are updated first. */
export const archiveOrder = (layout: ClusterLayout): ArchivePlan['groups'] => {
  const groups = updateGroups(layout).parameters.map((parameters, group) => ({ group, parameters })), { program } = layout;
  const reading = program.passes.flatMap((pass) => {
    const plan = 'streamed' in pass && !pass.backward ? program.streamed[pass.streamed] : undefined;
    return plan === undefined ? [] : [plan.weight, ...(plan.bias === null ? [] : [plan.bias])];
  });
  // Tables come first; what no pass streams does too.
  const placeOf = ({ parameters }: { readonly parameters: readonly number[] }): number => Math.min(...parameters.map((parameter) => (layout.memoryX.embeddings.some((table) => table.parameter === parameter) ? -1 : reading.indexOf(parameter))));
  const forward = groups.toSorted((a, b) => placeOf(a) - placeOf(b));
  return layout.tiers === null ? forward.toReversed() : forward;
};
