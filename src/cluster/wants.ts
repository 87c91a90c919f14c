/**
 * Wants: what of MemoryX's state each part of a step needs in DRAM, in the order in which the program comes to it. It is known for all time, so nothing has to be guessed.
 *
 *   forward, delta: weights · gradient: what is collected · update: weights, next weights, moments, gradient
 *
 * An update stands behind the delta pass of its layer, or behind the whole step where it waits for a verdict. Not here: who gets a room (rooms.ts), executing it
 * (coordinator/residence.ts).
 */
import type { PassStep, Program } from '../compiler/program.js';
import { assert } from '../util/errors.js';
import type { ClusterLayout, StateGroup, TierPlan } from './layout.js';
import { sparseGradientOf, updateAt } from './masks.js';

/** One part of a step, from `enter` to `leave`. */
export interface TierEvent {
  readonly key: string;
  /** Its kind, by the letter that its key begins with. */
  readonly kind: 'fill' | 'read' | 'collect' | 'scatter' | 'verdict' | 'update' | 'mask' | 'archive';
  readonly step: number;
  /** Objects, by number. */
  readonly wants: readonly number[];
  /** Groups that it is about. */
  readonly groups: readonly number[];
  /** Objects among `wants` whose contents it replaces. */
  readonly fresh: readonly number[];
  /** Gradients of its groups are of no more use behind it. */
  readonly isLast: boolean;
}

/** What is done one after the other: fill a group with its first values, a step, an evaluation batch; or archive version `step` alone. */
export type Segment =
  | { readonly kind: 'fill'; readonly step: number }
  | { readonly kind: 'train'; readonly step: number; readonly archive: boolean }
  | { readonly kind: 'evaluate'; readonly step: number }
  | { readonly kind: 'archive'; readonly step: number };

export const keys = {
  fill: (group: number): string => `f/${group}`,
  read: (step: number, microBatch: number, pass: number): string => `r/${step}/${microBatch}/${pass}`,
  collect: (step: number, microBatch: number, streamed: number): string => `c/${step}/${microBatch}/${streamed}`,
  scatter: (step: number): string => `s/${step}`,
  verdict: (step: number, group: number): string => `v/${step}/${group}`,
  update: (step: number, group: number): string => `u/${step}/${group}`,
  mask: (step: number, group: number): string => `m/${step}/${group}`,
  archive: (step: number, group: number): string => `a/${step}/${group}`,
};

export interface WantsOptions {
  readonly layout: Pick<ClusterLayout, 'program' | 'memoryX'> & { readonly tiers: TierPlan };
  readonly microBatches: number;
  /** Updates wait for the verdict of the whole step. */
  readonly verdict: boolean;
}

/** Passes that read weights from MemoryX. */
const readers: ReadonlySet<PassStep['op']> = new Set(['gather', 'forward', 'delta', 'headMax', 'headSum', 'headDelta', 'gradient']);

const unique = <T>(values: Iterable<T>): T[] => [...new Set(values)];

export const wantsOf = ({ layout, microBatches, verdict }: WantsOptions): ((segment: Segment) => readonly TierEvent[]) => {
  const { program, tiers, memoryX } = layout;
  const groupAt = (number: number): StateGroup => {
    const group = tiers.groups[number];
    assert(group !== undefined, `group ${number} exists`);
    return group;
  };
  const all = tiers.groups.map((_, g) => g);
  const groupsOf = (parameters: readonly (number | null)[]): number[] => unique(parameters.flatMap((parameter) => (parameter === null ? [] : [tiers.groupOf[parameter] as number])));
  const read = (group: number, version: number): number[] => {
    const { weights, stored } = groupAt(group);
    return weights === null ? [stored as number] : [weights[version % 2 === 0 ? 0 : 1]];
  };
  const state = (group: number, version: number): number[] => {
    const { moments } = groupAt(group);
    return [...read(group, version), ...(moments === null ? [] : [moments])];
  };
  const tables = memoryX.embeddings.map(({ parameter }) => parameter);
  const streamedOf = (pass: PassStep): Program['streamed'][number] | null => ('streamed' in pass ? (program.streamed[pass.streamed] ?? null) : null);
  /** Groups whose parameters a pass reads. */
  const readBy = (pass: PassStep, step: number): number[] => {
    if (pass.op === 'gather') return groupsOf(tables);
    const plan = streamedOf(pass);
    if (plan === null || !readers.has(pass.op) || (pass.op === 'gradient' && sparseGradientOf(layout, plan, step) === null)) return [];
    return groupsOf([plan.weight, plan.bias]);
  };
  /** A gradient; and the structure of a sparse one, which says where it goes. */
  const withStored = (group: number): number[] => {
    const { gradient, stored } = groupAt(group);
    return [gradient, ...(stored === null ? [] : [stored])];
  };
  const event = (kind: TierEvent['kind'], key: string, step: number, groups: readonly number[], wants: readonly number[], fresh: readonly number[] = [], isLast = false): TierEvent => ({ kind, key, step, groups, wants: unique(wants), fresh, isLast });
  /** Whether a mask of the group changes behind a step. */
  const isDue = (group: number, step: number): boolean => groupAt(group).parameters.some((parameter) => {
    const plan = memoryX.parameters[parameter]?.sparse?.plan;
    return plan !== undefined && updateAt(plan, step + 1) !== null;
  });
  const update = (step: number, group: number): TierEvent => {
    const { weights, gradient } = groupAt(group), next = weights === null ? [] : read(group, step + 1);
    return event('update', keys.update(step, group), step, [group], [...state(group, step), ...next, gradient], next, !isDue(group, step));
  };
  const archive = (step: number, group: number): TierEvent => event('archive', keys.archive(step, group), step, [group], state(group, step));
  /** Groups in the order in which a forward pass reads them; then those that none reads. */
  const byForward = unique([...program.passes.flatMap((pass) => (pass.backward ? [] : readBy(pass, 0))), ...all]);

  const train = (step: number, archived: boolean): TierEvent[] => {
    const events: TierEvent[] = [], ripe: number[] = [];
    /** Parameters of a group whose gradient is not whole yet. */
    const lacking = new Map(all.map((g) => [g, groupAt(g).parameters.length + groupAt(g).parameters.filter((p) => memoryX.parameters[p]?.tableRoot !== null).length]));
    const whole = (parameters: readonly (number | null)[]): void => {
      for (const parameter of parameters) {
        if (parameter === null) continue;
        const group = tiers.groupOf[parameter] as number, left = (lacking.get(group) ?? 0) - 1;
        lacking.set(group, left);
        if (left === 0) ripe.push(group);
      }
    };
    const settle = (): void => {
      for (const group of ripe) {
        events.push(verdict ? event('verdict', keys.verdict(step, group), step, [group], withStored(group)) : update(step, group));
      }
      ripe.length = 0;
    };
    const archivedSoFar = new Set<number>();
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      for (const [number, pass] of program.passes.entries()) {
        const groups = readBy(pass, step), plan = streamedOf(pass), isLast = microBatch === microBatches - 1;
        // A version is archived while the forward pass reads it: its update is still to come.
        for (const group of archived && !pass.backward ? groups : []) {
          if (!archivedSoFar.has(group)) events.push(archive(step, group));
          archivedSoFar.add(group);
        }
        if (groups.length > 0) events.push(event('read', keys.read(step, microBatch, number), step, groups, groups.flatMap((group) => read(group, step))));
        if (plan !== null && 'streamed' in pass && (pass.op === 'gradient' || pass.op === 'headDelta')) {
          const collected = groupsOf([plan.weight, plan.bias]);
          events.push(event('collect', keys.collect(step, microBatch, pass.streamed), step, collected, collected.flatMap((group) => withStored(group))));
          settle();
          if (isLast) whole([plan.weight, plan.bias]);
        } else if (pass.op === 'delta') settle();
        if (pass.op === 'scatter' && isLast) {
          const groupsOfTables = groupsOf(tables);
          events.push(event('scatter', keys.scatter(step), step, groupsOfTables, groupsOfTables.map((group) => groupAt(group).gradient)));
          whole(tables);
        }
      }
    }
    settle();
    for (const group of archived ? all : []) if (!archivedSoFar.has(group)) events.unshift(archive(step, group));
    if (verdict) events.push(...byForward.map((group) => update(step, group)));
    const due = all.filter((group) => isDue(group, step));
    events.push(...due.map((group) => event('mask', keys.mask(step, group), step, [group], withStored(group), [], true)));
    return events;
  };

  return (segment) => {
    const { step } = segment;
    switch (segment.kind) {
      case 'fill':
        return all.map((group) => event('fill', keys.fill(group), step, [group], state(group, step), state(group, step)));
      case 'train':
        return train(step, segment.archive);
      case 'archive':
        return all.map((group) => archive(step, group));
      case 'evaluate':
        return Array.from({ length: microBatches }, (_, microBatch) => program.passes.flatMap((pass, number) => {
          const groups = pass.backward ? [] : readBy(pass, step);
          return groups.length === 0 ? [] : [event('read', keys.read(step, microBatch, number), step, groups, groups.flatMap((group) => read(group, step)))];
        })).flat();
    }
  };
};
