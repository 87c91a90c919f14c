/**
 * The scalar twins of all kernels over one memory: plain TypeScript that follows docs/numerics.md literally, a rounding after every operation.
 *
 * Slow on purpose: each is the definition, and the kernels must agree with it to the bit. Not here: the kernels (../wasm/).
 */
import type { Kernels } from '../types.js';
import { activationTwins } from './activations.js';
import { attentionTwins } from './attention.js';
import { attentionCachedTwins } from './attention-cached.js';
import { dropoutTwins } from './dropout.js';
import { initialTwins } from './initial.js';
import { linearTwins } from './linear.js';
import { moveTwins } from './moves.js';
import { normTwins } from './norms.js';
import { optimizerTwins } from './optimizers.js';
import { adaptiveOptimizerTwins } from './optimizers-adaptive.js';
import { rotaryTwins } from './rotary.js';
import { roundTwins } from './round.js';
import { sparseTwins } from './sparse.js';
import { sparseGradientTwins } from './sparse-gradient.js';
import { squareTwins } from './squares.js';
import { viewOf } from './view.js';

/** A width that no build has: nothing but the layout of packed blocks may depend on it. */
export const twinPackWidth = 3;

export const createTwin = (memory: WebAssembly.Memory, packWidth = twinPackWidth): Kernels => {
  const view = viewOf(memory);
  return {
    packWidth, ...linearTwins(view, packWidth), ...moveTwins(view, packWidth), ...activationTwins(view), ...attentionTwins(view), ...attentionCachedTwins(view), ...normTwins(view), ...rotaryTwins(view),
    ...dropoutTwins(view), ...initialTwins(view), ...squareTwins(view), ...roundTwins(view), ...sparseTwins(view, packWidth), ...sparseGradientTwins(view), ...optimizerTwins(view), ...adaptiveOptimizerTwins(view),
  };
};
