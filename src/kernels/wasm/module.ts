/**
 * All kernels as one WebAssembly module, for one shape of register block.
 *
 *   kernel families ─buildModule─▶ bytes ─load.ts─▶ instances in every thread
 *
 * Not here: choosing a build, compiling it, checking it (../load.ts).
 */
import { ModuleBuilder } from '../assembler/module.js';
import { defineActivations } from './activations.js';
import { defineAttention } from './attention.js';
import { defineAttentionCached } from './attention-cached.js';
import { defineAttentionProducts } from './attention-products.js';
import { shapes } from './build.js';
import { defineDropout } from './dropout.js';
import { defineEmbedding } from './embedding.js';
import { defineGradient } from './gradient.js';
import { defineInitial } from './initial.js';
import { defineLinear } from './linear.js';
import { defineNormLeaves } from './norm-leaves.js';
import { defineNorms } from './norms.js';
import { defineOptimizers } from './optimizers.js';
import { defineAdaptiveOptimizers } from './optimizers-adaptive.js';
import { definePack } from './pack.js';
import { defineRotary } from './rotary.js';
import { defineRound } from './round.js';
import { defineSoftmax } from './softmax.js';
import { defineSparseGradient } from './sparse-gradient.js';
import { defineSparseLinear } from './sparse-linear.js';
import { defineSparseMoves } from './sparse-moves.js';
import { defineSparseRows } from './sparse-rows.js';
import { defineSquares } from './squares.js';

export type Width = '128' | '256';

/** The width of a packed group of a build. */
export const packWidthOf = (width: Width): number => shapes[width].rows;

/** The module's bytes. The salt changes the bytes and nothing else: caches of compiled code see two modules. `names`: for a text dump. */
export const buildModule = ({ width, salt = '', names = false }: { readonly width: Width; readonly salt?: string; readonly names?: boolean }): Uint8Array<ArrayBuffer> => {
  const m = new ModuleBuilder();
  const shape = shapes[width];
  defineLinear(m, shape);
  defineGradient(m, shape);
  definePack(m, shape);
  defineSparseLinear(m, shape);
  defineSparseRows(m, shape);
  defineSparseGradient(m, shape);
  defineSparseMoves(m, shape);
  defineActivations(m);
  defineSoftmax(m);
  defineAttentionProducts(m, shape);
  defineAttention(m);
  defineAttentionCached(m);
  defineNorms(m);
  defineNormLeaves(m);
  defineRotary(m);
  defineDropout(m);
  defineEmbedding(m);
  defineInitial(m);
  defineSquares(m);
  defineRound(m);
  defineOptimizers(m);
  defineAdaptiveOptimizers(m);
  return m.bytes({ salt, names });
};
