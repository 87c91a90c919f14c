/**
 * The plan under construction: buffers, streamed layers, attentions and passes, and where every layer's output and delta lie.
 *
 * Not here: what each layer adds (forward.ts, backward.ts).
 */
import type { Layer, LayerId, Model } from '../model/graph.js';
import type { NumberType } from '../model/precision.js';
import { assert } from '../util/errors.js';
import { BlockLists } from './blocks.js';
import type { AttentionPlan, LocalStep, Logits, PassStep, Recompute, StreamedPlan } from './program.js';

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type NewPass = Without<PassStep, 'locals'>;
type Open = Without<NewPass, 'leaves' | 'returns'> & { readonly locals: LocalStep[]; leaves?: number; returns?: number };

export class Plans {
  readonly model: Model;
  readonly recompute: Recompute;
  readonly logits: Logits;
  readonly places: number;
  readonly activations: NumberType;
  readonly buffers: { name: string; features: number; scratch: boolean }[] = [];
  readonly streamed: StreamedPlan[] = [];
  readonly attentions: AttentionPlan[] = [];
  readonly passes: Open[] = [];
  /** Buffer of each layer's output, and of the delta of its output. */
  readonly out = new Map<LayerId, number>();
  readonly delta = new Map<LayerId, number>();
  /** Deltas that pass a branch by and wait for it: by the layer that both read. */
  readonly skips = new Map<LayerId, number>();
  /** Number of a layer's plan among `streamed` or `attentions`. */
  readonly planOf = new Map<LayerId, number>();
  /** Layers behind which something is trained. */
  readonly trained = new Set<LayerId>();
  /** ReLUs that work in place: their output is their mask. */
  readonly masks = new Set<LayerId>();
  readonly blocks = new BlockLists();
  /** Buffers whose activations wait off the wafer between two passes. */
  readonly offloaded = new Set<number>();
  readonly #readers = new Map<LayerId, Layer[]>();
  readonly #scratches: number[] = [];
  /** Shared inner buffers of blocks: how many of each width the block at hand has taken. */
  readonly #pool = new Map<number, number[]>();
  #taken = new Map<number, number>();
  #block: number | null = null;

  constructor(model: Model, recompute: Recompute, logits: Logits, places: number, activations: NumberType) {
    this.model = model;
    this.logits = logits;
    this.recompute = recompute;
    this.places = places;
    this.activations = activations;
    for (const layer of model.layers) {
      for (const input of layer.inputs) {
        const known = this.#readers.get(input);
        if (known === undefined) this.#readers.set(input, [layer]);
        else known.push(layer);
      }
    }
  }

  /** How many inputs of layers a layer's output is. */
  readers(layer: LayerId): number {
    return this.#readers.get(layer)?.length ?? 0;
  }

  /** The layers that read a layer's output, once for each input. */
  readersOf(layer: LayerId): readonly Layer[] {
    return this.#readers.get(layer) ?? [];
  }

  /** Whether blocks are computed again in the delta pass. */
  get isReplayed(): boolean {
    return this.recompute === 'block' || this.recompute === 'offload';
  }

  layer(id: LayerId | undefined): Layer {
    const found = id === undefined ? undefined : this.model.layers[id];
    assert(found !== undefined, `layer ${id} is in the model`);
    return found;
  }

  outOf(id: LayerId | undefined): number {
    const buffer = id === undefined ? undefined : this.out.get(id);
    assert(buffer !== undefined, `the output of layer ${id} has a buffer`);
    return buffer;
  }

  deltaOf(id: LayerId): number {
    const buffer = this.delta.get(id);
    assert(buffer !== undefined, `the delta of layer ${id} has a buffer`);
    return buffer;
  }

  /** A buffer of its own. */
  buffer(name: string, features: number): number {
    return this.buffers.push({ name, features, scratch: false }) - 1;
  }

  /** A buffer for what a layer keeps: inside a block that is recomputed, one that all blocks share. */
  inner(layer: Layer, name: string, features: number): number {
    if (!this.isReplayed || layer.block === null) return this.buffer(name, features);
    if (layer.block !== this.#block) {
      this.#block = layer.block;
      this.#taken = new Map();
    }
    const pool = this.#pool.get(features) ?? [], taken = this.#taken.get(features) ?? 0;
    this.#taken.set(features, taken + 1);
    if (taken === pool.length) pool.push(this.buffer(name.replace(/^.*?(\d+)\./, 'every block: '), features));
    this.#pool.set(features, pool);
    return pool[taken] as number;
  }

  /** The buffer that deltas pass through where their own place is still needed; another one where the first is the busy one. */
  scratch(features: number, busy = -1): number {
    let found = this.#scratches.find((buffer) => buffer !== busy);
    if (found === undefined) {
      found = this.buffers.push({ name: this.#scratches.length === 0 ? 'delta' : 'second delta', features: 0, scratch: true }) - 1;
      this.#scratches.push(found);
    }
    const held = this.buffers[found] as { features: number };
    held.features = Math.max(held.features, features);
    return found;
  }

  pass(pass: NewPass): void {
    this.passes.push({ ...pass, locals: [] });
  }

  /** What lies in `buffer` is whole behind the pass under construction, and leaves the wafer until it returns. */
  leave(buffer: number): void {
    const last = this.passes[this.passes.length - 1];
    assert(last !== undefined, 'a pass made what leaves');
    last.leaves = buffer;
    this.offloaded.add(buffer);
  }

  /** A local step behind the pass under construction; behind an attention in a pass of its own, since hosts may share its heads and must all be done. */
  local(step: LocalStep): void {
    const last = this.passes[this.passes.length - 1];
    assert(last !== undefined, 'a local step follows a pass');
    if (last.op === 'attention' || last.op === 'attentionDelta') this.pass({ op: 'locals', backward: last.backward });
    (this.passes[this.passes.length - 1] as Open).locals.push(step);
  }

  /** The layer whose output the loss reads: its logits stay as they are. */
  get logitsLayer(): LayerId | undefined {
    return this.model.layers[this.model.layers.length - 1]?.inputs[0];
  }

  /** The output of a layer, or its delta, is whole and lies in `x`: rounded, where activations are narrow. */
  boundary(layer: LayerId, x: number, direction: 1 | -1): void {
    if (this.activations === 'float32' || (direction === 1 && layer === this.logitsLayer)) return;
    this.local({ op: 'round', layer, x, to: this.activations, direction });
  }
}
