/**
 * One short run of every kernel over a memory of its own, with every tail: what the start-up check compares between two builds.
 *
 *   plan ─exercise─▶ words          equal words: equal bits (every NaN written as one)
 *
 * Packed blocks are left out of the result, for their layout differs between builds by design. Not here: the decision (revectorize.ts).
 */
import { chunksOf, gradientScratchBytes, nodeAlign, nodesMax, panelRowBytes, roundKinds, slabTokens, type Kernels } from './types.js';

/** Memory that the exercise needs, in pages. */
export const exercisePages = 48;

/** Places in the memory, bytes apart as needed by the shapes below. */
const [weightAt, inputAt, packedAt, scratchAt, wordsAt, resultAt] = [0x10_000, 0x40_000, 0x90_000, 0xb0_000, 0xd0_000, 0x100_000];
const resultBytesMax = exercisePages * 65_536 - resultAt;

/** A fixed sequence of floats in −2 … 2, from a linear congruence. */
const fill = (floats: Float32Array, first: number, last: number): void => {
  let state = 12_345;
  for (let i = first; i < last; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    floats[i] = (state >> 8) / 2 ** 22;
  }
};

/** Runs all kernels and returns what they left behind. */
export const exercise = (k: Kernels, memory: WebAssembly.Memory): Int32Array => {
  const floats = new Float32Array(memory.buffer), words = new Int32Array(memory.buffer);
  fill(floats, weightAt >> 2, packedAt >> 2);
  for (let i = 0; i < 256; i++) words[(wordsAt >> 2) + i] = (i * 7) % 13 - 1;
  let next = resultAt;
  /** A place for `count` floats of result, holding drawn values. */
  const result = (count: number): number => {
    const address = next;
    next += Math.ceil(count / 4) * 16;
    floats.copyWithin(address >> 2, inputAt >> 2, (inputAt >> 2) + count);
    return address;
  };
  linearKernels(k, result);
  gradientKernels(k, result);
  sparseKernels(k, result, words);
  elementKernels(k, result);
  attentionKernels(k, result);
  normKernels(k, result);
  gatedAndScaleKernels(k, result);
  initialKernels(k, result);
  optimizerKernels(k, result);
  if (next - resultAt > resultBytesMax) throw new RangeError('the exercise outgrew its memory');
  const bits = words.slice(resultAt >> 2, next >> 2);
  bits.forEach((_, i) => {
    if (Number.isNaN(floats[(resultAt >> 2) + i])) bits[i] = -1;
  });
  return bits;
};

type Result = (count: number) => number;

const linearKernels = (k: Kernels, result: Result): void => {
  const n = 300;
  for (const m of [1, 2, 3, 4, 5, 8, 10, 14]) {
    const weight = weightAt;
    const out = result(2 * m * slabTokens);
    k.packForward(packedAt, weight, n, m + 3, 2, m);
    k.linear(out, m * panelRowBytes, inputAt, n * panelRowBytes, packedAt, n, m, 2);
    for (const lanes of [16, slabTokens]) k.linearLanes(result(m * slabTokens), inputAt, packedAt, n, m, lanes);
    k.packDelta(packedAt, weight, n, 1, m);
    const [sum, chunk] = [result(m * slabTokens), result(m * slabTokens)];
    k.linearSegment(sum, chunk, inputAt, packedAt, n, m, 100, 290);
    k.addBias(sum, 0, inputAt, m, 1);
    k.turn(result(slabTokens * nodeAlign), sum, m);
  }
};

const gradientKernels = (k: Kernels, result: Result): void => {
  const width = 2 * nodeAlign, panels = 5;
  for (const inputs of [1, 2, 3, 4, 5, 9]) {
    const stride = inputs * width * 4;
    const dst = result(nodesMax(panels) * (stride / 4));
    if (gradientScratchBytes(width, panels) > wordsAt - scratchAt) throw new RangeError('the exercise needs a larger scratch');
    k.gradient(dst, stride, scratchAt, inputAt, inputs * panelRowBytes, weightAt, inputs, width, panels, 3, 0, 20);
    k.gradient(dst, stride, scratchAt, inputAt, inputs * panelRowBytes, weightAt, inputs, width, panels, 5, 3, 20);
    k.gradientSegment(dst, inputAt, weightAt, inputs, width, 3, 20);
  }
};

/** Runs of 0 to 8 entries, a third of them empty; lists lie where the scratch is. */
const sparseKernels = (k: Kernels, result: Result, words: Int32Array): void => {
  const n = 300, panels = 2, tokens = 0x1d_20_20_20;
  const [startsAt, indicesAt, listAt] = [scratchAt, scratchAt + 0x400, scratchAt + 0x1000];
  const halves = new Uint16Array(words.buffer);
  for (const m of [1, 3, 4, 8]) {
    const [x, dy] = [result(4 * n * slabTokens), result(4 * m * slabTokens)];
    k.quad(x, inputAt, 2 * panelRowBytes, n, 4);
    k.quad(dy, weightAt, 5 * panelRowBytes, m, 3);
    k.packForward(packedAt, weightAt, n, m, 0, m);
    k.liveFeatures(listAt, inputAt, n);
    k.linearListed(result(m * slabTokens), inputAt, packedAt, n, m, listAt);
    for (const lanes of m % 4 === 0 ? [1, 4] : [1]) {
      const runs = chunksOf(n) * (m / lanes);
      let stored = 0;
      for (let run = 0; run < runs; run++) {
        words[(startsAt >> 2) + run] = stored;
        for (let e = 0; e < ((run * 5) % 13) - 4; e++) halves[(indicesAt >> 1) + stored++] = (e * 5 + (run % 3)) * panelRowBytes;
      }
      words[(startsAt >> 2) + runs] = stored;
      const count = stored * lanes, stride = Math.ceil(count / 4) * 16;
      const leaves = result(stride), [linear, gradient] = lanes === 4 ? [k.linearFourRow, k.gradientFourRow] : [k.linearStored, k.gradientStored];
      linear(result(panels * m * slabTokens), m * panelRowBytes, inputAt, n * panelRowBytes, weightAt, indicesAt, startsAt, n, m, panels);
      gradient(leaves, stride, x, dy, indicesAt, startsAt, n, m, tokens, 4, 0);
      gradient(result(count), 0, x, dy, indicesAt, startsAt, n, m, tokens, 4, 1);
      k.gatherNode(result(count), inputAt, nodeAlign, indicesAt, startsAt, n, m, lanes);
      k.spread(packedAt, weightAt, indicesAt, startsAt, n, m, lanes);
      k.linear(result(m * slabTokens), 0, inputAt, 0, packedAt, n, m, 1);
      k.gather(result(runs), weightAt, startsAt, runs);
      if (lanes === 4) continue;
      k.linearStoredSegment(result(m * slabTokens), result(m * slabTokens), inputAt, weightAt, indicesAt, startsAt, n, m, 3, 290);
      k.gradientStoredSegment(leaves, inputAt, weightAt, indicesAt, startsAt, n, m, 3, 290, 1, 29);
    }
  }
  // The answer is written down where bits are compared.
  for (const count of [7, 64]) words[result(1) >> 2] = k.allFinite(inputAt, count);
};

const elementKernels = (k: Kernels, result: Result): void => {
  const count = 68, odd = 37, classes = 12;
  k.relu(result(count), inputAt, count);
  k.reluDelta(result(count), inputAt, weightAt, count);
  k.gelu(result(count), inputAt, count);
  k.geluDelta(result(count), inputAt, weightAt, count);
  const [max, sum, chunk, loss] = [result(slabTokens), result(slabTokens), result(slabTokens), result(slabTokens)];
  const e = result(classes * slabTokens), delta = result(classes * slabTokens);
  k.softmaxMax(max, inputAt, classes);
  k.softmaxExp(e, sum, chunk, inputAt, max, 0, classes, classes);
  k.softmaxLoss(loss, sum, inputAt, max);
  k.softmaxDelta(delta, e, sum, wordsAt, 0.125, 0, classes, 29);
  k.lossLeaf(result(1), loss, wordsAt, 29);
  k.add(result(odd), inputAt, weightAt, odd);
  for (const flags of [0, 1, 2, 3, 6, 7, 10, 11, 14, 15]) k.sgd(result(odd), weightAt, inputAt, result(odd), odd, 0.01, 0.9, 0.7, 0.1, flags);
  for (const flags of [0, 1, 2, 3]) k.adam(result(odd), weightAt, inputAt, result(odd), result(odd), odd, 0.9, 0.1, 0.999, 0.001, 1e-8, 0.01, 0.5, 0.1, 0.99, flags);
};

const attentionKernels = (k: Kernels, result: Result): void => {
  const rows = 2 * slabTokens, slabs = 2, scale = 0.125;
  for (const features of [1, 2, 3, 4, 5, 14, 270]) {
    const stride = (features + 1) * panelRowBytes;
    const s = result(rows * slabTokens), out = result(features * slabTokens);
    const [sum, chunk, dot] = [result(slabTokens * slabTokens), result(slabTokens * slabTokens), result(slabTokens)];
    k.panelDot(s, inputAt, stride, weightAt, features, slabs);
    k.panelDotSegment(sum, chunk, inputAt, weightAt, features >> 1, features, features);
    k.slabProduct(out, inputAt, stride, weightAt, features, slabs, features & 1);
    k.headDot(dot, inputAt, weightAt, features);
    k.headDotSegment(sum, chunk, inputAt, weightAt, features >> 1, features, features);
    k.scaleColumns(out, weightAt, features);
  }
  for (const [headSize, places] of [[3, 1], [20, 33], [45, 70], [260, 40]] as const) k.attendCached(result(headSize * slabTokens), inputAt, weightAt, inputAt, scratchAt, headSize, places, scale);
  const [m, r] = [result(slabTokens), result(slabTokens)];
  const s = result(rows * slabTokens), again = result(rows * slabTokens), p = result(rows * slabTokens), g = result(rows * slabTokens);
  k.attentionSoftmax(s, m, r, slabs, scale);
  k.attentionExp(again, m, slabs, scale);
  k.attentionDelta(p, g, s, again, r, m, scale, rows);
  k.turnBlocks(result(rows * slabTokens), g, slabs);
};

const normKernels = (k: Kernels, result: Result): void => {
  // Parameters and the second panel lie where the weights are, statistics among the inputs.
  const epsilon = 1e-5, [d, gain, bias] = [weightAt, weightAt, weightAt + 2048];
  for (const features of [1, 7, 270]) {
    const stats = result(2 * slabTokens), y = result(features * slabTokens);
    const [sum, chunk, sumB, chunkB] = [result(slabTokens), result(slabTokens), result(slabTokens), result(slabTokens)];
    k.featureSum(sum, chunk, inputAt, 0, features, features);
    k.divideRow(stats, sum, features);
    k.featureSquares(sum, chunk, inputAt, stats, 0, features, features);
    k.rootRow(stats + panelRowBytes, sum, features, epsilon);
    k.normApply(y, inputAt, stats, gain, bias, features);
    k.normApply(result(features * slabTokens), inputAt, stats, gain, 0, features);
    k.normDeltaSums(sum, chunk, sumB, chunkB, inputAt, d, stats, gain, 0, features, features);
    k.normDelta(result(features * slabTokens), inputAt, d, stats, sum, sumB, gain, 0, features);
    k.normDelta(y, inputAt, d, stats, sum, sumB, gain, y, features);
    k.normLeaf(result(features), result(features), inputAt, d, stats, features, 29);
    k.normLeaf(result(features), 0, inputAt, d, stats, features, slabTokens);
  }
  for (const headSize of [2, 10, 16]) {
    const x = result(2 * headSize * slabTokens);
    k.rotary(x, 2, headSize, weightAt, inputAt, 1);
    k.rotary(x, 2, headSize, weightAt, inputAt, -1);
  }
  k.dropout(result(3 * slabTokens), inputAt, 3, 5, 64, 12_345, -678, 0x40_00_00_00, 1.25);
};

const gatedAndScaleKernels = (k: Kernels, result: Result): void => {
  const count = 68, floats = 5200, odd = 37;
  k.geluErf(result(count), inputAt, count);
  k.geluErfDelta(result(count), inputAt, weightAt, count);
  k.swiglu(result(count), inputAt, weightAt, count);
  k.swigluDelta(result(count), result(count), inputAt, weightAt, inputAt + 4096, count);
  k.squareLeaves(result(6), inputAt, floats);
  k.scale(result(odd), inputAt, 0.3, odd);
};

const initialKernels = (k: Kernels, result: Result): void => {
  for (const count of [1, 7, 64]) {
    k.initUniform(result(count), 0x7f_ff_ff_f8, count, 12_345, -678, 0.7);
    k.initNormal(result(count), 5, count, -12_345, 678, 0.02);
    for (const kind of Object.values(roundKinds)) {
      // Drawn floats already stand there.
      const [x, listed] = [result(count), result(count)];
      k.scale(listed, x, kind === roundKinds.cbfloat16 ? 2 ** -36 : 2 ** -20, count);
      k.roundTo(x, count, kind);
      k.roundByChance(result(2 * count), count * 4, inputAt + 4096, 260, 2, count, -3, 7, 12_345, -678, kind);
      k.roundListed(listed, wordsAt, count, 7, 12_345, -678, kind);
    }
  }
};

const optimizerKernels = (k: Kernels, result: Result): void => {
  const count = 37, [w, g] = [weightAt, inputAt];
  const fresh = (): number => result(count);
  for (const flags of [0, 1, 2, 3, 4, 5, 6, 7]) k.rmsProp(fresh(), w, g, fresh(), fresh(), fresh(), count, 0.01, 0.99, 0.01, 1e-8, 0.9, 0.1, flags);
  k.lion(fresh(), w, g, fresh(), count, 0.01, 0.9, 0.1, 0.99, 0.01, 0.999);
  const [m, v] = [fresh(), fresh()];
  k.lambDirection(fresh(), w, g, m, v, count, 0.9, 0.1, 0.999, 0.001, 1e-6, 10, 0.03, 0.1);
  k.lambStep(fresh(), w, m, v, count, 1e-6, 10, 0.03, 0.1, 0.02);
  k.squaredMoment(v, g, count, 0.4, 0.6, 1e-30);
  const u = fresh();
  k.overRoot(u, g, v, count);
  k.directedStep(fresh(), w, u, count, 0.02, 0.999);
  k.directedMomentumStep(fresh(), w, u, fresh(), count, 0.02, 0.999, 0.9, 0.1);
  k.overFactors(fresh(), g, w, w + 64, 3, 11, count, 0.7);
  for (const [rows, cols] of [[1, 3], [4, 8], [9, 13]] as const) {
    k.rowSquares(result(2 * rows), 8, g, 4 * cols + 4, rows, cols);
    k.columnSquares(result(cols), g, 4 * cols + 4, rows, cols);
  }
};
