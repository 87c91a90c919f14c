/**
 * Reads golden values: networks trained by PyTorch (test/golden/make_mlp.py), as this project's models, arrays and optimizers.
 *
 * The batch of every step is the whole data set (`labels.length` samples), so a run over it with that batch size needs no particular order of samples.
 * The data stay in test/golden of the project, wherever the built test lies.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { model } from '../../src/model/build.js';
import type { InputSpec, LayerSpec, Model } from '../../src/model/graph.js';
import { embedding, gelu, linear, relu } from '../../src/model/layers.js';
import { adam, adamW, rmsProp, sgd, type Optimizer } from '../../src/model/optimizer.js';

export interface GoldenRun {
  readonly name: 'adamW' | 'sgd' | 'adam' | 'rmsProp';
  readonly optimizer: Optimizer;
  /** Loss of each of the 20 steps before its update, by PyTorch in float64 and in float32. */
  readonly losses64: readonly number[];
  readonly losses32: readonly number[];
  /** Parameters after the last update, graph order, this project's layout. */
  readonly final64: readonly Float64Array[];
  readonly final32: readonly Float32Array[];
}

export interface Golden {
  readonly model: Model;
  /** First values, exact float32. */
  readonly parameters: readonly Float32Array[];
  readonly inputs: Float32Array | Int32Array;
  readonly labels: Int32Array;
  /** Gradients of the first step by PyTorch in float64. */
  readonly gradients: readonly Float64Array[];
  readonly runs: readonly GoldenRun[];
}

interface GoldenFile {
  readonly model: { readonly input: InputSpec; readonly layers: readonly string[] };
  readonly labels: readonly number[];
  readonly inputs: readonly number[];
  readonly parameters: readonly (readonly number[])[];
  readonly gradients: readonly (readonly number[])[];
  readonly runs: readonly {
    readonly optimizer: { readonly kind: 'adamW' | 'sgd' | 'adam' | 'rmsProp'; readonly learningRate: number; readonly momentum?: number; readonly nesterov?: boolean; readonly weightDecay: number };
    readonly losses64: readonly number[];
    readonly losses32: readonly number[];
    readonly final64: readonly (readonly number[])[];
    readonly final32: readonly (readonly number[])[];
  }[];
}

/** The folder that holds package.json, searched upwards from here. */
export const projectRoot = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no package.json above the tests');
    folder = above;
  }
  return folder;
};

const layer = (text: string): LayerSpec => {
  const [kind, size, option] = text.split(' ');
  switch (kind) {
    case 'embedding':
      return embedding({ dim: Number(size) });
    case 'linear':
      return linear(Number(size), { bias: option !== 'nobias' });
    case 'relu':
      return relu();
    case 'gelu':
      return gelu();
    default:
      throw new Error(`unknown golden layer ${text}`);
  }
};

const f32 = (list: readonly (readonly number[])[]): Float32Array[] => list.map((values) => Float32Array.from(values));
const f64 = (list: readonly (readonly number[])[]): Float64Array[] => list.map((values) => Float64Array.from(values));

/** `mlp`: 20-32-16-5 with ReLU. `lm`: ids through an embedding and GELU layers, one of them without bias. */
export const loadGolden = (name: 'mlp' | 'lm'): Golden => {
  const file = JSON.parse(readFileSync(join(projectRoot(), 'test', 'golden', `${name}.json`), 'utf8')) as GoldenFile;
  const makers = { adamW, sgd, adam, rmsProp };
  return {
    model: model({ name, input: file.model.input, layers: file.model.layers.map(layer) }),
    parameters: f32(file.parameters),
    inputs: file.model.input.kind === 'tokens' ? Int32Array.from(file.inputs) : Float32Array.from(file.inputs),
    labels: Int32Array.from(file.labels),
    gradients: f64(file.gradients),
    runs: file.runs.map(({ optimizer, losses64, losses32, final64, final32 }) => {
      const { kind, ...settings } = optimizer;
      return { name: kind, optimizer: makers[kind](settings), losses64, losses32, final64: f64(final64), final32: f32(final32) };
    }),
  };
};
